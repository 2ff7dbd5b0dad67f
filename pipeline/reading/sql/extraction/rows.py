"""Rows of one query, from one snapshot of a database to one Parquet file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from common.digests import file_digest
from common.errors import InputError
from common.guards.redaction import redact_text
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.columns import describe
from pipeline.reading.sql.connections import Connection
from pipeline.reading.sql.database import Database
from pipeline.reading.sql.extraction.record import ReadRows
from pipeline.reading.sql.extraction.writing import write_rows
from pipeline.reading.sql.ordering import check_order_columns, checked_order
from pipeline.reading.sql.partitions.reading import Reader, read_partitions
from pipeline.reading.sql.partitions.snapshots import PartitionedSelect
from pipeline.reading.sql.selects import select_exactly, typed_batches
from pipeline.reading.sql.streams import stream_batches


@dataclass(frozen=True, kw_only=True)
class RowReader:
    """Reads queries of one database.

    Attributes:
        connection: An open read-only connection, whose snapshot counts where it has a name.
        database: The database.
        sql: `data.sql`.
        order_by: Columns that order the rows.
        environ: Environment variables, for the password.
        ranges: What reads ranges, if `sql.num_readers` is above 1.
        notes: Gets what was read in which ranges.
    """

    connection: Connection
    database: Database
    sql: Sql
    order_by: tuple[str, ...]
    environ: Mapping[str, str]
    ranges: Reader
    notes: list[str]

    def write(self, draft: Path, query: str) -> ReadRows:
        """Writes the rows of a query to a file.

        Raises:
            InputError: They cannot be read, there are none, or their order is not certain.
        """
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
        return self._describe(draft, query, snapshot_at, write_rows(draft, batches))

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
        with TemporaryDirectory(dir=draft.parent, prefix=".ranges-") as folder:
            rows = read_partitions(select, Path(folder), reader=self.ranges, environ=self.environ)
            self.notes.append(rows.note)
            num_rows = write_rows(draft, checked_order(rows.batches(), self.order_by))
        return self._describe(draft, query, rows.taken_at.isoformat(), num_rows)

    def _describe(self, draft: Path, query: str, snapshot_at: str, num_rows: int) -> ReadRows:
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


def _check_lists(lists: tuple[str, ...], names: list[str]) -> None:
    for column in lists:
        if column not in names:
            raise InputError(
                f"data.sql.lists names `{column}`, which the rows do not have. Columns: "
                f"{', '.join(f'`{name}`' for name in names[:30])}."
            )
