"""Columns of a query, and the SQL expression that reads each of them without loss.

Numbers, truth values, bytes and arrays travel as what they are. Everything else, decimals and times
among it, travels as the text that a CSV file of the same table has, and is read by the contract as
that file is.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from common.errors import InputError
from pipeline.reading.sql.connections import Connection
from pipeline.reading.sql.database import Database
from pipeline.reading.sql.statements import ordering, quote_name, subquery

Form = Literal["value", "text", "hex", "list"]


@dataclass(frozen=True, kw_only=True)
class SqlColumn:
    """A column of a query.

    Attributes:
        name: Its name.
        expression: What to select in its place, over a table named `q`.
        form: How the stream holds it: a `value` of its own type; `text`, perhaps as bytes; bytes as
            `hex` digits; a `list` of numbers as JSON.
        sentinel: For SQLite, a literal of the column's type; that driver takes types from the first
            row.
        is_collated: Whether the server may take different texts for equal when it orders rows.
    """

    name: str
    expression: str
    form: Form = "value"
    sentinel: str = "''"
    is_collated: bool = False


def describe(
    connection: Connection,
    database: Database,
    query: str,
    *,
    lists: tuple[str, ...] = (),
    order_by: tuple[str, ...] = (),
) -> tuple[SqlColumn, ...]:
    """Returns the columns of a query.

    Args:
        connection: An open connection to the database.
        database: The database.
        query: One SELECT.
        lists: Columns of texts that are JSON lists of numbers.
        order_by: The order of the rows, to name a row of SQLite whose value has another type.

    Raises:
        InputError: Two columns have one name; one has a type that cannot be read; or a column of
            SQLite mixes types.
    """
    if database.kind == "postgresql":
        columns = _of_postgresql(connection, query)
    elif database.kind == "mariadb":
        columns = _of_mariadb(connection, query)
    else:
        columns = _of_sqlite(connection, query, order_by)
    repeated = [name for name, n in Counter(c.name for c in columns).items() if n > 1]
    if repeated:
        raise InputError(
            f"The query has several columns named `{repeated[0]}`. Give each its own name with AS."
        )
    return tuple(_as_list(column, lists) for column in columns)


def _as_list(column: SqlColumn, lists: tuple[str, ...]) -> SqlColumn:
    if column.name not in lists or column.form == "value":
        return column
    return replace(column, form="list")


# PostgreSQL's numbers of its types.
_PG_VALUES = {
    16: "{}",
    20: "{}",
    21: "{}",
    23: "{}",
    26: "{}::int8",
    700: "{}",
    701: "{}",
    17: "{}",
}
# Arrays: int2, int4, int8, float4, float8, numeric. A missing sample becomes not-a-number.
_PG_ARRAYS = {1005, 1007, 1016, 1021, 1022, 1231}


def _of_postgresql(connection: Connection, query: str) -> list[SqlColumn]:
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {subquery(query)} LIMIT 0")  # noqa: S608 - a SELECT of the user
    columns = []
    for name, oid, *_ in cursor.description:
        column = f"q.{quote_name(name, 'postgresql')}"
        if oid in _PG_ARRAYS:
            expression = f"array_replace({column}::float8[], NULL, 'NaN'::float8)"
        else:
            expression = _PG_VALUES.get(oid, "{}::text").format(column)
        form: Form = "value" if oid in _PG_VALUES or oid in _PG_ARRAYS else "text"
        columns.append(SqlColumn(name=name, expression=expression, form=form))
    return columns


def _of_mariadb(connection: Connection, query: str) -> list[SqlColumn]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {subquery(query)} LIMIT 0")  # noqa: S608
        described = [(name, code) for name, code, *_ in cursor.description]
        charsets = ", ".join(f"CHARSET(q.{quote_name(name, 'mariadb')})" for name, _ in described)
        cursor.execute(f"SELECT {charsets} FROM {subquery(query)} LIMIT 1")  # noqa: S608
        row = cursor.fetchone() or ("",) * len(described)
    return [
        _mariadb_column(name, code, is_binary=charset == "binary")
        for (name, code), charset in zip(described, row, strict=True)
    ]


def _mariadb_column(name: str, code: int, *, is_binary: bool) -> SqlColumn:
    from pymysql.constants import FIELD_TYPE as T

    column = f"q.{quote_name(name, 'mariadb')}"
    whole = {T.TINY, T.SHORT, T.INT24, T.LONG, T.LONGLONG, T.YEAR}
    blobs = {T.TINY_BLOB, T.BLOB, T.MEDIUM_BLOB, T.LONG_BLOB}
    texts = {T.VARCHAR, T.VAR_STRING, T.STRING, *blobs}
    if code in whole or code in {T.FLOAT, T.DOUBLE} or (code in blobs and is_binary):
        return SqlColumn(name=name, expression=column)
    if code == T.BIT:
        return SqlColumn(name=name, expression=f"CAST({column} AS UNSIGNED)")
    if code == T.TIMESTAMP:  # a point in time; the session is in UTC
        return SqlColumn(name=name, expression=f"CONCAT({column}, '+00:00')", form="text")
    if code in texts and is_binary:
        return SqlColumn(name=name, expression=f"HEX({column})", form="hex")
    if code == T.GEOMETRY:
        raise InputError(
            f"Column `{name}` holds geometry, which examples cannot. Select its parts in "
            "data.sql.query, such as ST_X(place) AS x, or leave it out."
        )
    return SqlColumn(
        name=name,
        expression=f"CAST({column} AS CHAR)",
        form="text",
        is_collated=code in texts,
    )


_CLASSES = ("integer", "real", "text", "blob")
_EXACT = 2**53  # whole numbers up to this are exact in float64


def _of_sqlite(
    connection: sqlite3.Connection, query: str, order_by: tuple[str, ...]
) -> list[SqlColumn]:
    table = subquery(query)
    # As a table of another query, SQLite would rename the second of two equal names.
    names = [column[0] for column in connection.execute(query).description]
    counts = []
    for name in names:
        column = f"q.{quote_name(name, 'sqlite')}"
        counts += [f"total(typeof({column}) = '{one}')" for one in _CLASSES]
        counts.append(f"max(CASE WHEN typeof({column}) = 'integer' THEN abs({column} / 2) END)")
    found: list[float] = []
    for start in range(0, len(counts), 500):  # SQLite allows 2,000 columns of a result
        part = ", ".join(counts[start : start + 500])
        found += connection.execute(f"SELECT {part} FROM {table}").fetchone()  # noqa: S608
    columns = []
    for place, name in enumerate(names):
        *by_class, half = found[5 * place : 5 * place + 5]
        present = {one for one, n in zip(_CLASSES, by_class, strict=True) if n}
        if present == {"integer", "real"} and (half or 0) < _EXACT / 2:
            present = {"real"}
        if len(present) > 1:
            _refuse_mixture(
                connection, table, name, dict(zip(_CLASSES, by_class, strict=True)), order_by
            )
        columns.append(_sqlite_column(name, next(iter(present), "text")))
    return columns


def _sqlite_column(name: str, storage: str) -> SqlColumn:
    column = f"q.{quote_name(name, 'sqlite')}"
    sentinel = {"integer": "0", "real": "0.0", "blob": "x''"}.get(storage, "''")
    form: Form = "text" if storage == "text" else "value"
    return SqlColumn(name=name, expression=column, form=form, sentinel=sentinel)


def _refuse_mixture(
    connection: sqlite3.Connection,
    table: str,
    name: str,
    counts: dict[str, float],
    order_by: tuple[str, ...],
) -> None:
    """Refuses a column with values of several types, and names the first row of the rare one."""
    rare = min((one for one in counts if counts[one]), key=lambda one: counts[one])
    column = quote_name(name, "sqlite")
    order = ordering(order_by, "sqlite") if order_by else ""
    row, value = connection.execute(
        f"SELECT n, value FROM (SELECT row_number() OVER ({order}) AS n, q.{column} AS value "  # noqa: S608
        f"FROM {table}) WHERE typeof(value) = '{rare}' ORDER BY n LIMIT 1"
    ).fetchone()
    kinds = ", ".join(f"{int(n):,} {one}" for one, n in counts.items() if n)
    shown = f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)[:60]
    raise InputError(
        f"Column `{name}` mixes types, as SQLite allows: {kinds}. The first {rare} is in row "
        f"{row:,}: {shown}. Correct the values, or say in data.sql.query what they mean, such as "
        f"CAST({column} AS TEXT) AS {column}."
    )
