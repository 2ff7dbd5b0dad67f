"""One consistent snapshot for several readers of a query.

PostgreSQL exports a snapshot: every reader sees the rows of that moment, whatever is written
meanwhile. MariaDB and MySQL cannot share one. There the coordinator's transaction has a snapshot,
readers read up to its highest key, and afterwards the coordinator compares the digest of each range
in its snapshot with that of the rows that were read: equal digests say that the rows are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from common.errors import InputError
from pipeline.reading.sql.columns import SqlColumn, describe
from pipeline.reading.sql.connections import Connection, connect, driver_errors
from pipeline.reading.sql.database import Database
from pipeline.reading.sql.failures import explain_trouble, words_of
from pipeline.reading.sql.partitions import conditions
from pipeline.reading.sql.partitions.ranges import KeyRange, check_key, make_ranges
from pipeline.reading.sql.statements import subquery


@dataclass(frozen=True, kw_only=True)
class PartitionedSelect:
    """A query to read in ranges; it holds no password.

    Attributes:
        database: PostgreSQL, MariaDB or MySQL.
        query: One SELECT with literals only.
        column: A column of the query, of whole numbers, dates, times or text.
        num_ranges: Ranges with about as many rows each; rows without a key are one more range.
        order_by: Further columns, by which rows with one key are ordered.
        lists: Columns of texts that are JSON lists of numbers.
    """

    database: Database
    query: str
    column: str
    num_ranges: int
    order_by: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Partitioning(PartitionedSelect):
    """How a query is divided; it is sent to the workers.

    Attributes:
        ranges: Ranges that cover all rows of the snapshot.
        num_rows: Rows of the snapshot.
        taken_at: When the snapshot was taken, by the server's clock.
        snapshot: Name of the exported snapshot; None for MariaDB.
        columns: The query's columns.
        digest: The digest of a row, which readers read as the last column; None for PostgreSQL.
    """

    ranges: tuple[KeyRange, ...]
    num_rows: int
    taken_at: datetime
    snapshot: str | None
    columns: tuple[SqlColumn, ...]
    digest: SqlColumn | None

    def rows(self, part: KeyRange) -> str:
        """Returns the SELECT of a range's rows."""
        return conditions.select_range(self.query, self.column, part, self.database.kind)


@dataclass(frozen=True, kw_only=True)
class RangeFacts:
    """What a reader found in a range.

    Attributes:
        index: The range.
        num_rows: Its rows.
        digest: The sum of their digests modulo 2^64; None if a row has none, or PostgreSQL is read.
    """

    index: int
    num_rows: int
    digest: int | None


class Snapshot:
    """A snapshot that is held open while readers read."""

    def __init__(self, connection: Connection, partitioning: Partitioning) -> None:
        self._connection = connection
        self.partitioning = partitioning

    def changed(self, facts: Sequence[RangeFacts]) -> list[KeyRange]:
        """Returns the ranges whose rows are not those of the snapshot; none of an exported one.

        Args:
            facts: What was read, for each range.

        Raises:
            InputError: Rows of an exported snapshot are missing, or the connection was lost.
        """
        plan = self.partitioning
        by_index = {fact.index: fact for fact in facts}
        if len(by_index) != len(plan.ranges) or len(facts) != len(plan.ranges):
            raise RuntimeError(f"{len(facts)} answers for {len(plan.ranges)} ranges")
        if plan.digest is not None:
            return [
                part
                for part in plan.ranges
                if not self._is_same(part, by_index[part.index], plan.digest)
            ]
        num_rows = sum(fact.num_rows for fact in facts)
        if num_rows != plan.num_rows:
            raise InputError(
                f"{plan.database}: the ranges of `{plan.column}` have {num_rows:,} rows and their "
                f"snapshot has {plan.num_rows:,}. The query does not give the same rows each time: "
                "take random numbers, LIMIT and clocks out of it."
            )
        return []

    def _is_same(self, part: KeyRange, fact: RangeFacts, digest: SqlColumn) -> bool:
        plan = self.partitioning
        query = conditions.select_digest(plan.rows(part), digest)
        [[num_rows, num_digests, total]] = _ask(self._connection, plan.database, query)
        # A row beyond the size of a packet has no digest, so a change of it would go unseen.
        is_complete = num_digests == num_rows and fact.digest is not None
        return is_complete and (num_rows, int(total or 0) % 2**64) == (fact.num_rows, fact.digest)


