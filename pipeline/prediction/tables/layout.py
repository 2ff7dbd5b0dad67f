"""The columns of a table of predictions, and what an existing table must be to take them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from common.errors import InputError
from pipeline.reading.sql.statements import show_table, table_parts

Kind = Literal["integer", "text", "double", "time"]

PROBABILITY, DECISION, VERSION = "probability", "decision", "model_version"
RUN_ID, PREDICTED_AT = "run_id", "predicted_at"

_VALUE_COLUMNS: dict[str, Kind] = {
    PROBABILITY: "double",
    DECISION: "integer",
    VERSION: "integer",
    RUN_ID: "text",
    PREDICTED_AT: "time",
}
# A quote could end a quoted name, and a per cent sign would be a placeholder.
_NAME = re.compile(r"[^\"'`%\\\x00-\x1f]{1,63}")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A table of predictions.

    Attributes:
        table: Its name, in one part or as schema and table.
        id_column: The column that identifies a row.
        id_kind: Whether ids are whole numbers or text.
    """

    table: tuple[str, ...]
    id_column: str
    id_kind: Kind

    @property
    def columns(self) -> dict[str, Kind]:
        """The columns in their order, with the id first."""
        return {self.id_column: self.id_kind} | _VALUE_COLUMNS

    @property
    def name(self) -> str:
        """The table's name as a person writes it."""
        return shown_name(self.table)


@dataclass(frozen=True, kw_only=True)
class ExistingColumn:
    """A column of an existing table.

    Attributes:
        declared: Its type in the words of the database.
        kinds: The kinds of values that it holds without a change.
        must_be_given: Whether a row needs a value: not null, without a default.
    """

    declared: str
    kinds: frozenset[Kind]
    must_be_given: bool = False


@dataclass(frozen=True, kw_only=True)
class ExistingTable:
    """What a database says of a table.

    Attributes:
        columns: Its columns by name.
        unique: Columns of each unique key that a second row of the same key violates at once.
        folded: Columns whose comparison takes different texts for one, and how they compare.
        any_key_counts: Whether an upsert is decided by every unique key, as in MariaDB.
    """

    columns: dict[str, ExistingColumn]
    unique: tuple[tuple[str, ...], ...]
    folded: dict[str, str]
    any_key_counts: bool = False


def parse_table_name(text: str, *, option: str) -> tuple[str, ...]:
    """Returns the parts of a table's name, such as `results` or `plant.results`.

    Args:
        text: The name.
        option: The option that gave it, for the message.

    Raises:
        InputError: It is not one or two plain names.
    """
    parts = tuple(part for part in table_parts(text, key=option) if part is not None)
    if not all(_NAME.fullmatch(part) for part in parts):
        raise InputError(
            f"{option} {text}: expected TABLE or SCHEMA.TABLE, without quotes and per cent signs "
            "in a name, each name of at most 63 characters."
        )
    return parts


def shown_name(table: tuple[str, ...]) -> str:
    """Returns a table's name as a person writes it; a part with a dot is in quotes."""
    schema, name = table if len(table) == 2 else (None, table[-1])
    return show_table(schema, name)


def check_id_name(name: str) -> None:
    """Checks that the id's column can stand beside the others in a table.

    Raises:
        InputError: It has the name of another column, or cannot be quoted.
    """
    if name.lower() in _VALUE_COLUMNS:
        raise InputError(
            f"--id names the column `{name}`, and a table of predictions has a column of that name "
            "with another meaning. Give the id another name in the query: SELECT … AS id."
        )
    if not _NAME.fullmatch(name):
        raise InputError(
            f"--id {name}: expected a column name without quotes, dots and per cent signs, of at "
            "most 63 characters. Give the id another name in the query: SELECT … AS id."
        )


def check_existing(layout: Layout, existing: ExistingTable, *, create: str) -> None:
    """Checks that an existing table takes predictions without loss.

    Args:
        layout: What is to be written.
        existing: What is there.
        create: The statement that would create the table, for the message.

    Raises:
        InputError: Names each missing or ill-typed column, and a missing or an excess key.
    """
    problems = [
        *_column_problems(layout, existing),
        *_excess_problems(layout, existing),
        *_key_problems(layout, existing),
    ]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InputError(
            f"The table {layout.name} cannot take the predictions; nothing was written:\n{listed}\n"
            f"Alter it, name another table with --into, or let the command create it:\n{create}"
        )


def _column_problems(layout: Layout, existing: ExistingTable) -> list[str]:
    problems = []
    for name, kind in layout.columns.items():
        column = existing.columns.get(name)
        if column is None:
            problems.append(f"column `{name}` ({kind}) is missing")
        elif kind not in column.kinds:
            problems.append(f"column `{name}` is {column.declared}, expected {kind}")
    return problems


def _excess_problems(layout: Layout, existing: ExistingTable) -> list[str]:
    return [
        f"column `{name}` must have a value in each row and has no default"
        for name, column in existing.columns.items()
        if name not in layout.columns and column.must_be_given
    ]


def _key_problems(layout: Layout, existing: ExistingTable) -> list[str]:
    own = (layout.id_column,)
    problems = []
    if layout.id_column in existing.columns and own not in existing.unique:
        problems.append(f"column `{layout.id_column}` alone is no primary key or unique key")
    others = [key for key in existing.unique if key != own]
    if existing.any_key_counts and others:
        problems.append(
            f"the unique key {_listed(others[0])} would decide an upsert as well as the id"
        )
    folded = existing.folded.get(layout.id_column)
    if layout.id_kind == "text" and folded is not None:
        problems.append(f"column `{layout.id_column}` takes different ids for one: {folded}")
    return problems


def _listed(names: Sequence[str]) -> str:
    return "(" + ", ".join(names) + ")"
