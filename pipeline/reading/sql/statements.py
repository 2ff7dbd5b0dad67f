"""Text of SQL statements: names, literals, and a user's query with its span filled in."""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from common.errors import InputError
from pipeline.reading.sql.database import Kind

PLACEHOLDERS = ("{SPAN}", "{DATE}")
# Quoted texts and names, comments, and PostgreSQL's $tag$ … $tag$.
_QUOTED = re.compile(
    r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/"
    r"|(\$\w*\$).*?\1",
    re.DOTALL,
)
_MARKS = '"`'
# A name in quotes may have a dot, any other one may not.
_NAME = r"\"(?:[^\"]|\"\")+\"|`(?:[^`]|``)+`|[^.\"`][^.]*"
_TABLE = re.compile(rf"(?:(?P<schema>{_NAME})\.)?(?P<name>{_NAME})")
_BRACES = re.compile(r"\{[A-Za-z_]*\}")


def quote_name(name: str, kind: Kind) -> str:
    """Returns a column's or table's name, quoted.

    >>> print(quote_name('a"b', "postgresql"), quote_name("a`b", "mariadb"))
    "a""b" `a``b`
    """
    mark = "`" if kind == "mariadb" else '"'
    return mark + name.replace(mark, mark * 2) + mark


def table_parts(table: str, *, key: str = "table") -> tuple[str | None, str]:
    """Returns the schema, if one is named, and the name of a table as a person writes it.

    >>> table_parts("readings"), table_parts("plant.readings"), table_parts('plant."a.b"')
    ((None, 'readings'), ('plant', 'readings'), ('plant', 'a.b'))

    Args:
        table: `TABLE` or `SCHEMA.TABLE`; a name with a dot stands in double quotes or backticks.
        key: Where it was given, for the message.

    Raises:
        InputError: It is no such name.
    """
    match = _TABLE.fullmatch(table)
    if match is None:
        raise InputError(
            f"{key} must be TABLE or SCHEMA.TABLE, got {table}. Put a name with a dot into double "
            'quotes: "a.b".'
        )
    return match["schema"] and _unquoted(match["schema"]), _unquoted(match["name"])


def _unquoted(name: str) -> str:
    mark = name[0]
    is_quoted = mark in '"`' and len(name) > 2 and name[-1] == mark
    return name[1:-1].replace(mark * 2, mark) if is_quoted else name


def show_table(schema: str | None, name: str) -> str:
    """Returns a table's name as `table_parts` takes it."""
    parts = [name] if schema is None else [schema, name]
    return ".".join(
        quote_name(part, "postgresql") if "." in part or part[0] in _MARKS else part
        for part in parts
    )


def quote_table(table: str, kind: Kind) -> str:
    """Returns `table` or `schema.table`, quoted part by part."""
    return ".".join(quote_name(part, kind) for part in table_parts(table) if part is not None)


def literal(text: str) -> str:
    """Returns an SQL string literal.

    >>> literal("it's")
    "'it''s'"

    Raises:
        ValueError: The text has a character that the databases write in different ways.
    """
    if "\\" in text or "\0" in text:
        raise ValueError(f"{text!r} cannot be written as a literal of every database.")
    return "'" + text.replace("'", "''") + "'"


def placeholder_of(query: str, *, key: str) -> str | None:
    """Returns the placeholder of a query, `{SPAN}` or `{DATE}`, or None.

    Raises:
        InputError: There are both, another one, or one inside quotes, where it would be text.
    """
    inside = {mark for text in _quoted_parts(query) for mark in _BRACES.findall(text)}
    bare = set(_BRACES.findall(_QUOTED.sub(" ", query)))
    known = [mark for mark in PLACEHOLDERS if mark in bare]
    if quoted := [mark for mark in PLACEHOLDERS if mark in inside]:
        raise InputError(
            f"{key} has {quoted[0]} inside quotes or a comment. Write it bare, such as "
            f"`WHERE day = {quoted[0]}`: it becomes a literal of its type."
        )
    if unknown := sorted(bare.difference(PLACEHOLDERS)):
        raise InputError(f"{key} has {unknown[0]}; known placeholders are {{SPAN}} and {{DATE}}.")
    if len(known) > 1:
        raise InputError(f"{key} has {{SPAN}} and {{DATE}}; a span is one or the other.")
    return known[0] if known else None


def fill_query(query: str, span: int | date, kind: Kind) -> str:
    """Fills a span into a query as a literal of its type; nothing else can be in it.

    >>> fill_query("SELECT * FROM t WHERE day = {DATE}", date(2026, 5, 1), "postgresql")
    "SELECT * FROM t WHERE day = DATE '2026-05-01'"
    """
    if isinstance(span, date):
        text = literal(span.isoformat())
        return query.replace("{DATE}", text if kind == "sqlite" else f"DATE {text}")
    return query.replace("{SPAN}", str(int(span)))


def check_query(query: str, *, key: str) -> str:
    """Returns a query without its last semicolon.

    Raises:
        InputError: It is empty, is no SELECT, or has several statements.
    """
    trimmed = query.strip().rstrip(";").strip()
    bare = _QUOTED.sub(" ", trimmed)
    first = re.match(r"[\s(]*(\w+)", bare)
    if first is None or first[1].upper() not in {"SELECT", "WITH", "VALUES", "TABLE"}:
        found = first[1] if first else "nothing"
        raise InputError(f"{key} must be one SELECT, got one that begins with `{found}`.")
    if ";" in bare:
        raise InputError(f"{key} must be one SELECT, got several statements. Keep the last one.")
    return trimmed


def subquery(query: str, *, alias: str = "q") -> str:
    """Returns a query as a table of a FROM clause; a comment at its end does no harm."""
    return f"(\n{query}\n) AS {alias}"


def ordering(order_by: Sequence[str], kind: Kind, *, alias: str = "q") -> str:
    """Returns the ORDER BY clause over columns of a table of the FROM clause."""
    return "ORDER BY " + ", ".join(f"{alias}.{quote_name(name, kind)}" for name in order_by)


def _quoted_parts(query: str) -> Iterator[str]:
    return (match[0] for match in _QUOTED.finditer(query))
