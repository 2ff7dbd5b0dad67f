"""Rows of a database as Parquet files, which are predicted as any other files are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.prediction.options import PredictOptions
from pipeline.reading.sql.columns import describe
from pipeline.reading.sql.connections import connect
from pipeline.reading.sql.database import Database, is_database_url, parse_url
from pipeline.reading.sql.extraction.writing import write_rows
from pipeline.reading.sql.ordering import check_table
from pipeline.reading.sql.partitions.reading import ThreadReader, read_partitions
from pipeline.reading.sql.partitions.snapshots import PartitionedSelect, server_words
from pipeline.reading.sql.retries import read_again
from pipeline.reading.sql.selects import select_exactly, typed_batches
from pipeline.reading.sql.statements import check_query, quote_table
from pipeline.reading.sql.streams import stream_batches

_NUM_RANGES, _NUM_READERS = 8, 4


@dataclass(frozen=True, kw_only=True)
class DatabaseSource:
    """A table or query whose rows are to be predicted.

    Attributes:
        database: The database.
        query: One SELECT.
        name: What messages call it: the database with its table, or with `the query`.
        id_column: The column that identifies a row.
        partition_column: The column in whose ranges several readers read; None for one reader.
    """

    database: Database
    query: str
    name: str
    id_column: str
    partition_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReadFacts:
    """How the rows were read.

    Attributes:
        num_rows: Their number.
        taken_at: When their snapshot was taken.
        note: What a person should know of it, in words; may be empty.
    """

    num_rows: int
    taken_at: datetime
    note: str


def find_source(options: PredictOptions) -> DatabaseSource | None:
    """Returns the table or query of the command line; None if its data are files.

    Raises:
        InputError: Options do not fit together, or the URL or the query is none.
    """
    given = {
        "--table": options.table,
        "--query": options.query,
        "--partition-column": options.partition_column,
    }
    if not is_database_url(options.data):
        named = [name for name, value in given.items() if value is not None]
        if named:
            raise InputError(
                f"{named[0]} is for rows of a database, and {options.data} is none. Give DATA as "
                "postgresql://USER@HOST/DATABASE, mysql://… or sqlite:///PATH."
            )
        return None
    database = parse_url(options.data, password_env=options.password_env, key="DATA")
    if (options.table is None) == (options.query is None):
        raise InputError(f"{database} is a database. Name the rows with either --table or --query.")
    if options.id_column is None:
        raise InputError(
            "Rows of a database have no number that would identify them: name a column with --id."
        )
    if options.query is not None:
        query, name = check_query(options.query, key="--query"), f"the query of {database}"
    else:
        table = str(options.table)
        query, name = f"SELECT * FROM {quote_table(table, database.kind)}", f"{table} of {database}"  # noqa: S608
    return DatabaseSource(
        database=database,
        query=query,
        name=name,
        id_column=options.id_column,
        partition_column=options.partition_column,
    )


def check_source(source: DatabaseSource, table: str | None, environ: Mapping[str, str]) -> None:
    """Checks that the database answers, has the table, and gives the column of the ids.

    Raises:
        InputError: It does not.
    """
    connection = connect(source.database, environ)
    try:
        if table is not None:
            check_table(connection, source.database, table)
        with server_words(source.database):
            names = [column.name for column in describe(connection, source.database, source.query)]
    finally:
        connection.close()
    if source.id_column not in names:
        listed = ", ".join(f"`{name}`" for name in names[:30])
        raise InputError(
            f"--id names the column `{source.id_column}`, which is not in {source.name}. Columns: "
            f"{listed}."
        )


def read_source(
    source: DatabaseSource, folder: Path, lists: Sequence[str], environ: Mapping[str, str]
) -> ReadFacts:
    """Reads all rows in one snapshot into Parquet files of an empty folder.

    Args:
        source: The table or query.
        folder: The folder.
        lists: Columns that are signals, perhaps written as JSON lists.
        environ: Environment variables, for the password.

    Raises:
        InputError: The query fails, has no rows, or the connection is lost each time.
    """
    failures: list[str] = []

    def read() -> ReadFacts:
        for part in folder.iterdir():  # of an attempt that failed
            part.unlink()
        if source.partition_column is None:
            return _read_alone(source, folder, lists, environ)
        return _read_ranges(source, source.partition_column, folder, lists, environ)

    facts = read_again(read, on_failure=failures.append)
    if not facts.num_rows:
        raise InputError(f"{source.name} has no rows, so there is nothing to predict.")
    return replace(facts, note=" ".join(part for part in (*failures, facts.note) if part))


def _read_ranges(
    source: DatabaseSource,
    column: str,
    folder: Path,
    lists: Sequence[str],
    environ: Mapping[str, str],
) -> ReadFacts:
    select = PartitionedSelect(
        database=source.database,
        query=source.query,
        column=column,
        num_ranges=_NUM_RANGES,
        lists=tuple(lists),
    )
    reader = ThreadReader(environ, num_threads=_NUM_READERS)
    rows = read_partitions(select, folder, reader=reader, environ=environ)
    return ReadFacts(num_rows=rows.num_rows, taken_at=rows.taken_at, note=rows.note)


def _read_alone(
    source: DatabaseSource, folder: Path, lists: Sequence[str], environ: Mapping[str, str]
) -> ReadFacts:
    database = source.database
    connection = connect(database, environ)
    try:
        with server_words(database):
            columns = describe(connection, database, source.query, lists=tuple(lists))
    finally:
        connection.close()
    taken_at = datetime.now(tz=UTC)
    query = select_exactly(source.query, columns, (), database.kind)
    stream = stream_batches(database, query, environ=environ)
    batches = typed_batches(stream, columns, database.kind)
    num_rows = write_rows(folder / "rows-00000.parquet", batches)
    return ReadFacts(num_rows=num_rows, taken_at=taken_at, note="")


def read_ids(files: Sequence[Path], id_column: str) -> list[pa.ChunkedArray]:
    """Returns the ids in Parquet files."""
    return [pq.read_table(file, columns=[id_column]).column(0) for file in files]
