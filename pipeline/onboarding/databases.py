"""`faultline init` on a table or query of a database: profiles its rows as it profiles a file."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.config import Data
from pipeline.data_options.sql import Sql
from pipeline.onboarding.initialising import InitReport, initialise
from pipeline.reading.sql.database import Database, parse_url
from pipeline.reading.sql.extraction.extract import Keys, extract_rows
from pipeline.reading.sql.selects import is_json_lists

_ON_COMMAND_LINE = Keys("DATA", "--query", "--table or --query")


@dataclass(frozen=True, kw_only=True)
class DatabaseTable:
    """What a person says of the rows of a database.

    Attributes:
        table: The table or view.
        query: One SELECT in its place.
        order_by: Columns that order the rows, separated by commas.
    """

    table: str | None = None
    query: str | None = None
    order_by: str | None = None


def initialise_database(
    url: str, wanted: DatabaseTable, *, environ: Mapping[str, str], **options: Any
) -> InitReport:
    """Profiles the rows of a database and writes a config and a schema; see `initialise`.

    Args:
        url: The database.
        wanted: Its table or query.
        environ: Environment variables, for the password.
        options: The other arguments of `initialise`.

    Raises:
        InputError: The database cannot be read, or `initialise` refuses its rows.
    """
    database = parse_url(url, key="DATA")
    if (wanted.table is None) == (wanted.query is None):
        raise InputError(
            f"{database} is a database. Name the rows with one of --table TABLE and --query SELECT."
        )
    if wanted.query is not None and wanted.order_by is None:
        raise InputError(
            "--query needs --order-by, columns that order its rows in one way only: splits and "
            "training depend on the order, and a server may give another one each time."
        )
    for name in ("labels", "rows", "header"):
        if options.pop(name, None):
            raise InputError(f"--{name} describes files and does not go with a database.")
    sql = Sql(
        url=url,
        table=wanted.table,
        query=wanted.query,
        order_by=tuple(part.strip() for part in (wanted.order_by or "").split(",") if part.strip()),
    )
    options["name"] = options.get("name") or _name_of(wanted.table or database.name)
    with tempfile.TemporaryDirectory(prefix="faultline-init-") as folder:
        sql, path = _stage(sql, Path(folder), environ)
        try:
            return initialise(
                path,
                rows="examples",
                sql=_in_config(sql, database, Path(options["project_dir"]) / "configs"),
                **options,
            )
        except InputError as error:
            raise InputError(str(error).replace(path, str(database))) from None


def _stage(sql: Sql, folder: Path, environ: Mapping[str, str]) -> tuple[Sql, str]:
    """Reads the rows into a folder; returns the options with its JSON lists, and the file."""
    path = extract_rows(
        Data(sql=sql), folder=Path(), target=folder, environ=environ, keys=_ON_COMMAND_LINE
    ).path
    lists = _list_columns(path)
    if not lists:
        return sql, path
    sql = replace(sql, lists=lists)
    data = Data(sql=sql)
    return sql, extract_rows(
        data, folder=Path(), target=folder, environ=environ, keys=_ON_COMMAND_LINE
    ).path


def _list_columns(path: str) -> tuple[str, ...]:
    """Returns the columns of text all of whose values are JSON lists of numbers."""
    with pq.ParquetFile(path) as file:
        names = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=names)
            names = [name for name in names if is_json_lists(table[name].combine_chunks())]
        return tuple(names)


def _name_of(table: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", Path(table).stem.lower()).strip("_") or "data"
    return (slug if slug[0].isalpha() else f"data_{slug}")[:64]


def _in_config(sql: Sql, database: Database, folder: Path) -> Sql:
    """Returns the options as the config has them: an SQLite file is relative to its folder."""
    if database.kind != "sqlite":
        return sql
    return replace(sql, url=f"sqlite:///{Path(os.path.relpath(database.name, folder)).as_posix()}")
