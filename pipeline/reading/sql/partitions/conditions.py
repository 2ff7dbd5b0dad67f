"""The parts of SQL that divide a query: ranges as conditions, groups of keys, digests of rows.

The driver of Arrow streams takes no parameters, so keys are written as literals of their type.
Texts are written in hexadecimal digits, which no escape rule of a server can change.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pipeline.reading.sql.columns import SqlColumn
from pipeline.reading.sql.database import Kind
from pipeline.reading.sql.partitions.ranges import Key, KeyRange
from pipeline.reading.sql.statements import quote_name, subquery

DIGEST = "faultline_row_digest"
_FLOAT_OF_PYMYSQL = 4


def key_literal(key: Key, kind: Kind) -> str:
    """Returns a key as a literal.

    >>> key_literal(7, "postgresql"), key_literal(date(2026, 1, 2), "mariadb")
    ('7', "'2026-01-02'")
    """
    if isinstance(key, int):
        return str(key)
    is_postgresql = kind == "postgresql"
    if isinstance(key, datetime):
        name = "timestamptz " if key.tzinfo is not None else "timestamp "
        return (name if is_postgresql else "") + f"'{key.isoformat(sep=' ')}'"
    if isinstance(key, date):
        return ("date " if is_postgresql else "") + f"'{key.isoformat()}'"
    digits = key.encode().hex()
    if is_postgresql:
        return f"convert_from(decode('{digits}', 'hex'), 'UTF8')"
    # A literal, unlike a function's result, takes the collation of the column.
    return f"_utf8mb4 X'{digits}'" if digits else "_utf8mb4 ''"


def condition(part: KeyRange, column: str, kind: Kind) -> str:
    """Returns the condition that a row is in a range."""
    name = f"q.{quote_name(column, kind)}"
    if part.is_null:
        return f"{name} IS NULL"
    bounds = ((">=", part.low), ("<", part.high), ("<=", part.last))
    tests = [f"{name} {sign} {key_literal(key, kind)}" for sign, key in bounds if key is not None]
    # A range of all keys still leaves out the rows without one.
    return " AND ".join(tests or [f"{name} IS NOT NULL"])


def select_range(query: str, column: str, part: KeyRange, kind: Kind) -> str:
    """Returns the SELECT of the rows of a query that are in a range."""
    return f"SELECT * FROM {subquery(query)} WHERE {condition(part, column, kind)}"  # noqa: S608


def select_lowest_keys(query: str, column: str, num_groups: int, kind: Kind) -> str:
    """Returns the SELECT of the lowest key of each of `num_groups` groups of as many rows."""
    name = f"q.{quote_name(column, kind)}"
    group = f"NTILE({num_groups}) OVER (ORDER BY {name})"
    keys = f"SELECT {name} AS k, {group} AS g FROM {subquery(query)} WHERE {name} IS NOT NULL"  # noqa: S608
    return f"SELECT MIN(k) FROM {subquery(keys, alias='groups_of_keys')} GROUP BY g ORDER BY g"  # noqa: S608


def select_bounds(query: str, column: str, kind: Kind) -> str:
    """Returns the SELECT of the number of rows, of rows with a key, and of the highest key."""
    name = f"q.{quote_name(column, kind)}"
    return f"SELECT COUNT(*), COUNT({name}), MAX({name}) FROM {subquery(query)}"  # noqa: S608


def digest_column(codes: Mapping[str, Any]) -> SqlColumn:
    """Returns a column of MariaDB that is a number computed from all values of a row.

    Args:
        codes: The query's columns with PyMySQL's codes of their types.
    """
    texts = []
    for name, code in codes.items():
        column = f"q.{quote_name(name, 'mariadb')}"
        # As text, a FLOAT would have six digits only.
        texts.append(
            f"QUOTE({f'CAST({column} AS DOUBLE)' if code == _FLOAT_OF_PYMYSQL else column})"
        )
    md5 = f"MD5(CONCAT_WS(',', {', '.join(texts)}))"
    # Fifteen hexadecimal digits fit into a signed number of 64 bits.
    number = f"CAST(CONV(LEFT({md5}, 15), 16, 10) AS UNSIGNED)"
    return SqlColumn(name=DIGEST, expression=number)


def select_digest(rows: str, digest: SqlColumn) -> str:
    """Returns the SELECT of the number of rows, of their digests, and of the digests' sum."""
    table = subquery(f"SELECT {digest.expression} AS d FROM {subquery(rows)}", alias="digests")  # noqa: S608
    return f"SELECT COUNT(*), COUNT(d), SUM(d) FROM {table}"  # noqa: S608
