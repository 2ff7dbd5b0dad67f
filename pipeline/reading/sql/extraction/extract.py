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
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from common.digests import file_digest
from common.errors import InputError
from common.guards.redaction import redact_text
from common.output_folder import is_held
from pipeline.config import Data
from pipeline.counting import count
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.columns import describe
from pipeline.reading.sql.connections import Connection, connect, driver_errors, words_of
from pipeline.reading.sql.database import Database, parse_url
from pipeline.reading.sql.extraction import spans
from pipeline.reading.sql.extraction.changes import change_sign
from pipeline.reading.sql.extraction.record import ReadRows, Record, read_record, write_record
from pipeline.reading.sql.extraction.spans import Span
from pipeline.reading.sql.extraction.writing import write_rows
from pipeline.reading.sql.ordering import (
    check_order_columns,
    check_table,
    checked_order,
    primary_key,
)
from pipeline.reading.sql.partitions.reading import Reader, ThreadReader, read_partitions
from pipeline.reading.sql.partitions.snapshots import PartitionedSelect
from pipeline.reading.sql.selects import select_exactly, typed_batches
from pipeline.reading.sql.statements import (
    check_query,
    fill_query,
    placeholder_of,
    quote_table,
)
from pipeline.reading.sql.streams import stream_batches

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


def extract_rows(
    data: Data,
    *,
    folder: Path,
    target: Path,
    environ: Mapping[str, str],
    key: str = "data.sql",
    reader: Reader | None = None,
) -> Extract:
    """Reads the rows that a config asks for, unless unchanged ones are there, as Parquet.

    Args:
        data: The config's `data`, with `sql`.
        folder: Folder of the YAML, to which an SQLite file is relative.
        target: Folder for the result, `sql-DIGEST` in it.
        environ: Environment variables, for the password.
        key: Where the options were given, for messages.
        reader: What reads ranges, if `num_readers` is above 1; by default threads.

    Raises:
        InputError: The database, its table or query cannot be read; there are no rows; or their
            order is not certain. Nothing half-written is left.
    """
    sql = data.sql
    if sql is None:
        raise InputError("data.sql is not set, so there is nothing to read.")
    database = parse_url(sql.url, folder=folder, password_env=sql.password_env, key=f"{key}.url")
    with _opened(database, environ) as connection:
        query = _query_of(connection, database, sql, key)
        order_by = sql.order_by or primary_key(connection, database, str(sql.table))
        place = target / f"sql-{_key(database, sql, order_by)[:16]}"
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / _LOCK):
            extraction = _Extraction(
                connection,
                database,
                sql,
                order_by,
                place,
                environ,
                [],
                reader or ThreadReader(environ, num_threads=sql.num_readers),
            )
            extraction.remove_leftovers()
            path = extraction.read_all(query, data, key)
        _remove_unused(target, place)
        return Extract(path=str(path), notes=tuple(extraction.notes))


def _remove_unused(target: Path, place: Path) -> None:
    """Removes the rows of earlier databases, tables and queries of the use case, except a few."""
    os.utime(place)
    folders = sorted(target.glob("sql-*"), key=lambda path: path.stat().st_mtime)
    for old in folders[:-_NUM_KEPT]:
        if not is_held(old / _LOCK):
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _opened(database: Database, environ: Mapping[str, str]) -> Iterator[Connection]:
    """Yields a read-only connection; what its driver raises becomes an `InputError`."""
    connection = connect(database, environ)
    try:
        yield connection
    except driver_errors(database) as error:
        raise InputError(
            f"The query of {database} failed: {words_of(error)}. Correct data.sql."
        ) from None
    finally:
        with suppress(*driver_errors(database), OSError):
            connection.close()


def _query_of(connection: Connection, database: Database, sql: Sql, key: str) -> str:
    if sql.table is None:
        return check_query(str(sql.query), key=f"{key}.query")
    check_table(connection, database, sql.table)
    return f"SELECT * FROM {quote_table(sql.table, database.kind)}"  # noqa: S608 - quoted