@contextmanager
def open_snapshot(select: PartitionedSelect, *, environ: Mapping[str, str]) -> Iterator[Snapshot]:
    """Takes a snapshot, divides the query's rows into ranges, and holds the snapshot.

    Args:
        select: What to read.
        environ: Environment variables, for the password.

    Raises:
        InputError: The database is SQLite, or the query has no such column.
    """
    database = select.database
    if database.kind == "sqlite":
        raise InputError(
            f"{database} is a file, and only a server's snapshot can be shared by several readers. "
            "Leave out --partition-column or data.sql.num_readers: one reader is enough for a file."
        )
    connection = connect(database, environ)
    try:
        yield Snapshot(connection, _divide(connection, select))
    finally:
        connection.close()


@contextmanager
def server_words(database: Database) -> Iterator[None]:
    """Turns what a server refuses into an error that quotes its words.

    Raises:
        InputError: The server refuses a question.
        TransientError: The connection is lost.
    """
    refusals: tuple[type[Exception], ...] = (*driver_errors(database), OSError)
    try:
        yield
    except refusals as error:
        refusal = InputError(f"{database} refused: {words_of(error)}.")
        raise explain_trouble(database, error) or refusal from None


def _ask(connection: Connection, database: Database, query: str) -> list[Any]:
    cursor = connection.cursor()
    with server_words(database):
        cursor.execute(query)
        return list(cursor.fetchall())


def _divide(connection: Connection, select: PartitionedSelect) -> Partitioning:
    database, query, column, kind = (
        select.database,
        select.query,
        select.column,
        select.database.kind,
    )
    taken_at, snapshot = _begin(connection, database)
    codes = _type_codes(connection, database, query)
    if column not in codes:
        listed = ", ".join(f"`{name}`" for name in codes)
        raise InputError(
            f"The partition column `{column}` is not in the query of {database}. Its columns: "
            f"{listed}."
        )
    lowest = conditions.select_lowest_keys(query, column, select.num_ranges, kind)
    keys = [check_key(row[0], column) for row in _ask(connection, database, lowest)]
    bounds = conditions.select_bounds(query, column, kind)
    [[num_rows, num_keys, last]] = _ask(connection, database, bounds)
    # Only a bound keeps out rows that are added above it; an exported snapshot does so by itself.
    ranges = make_ranges(
        keys,
        last=None if snapshot else last,
        has_nulls=num_keys < num_rows,
        nulls_first=kind == "mariadb",  # as its ORDER BY has them
    )
    return Partitioning(
        **{field.name: getattr(select, field.name) for field in fields(select)},
        ranges=tuple(ranges),
        num_rows=num_rows,
        taken_at=taken_at,
        snapshot=snapshot,
        columns=describe(connection, database, query, lists=select.lists),
        digest=None if snapshot else conditions.digest_column(codes),
    )


def _begin(connection: Connection, database: Database) -> tuple[datetime, str | None]:
    """Begins the transaction of the snapshot; returns its time, and its name if it has one."""
    cursor = connection.cursor()
    with server_words(database):
        if database.kind == "postgresql":
            # An idle transaction may have a limit, and this one is idle while the readers work.
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT now(), pg_export_snapshot()")
        else:
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            cursor.execute("SELECT UTC_TIMESTAMP(6), NULL")
        taken_at, snapshot = cursor.fetchone()
    return taken_at.replace(tzinfo=UTC), snapshot


def _type_codes(connection: Connection, database: Database, query: str) -> dict[str, Any]:
    """Returns the query's columns with the driver's codes of their types."""
    cursor = connection.cursor()
    with server_words(database):
        cursor.execute(f"SELECT * FROM {subquery(query)} LIMIT 0")  # noqa: S608 - the user's query
    return {column[0]: column[1] for column in cursor.description}
