"""Rows of a database as Parquet files: read once, in one snapshot, before the steps of a run."""

import hashlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from common.digests import file_digest
from common.errors import InputError
from common.output_folder import is_held
from pipeline.config import Data
from pipeline.counting import count
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.connections import Connection, connect, driver_errors
from pipeline.reading.sql.database import Database, parse_url
from pipeline.reading.sql.extraction import spans
from pipeline.reading.sql.extraction.changes import change_sign
from pipeline.reading.sql.extraction.record import ReadRows, Record, read_record, write_record
from pipeline.reading.sql.extraction.rows import RowReader
from pipeline.reading.sql.extraction.spans import Span
from pipeline.reading.sql.failures import explain_trouble, words_of
from pipeline.reading.sql.ordering import check_table, primary_key
from pipeline.reading.sql.partitions.reading import Reader, ThreadReader
from pipeline.reading.sql.retries import read_again
from pipeline.reading.sql.statements import (
    check_query,
    fill_query,
    placeholder_of,
    quote_table,
)

_FORMAT = 1  # of the files; another number reads everything again
_LOCK = ".lock"
_NUM_KEPT = 3  # files of rows without spans, and folders; another run may still read an earlier one
_progress = logging.getLogger("faultline.progress")


@dataclass(frozen=True, kw_only=True)
class Extract:
    """Rows of a database in files.

    Attributes:
        path: The files, as `data.path` would have them; with spans, a pattern.
        notes: What was read, and what was known to be unchanged by which means.
    """

    path: str
    notes: tuple[str, ...]


class Keys(NamedTuple):
    """Where the user has given a database's URL, the query, and what to read, for messages."""

    url: str
    query: str
    rows: str


_IN_CONFIG = Keys("data.sql.url", "data.sql.query", "data.sql")


def extract_rows(
    data: Data,
    *,
    folder: Path,
    target: Path,
    environ: Mapping[str, str],
    keys: Keys = _IN_CONFIG,
    reader: Reader | None = None,
) -> Extract:
    """Reads the rows that a config asks for, unless unchanged ones are there, as Parquet.

    Args:
        data: The config's `data`, with `sql`.
        folder: Folder of the YAML, to which an SQLite file is relative.
        target: Folder for the result, `sql-DIGEST` in it.
        environ: Environment variables, for the password.
        keys: Where the options were given, for messages.
        reader: What reads ranges, if `num_readers` is above 1; by default threads.

    Raises:
        InputError: The database, its table or query cannot be read, also by further attempts where
            the server broke off; there are no rows; or their order is not certain. Nothing
            half-written is left.
    """
    sql = data.sql
    if sql is None:
        raise InputError("data.sql is not set, so there is nothing to read.")
    database = parse_url(sql.url, folder=folder, password_env=sql.password_env, key=keys.url)
    notes: list[str] = []

    def say(failure: str) -> None:
        notes.append(failure)
        _progress.info("%s", failure)

    def read() -> Path:
        with _opened(database, environ, keys) as connection:
            query = _query_of(connection, database, sql, keys)
            rows = RowReader(
                connection=connection,
                database=database,
                sql=sql,
                order_by=sql.order_by or primary_key(connection, database, str(sql.table)),
                environ=environ,
                ranges=reader or ThreadReader(environ, num_threads=sql.num_readers),
                notes=notes,
            )
            return _read_into(target, rows, query, data, keys)

    path = read_again(read, on_failure=say)
    return Extract(path=str(path), notes=tuple(notes))


def _read_into(target: Path, rows: RowReader, query: str, data: Data, keys: Keys) -> Path:
    """Returns the path of the file, or with spans the pattern of the files, in `target`."""
    place = target / f"sql-{_key(rows.database, rows.sql, rows.order_by)[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / _LOCK):
        extraction = _Extraction(rows, place)
        extraction.remove_leftovers()
        path = extraction.read_all(query, data, keys)
    _remove_unused(target, place)
    return path


def _remove_unused(target: Path, place: Path) -> None:
    """Removes the rows of earlier databases, tables and queries of the use case, except a few."""
    os.utime(place)
    folders = sorted(target.glob("sql-*"), key=lambda path: path.stat().st_mtime)
    for old in folders[:-_NUM_KEPT]:
        if not is_held(old / _LOCK):
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _opened(database: Database, environ: Mapping[str, str], keys: Keys) -> Iterator[Connection]:
    """Yields a read-only connection; what its driver raises becomes an `InputError`."""
    failures: tuple[type[Exception], ...] = (*driver_errors(database), ConnectionError)
    connection = connect(database, environ)
    try:
        yield connection
    except failures as error:
        refusal = InputError(
            f"The query of {database} failed: {words_of(error)}. Correct {keys.rows}."
        )
        raise explain_trouble(database, error) or refusal from None
    finally:
        with suppress(*driver_errors(database), OSError):
            connection.close()


