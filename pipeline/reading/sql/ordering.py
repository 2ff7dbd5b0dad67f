"""The order of the rows: a primary key or the columns of `order_by`, checked to be an order."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from pipeline.reading.sql.connections import Connection
from pipeline.reading.sql.database import Database
from pipeline.reading.sql.statements import quote_table, show_table, table_parts

_PRIMARY_KEYS = {
    "postgresql": (
        "SELECT a.attname FROM pg_index i "
        "JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(num, place) ON true "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num "
        "WHERE i.indisprimary AND i.indrelid = to_regclass(%s) ORDER BY k.place"
    ),
    "mariadb": (
        "SELECT column_name FROM information_schema.statistics WHERE index_name = 'PRIMARY' AND "
        "table_name = %s AND table_schema = coalesce(%s, database()) ORDER BY seq_in_index"
    ),
}
# Schema and name of each table and view, and whether the name alone means it.
_TABLES = {
    "postgresql": (
        "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') "
        "AND n.nspname <> 'information_schema' AND left(n.nspname, 3) <> 'pg_'"
    ),
    "mariadb": (
        "SELECT table_schema, table_name, table_schema = database() "
        "FROM information_schema.tables WHERE table_schema NOT IN "
        "('mysql', 'sys', 'information_schema', 'performance_schema')"
    ),
    "sqlite": "SELECT 'main', name, 1 FROM sqlite_master WHERE type IN ('table', 'view')",
}


def check_table(connection: Connection, database: Database, table: str) -> None:
    """Checks that a table or view exists.

    Raises:
        InputError: Names the nearest ones.
    """
    cursor = connection.cursor()
    cursor.execute(_TABLES[database.kind])
    rows = [(str(schema), str(name), bool(own)) for schema, name, own in cursor.fetchall()]
    known = {(schema, name) for schema, name, _ in rows}
    own = {(None, name) for _, name, is_own in rows if is_own}
    wanted = table_parts(table)
    if wanted in known or wanted in own:
        return
    names = sorted(show_table(None if is_own else schema, name) for schema, name, is_own in rows)
    near = difflib.get_close_matches(show_table(*wanted), names, n=3)
    if quoted := [name for name in names if name.replace('"', "") == table]:
        near = quoted  # a name with a dot, written without quotes
    near = near or names[:5]
    listed = ", ".join(f"`{name}`" for name in near)
    raise InputError(
        f"{database} has no table `{table}` that this account may read. "
        + (f"Did you mean {listed}?" if near else "It has none at all.")
    )


def primary_key(connection: Connection, database: Database, table: str) -> tuple[str, ...]:
    """Returns the columns of a table's primary key, in its order.

    Raises:
        InputError: The table has none.
    """
    cursor = connection.cursor()
    schema, name = table_parts(table)
    if database.kind == "sqlite":
        cursor.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (name,))
    elif database.kind == "postgresql":
        cursor.execute(_PRIMARY_KEYS["postgresql"], (quote_table(table, "postgresql"),))
    else:
        cursor.execute(_PRIMARY_KEYS["mariadb"], (name, schema))
    key = tuple(str(row[0]) for row in cursor.fetchall())
    if not key:
        raise InputError(
            f"The table `{table}` of {database} has no primary key, so its rows have no order, and "
            "splits and training depend on one. Name columns that order them in one way only in "
            "order_by, such as a time and an id."
        )
    return key


def check_order_columns(order_by: Sequence[str], names: Sequence[str]) -> None:
    """Checks that the columns that order the rows are among those of the query.

    Raises:
        InputError: Names the missing one and the nearest.
    """
    for column in order_by:
        if column not in names:
            near = difflib.get_close_matches(column, names, n=1)
            raise InputError(
                f"order_by names `{column}`, which the rows do not have"
                + (f"; did you mean `{near[0]}`?" if near else ".")
                + f" Columns: {', '.join(f'`{name}`' for name in names[:30])}."
            )


def checked_order(
    batches: Iterable[pa.RecordBatch], order_by: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Passes batches on, and checks that `order_by` leaves no choice of the order.

    Rows that are equal in all columns may change places: nothing tells them apart.

    Raises:
        InputError: Two neighbouring rows are equal in `order_by` and differ elsewhere.
    """
    last: pa.RecordBatch | None = None
    num_before = 0
    for batch in batches:
        joined = pa.Table.from_batches([batch] if last is None else [last, batch])
        joined = joined.combine_chunks()
        tied = _equal_neighbours(joined, order_by)
        if pc.any(tied).as_py():
            _check_ties(joined, tied, order_by, num_before - (0 if last is None else 1))
        last, num_before = batch.slice(batch.num_rows - 1), num_before + batch.num_rows
        yield batch


def _equal_neighbours(table: pa.Table, names: Sequence[str]) -> pa.Array:
    """Returns bool [rows - 1]: whether a row equals the next one in the named columns."""
    size = table.num_rows - 1
    equal = pa.array([True] * size, pa.bool_())
    for name in names:
        column = table[name].combine_chunks()
        if pa.types.is_list(column.type):
            raise InputError(f"order_by names `{name}`, which holds lists. Name a scalar column.")
        first, second = column.slice(0, size), column.slice(1, size)
        same = pc.if_else(pc.and_(first.is_null(), second.is_null()), True, pc.equal(first, second))
        equal = pc.and_(equal, pc.fill_null(same, False))
    return equal


def _check_ties(table: pa.Table, tied: pa.Array, order_by: Sequence[str], num_before: int) -> None:
    for place in pc.indices_nonzero(tied).to_pylist():
        first, second = table.slice(place, 1), table.slice(place + 1, 1)
        if repr(first.to_pylist()) == repr(second.to_pylist()):  # by text: NaN equals NaN
            continue
        key = ", ".join(f"{name} = {first[name][0].as_py()!r}" for name in order_by)
        differing = next(
            name
            for name in table.column_names
            if repr(first[name].to_pylist()) != repr(second[name].to_pylist())
        )
        raise InputError(
            f"order_by ({', '.join(order_by)}) does not order the rows in one way only: rows "
            f"{num_before + place + 1:,} and {num_before + place + 2:,} have both {key} and differ "
            f"in `{differing}`. Add a column that tells them apart."
        )