def _key(database: Database, sql: Sql, order_by: tuple[str, ...]) -> str:
    """Returns the digest of what the files depend on, except the rows."""
    parts = [_FORMAT, str(database), sql.table, sql.query, order_by, sql.lists]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _Extraction:
    """Reads queries of one database into one folder; notes what it did."""

    connection: Connection
    database: Database
    sql: Sql
    order_by: tuple[str, ...]
    place: Path
    environ: Mapping[str, str]
    notes: list[str]
    reader: Reader

    def remove_leftovers(self) -> None:
        """Removes what a reading that was killed has left."""
        for draft in self.place.glob(".*.parquet"):
            draft.unlink(missing_ok=True)
        for ranges in self.place.glob(".ranges-*"):
            shutil.rmtree(ranges, ignore_errors=True)

    def read_all(self, query: str, data: Data, key: str) -> Path:
        """Returns the path of the file, or with spans the pattern of the files."""
        placeholder = placeholder_of(query, key=f"{key}.query")
        if placeholder is None:
            return self.place / self.read(query, None)
        found = spans.find_spans(self.connection, str(self.sql.spans), placeholder)
        for span in spans.wanted_spans(found, data):
            self.read(fill_query(query, span, self.database.kind), span)
        self.keep_only(found)
        return self.place / spans.file_pattern(placeholder)

    def read(self, query: str, span: Span | None) -> str:
        """Returns the name of the file with a query's rows, which is written if they are new."""
        record = self._record()
        name, earlier = self._earlier(record, span)
        sign = change_sign(self.connection, self.database, self.sql, query)
        if earlier is not None and sign is not None and sign == earlier.sign:
            self._say(earlier, f"unchanged by {self._means()}, not read again", span)
            return name
        draft = self.place / f".{uuid.uuid4().hex}.parquet"
        try:
            rows = replace(self._write(draft, query), sign=sign)
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
        empty = Record(url=str(self.database), order_by=self.order_by)
        return read_record(self.place) or empty

    def _earlier(self, record: Record, span: Span | None) -> tuple[str, ReadRows | None]:
        """Returns the file of an earlier reading, and what it holds if it is as it was written."""
        name = spans.file_name(span)
        if span is None and record.files:
            [name] = record.files
        rows = record.files.get(name)
        path = self.place / name
        intact = rows is not None and path.is_file() and file_digest(path) == rows.digest
        return name, rows if intact else None

    def _write(self, draft: Path, query: str) -> ReadRows:
        snapshot, snapshot_at = self._snapshot()
        columns = describe(
            self.connection,
            self.database,
            query,
            lists=self.sql.lists,
            order_by=self.order_by,
        )
        names = [column.name for column in columns]
        check_order_columns(self.order_by, names)
        _check_lists(self.sql.lists, names)
        if self.sql.num_readers > 1:
            return self._write_ranges(draft, query)
        kind = self.database.kind
        stream = stream_batches(
            self.database,
            select_exactly(query, columns, self.order_by, kind),
            environ=self.environ,
            snapshot=snapshot,
        )
        batches = checked_order(typed_batches(stream, columns, kind), self.order_by)
        return self._read_rows(draft, query, snapshot_at, write_rows(draft, batches))

    def _write_ranges(self, draft: Path, query: str) -> ReadRows:
        """Writes the rows that several readers read, in the order of one reader."""
        select = PartitionedSelect(
            database=self.database,
            query=query,
            column=self.order_by[0],
            num_ranges=self.sql.num_readers,
            order_by=self.order_by,
            lists=self.sql.lists,
        )
        with TemporaryDirectory(dir=self.place, prefix=".ranges-") as folder:
            rows = read_partitions(select, Path(folder), reader=self.reader, environ=self.environ)
            self.notes.append(rows.note)
            num_rows = write_rows(draft, checked_order(rows.batches(), self.order_by))
        return self._read_rows(draft, query, rows.taken_at.isoformat(), num_rows)

    def _read_rows(self, draft: Path, query: str, snapshot_at: str, num_rows: int) -> ReadRows:
        if not num_rows:
            raise InputError(
                f"{self.database} gives no rows for: {' '.join(query.split())[:200]}. Check the "
                "table, or the conditions of the query."
            )
        return ReadRows(
            query=redact_text(query),
            snapshot_at=snapshot_at,
            num_rows=num_rows,
            digest=file_digest(draft),
        )

    def _snapshot(self) -> tuple[str | None, str]:
        """Returns the name of the snapshot, if the server has names for them, and its time."""
        cursor = self.connection.cursor()
        if self.database.kind == "postgresql":
            cursor.execute("SELECT pg_export_snapshot(), now()")
            name, now = cursor.fetchone()
            return str(name), now.astimezone(UTC).isoformat()
        if self.database.kind == "mariadb":
            cursor.execute("SELECT utc_timestamp(6)")
            return None, f"{cursor.fetchone()[0].isoformat()}+00:00"
        return None, datetime.now(UTC).isoformat()

    def _means(self) -> str:
        if self.sql.changed_by == "column":
            return f"the number of rows and the largest `{self.sql.change_column}`"
        return "the table's statistics"

    def _say(self, rows: ReadRows, what: str, span: Span | None) -> None:
        of_span = "" if span is None else f" of span {span}"
        note = f"{self.database}: {count(rows.num_rows, 'row')}{of_span} {what}"
        self.notes.append(note)
        _progress.info("%s", note)


def _check_lists(lists: tuple[str, ...], names: list[str]) -> None:
    for column in lists:
        if column not in names:
            raise InputError(
                f"data.sql.lists names `{column}`, which the rows do not have. Columns: "
                f"{', '.join(f'`{name}`' for name in names[:30])}."
            )