def _query_of(connection: Connection, database: Database, sql: Sql, keys: Keys) -> str:
    if sql.table is None:
        return check_query(str(sql.query), key=keys.query)
    check_table(connection, database, sql.table)
    return f"SELECT * FROM {quote_table(sql.table, database.kind)}"  # noqa: S608 - quoted


def _key(database: Database, sql: Sql, order_by: tuple[str, ...]) -> str:
    """Returns the digest of what the files depend on, except the rows."""
    parts = [_FORMAT, str(database), sql.table, sql.query, order_by, sql.lists]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _Extraction:
    """Keeps the rows of queries in one folder, and notes what it did."""

    rows: RowReader
    place: Path

    def remove_leftovers(self) -> None:
        """Removes what a reading that was killed has left."""
        for draft in self.place.glob(".*.parquet"):
            draft.unlink(missing_ok=True)
        for ranges in self.place.glob(".ranges-*"):
            shutil.rmtree(ranges, ignore_errors=True)

    def read_all(self, query: str, data: Data, keys: Keys) -> Path:
        """Returns the path of the file, or with spans the pattern of the files."""
        placeholder = placeholder_of(query, key=keys.query)
        if placeholder is None:
            return self.place / self.read(query, None)
        found = spans.find_spans(self.rows.connection, str(self.rows.sql.spans), placeholder)
        for span in spans.wanted_spans(found, data):
            self.read(fill_query(query, span, self.rows.database.kind), span)
        self.keep_only(found)
        return self.place / spans.file_pattern(placeholder)

    def read(self, query: str, span: Span | None) -> str:
        """Returns the name of the file with a query's rows, which is written if they are new."""
        record = self._record()
        name, earlier = self._earlier(record, span)
        sign = change_sign(self.rows.connection, self.rows.database, self.rows.sql, query)
        if earlier is not None and sign is not None and sign == earlier.sign:
            self._say(earlier, f"unchanged by {self._means()}, not read again", span)
            return name
        draft = self.place / f".{uuid.uuid4().hex}.parquet"
        try:
            rows = replace(self.rows.write(draft, query), sign=sign)
            if earlier is not None and earlier.digest == rows.digest:
                self._say(rows, "read and unchanged", span)
                rows = replace(rows, snapshot_at=earlier.snapshot_at)
            else:
                name = spans.file_name(span)
                if span is None:  # a run that reads the earlier rows keeps its file
                    name = f"rows-{rows.digest[:16]}.parquet"
                draft.replace(self.place / name)
                self._say(rows, "read", span)
        finally:
            draft.unlink(missing_ok=True)
        kept = {name: rows} if span is None else {**record.files, name: rows}
        write_record(self.place, replace(record, files=kept))
        self._remove_superseded()
        return name

    def _remove_superseded(self) -> None:
        files = sorted(self.place.glob("rows-*.parquet"), key=lambda path: path.stat().st_mtime)
        for old in files[:-_NUM_KEPT]:
            old.unlink(missing_ok=True)

    def keep_only(self, found: list[Span]) -> None:
        """Removes the files of spans that the database no longer has."""
        record = self._record()
        names = {spans.file_name(span) for span in found}
        gone = set(record.files) - names
        for name in gone:
            (self.place / name).unlink(missing_ok=True)
        if gone:
            files = {name: rows for name, rows in record.files.items() if name in names}
            write_record(self.place, replace(record, files=files))

    def _record(self) -> Record:
        empty = Record(url=str(self.rows.database), order_by=self.rows.order_by)
        return replace(read_record(self.place) or empty, table=self.rows.sql.table)

    def _earlier(self, record: Record, span: Span | None) -> tuple[str, ReadRows | None]:
        """Returns the file of an earlier reading, and what it holds if it is as it was written."""
        name = spans.file_name(span)
        if span is None and record.files:
            [name] = record.files
        rows = record.files.get(name)
        path = self.place / name
        intact = rows is not None and path.is_file() and file_digest(path) == rows.digest
        return name, rows if intact else None

    def _means(self) -> str:
        if self.rows.sql.changed_by == "column":
            return f"the number of rows and the largest `{self.rows.sql.change_column}`"
        return "the table's statistics"

    def _say(self, rows: ReadRows, what: str, span: Span | None) -> None:
        of_span = "" if span is None else f" of span {span}"
        note = f"{self.rows.database}: {count(rows.num_rows, 'row')}{of_span} {what}"
        self.rows.notes.append(note)
        _progress.info("%s", note)
