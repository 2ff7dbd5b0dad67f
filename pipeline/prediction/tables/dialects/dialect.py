"""Interface of a database that predictions are written to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pipeline.prediction.tables.layout import ExistingTable, Kind, Layout
from pipeline.reading.sql.database import Kind as DatabaseKind
from pipeline.reading.sql.statements import quote_name


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Predictions that are written in one transaction, column by column.

    Attributes:
        ids: Distinct ids, whole numbers or texts.
        probabilities: The probability of each row.
        decisions: The decision of each row.
        versions: The model's version that answered each row.
        run_id: The run that predicted them.
        predicted_at: When that run began, with its time zone.
    """

    ids: list[Any]
    probabilities: list[float]
    decisions: list[int]
    versions: list[int]
    run_id: str
    predicted_at: datetime


class Dialect(Protocol):
    """The statements of one kind of database; cursors are those of its DB-API driver."""

    types: Mapping[Kind, str]
    database: DatabaseKind
    placeholder: str

    def prepare(self, cursor: Any) -> None:
        """Sets what a session that writes needs: a value that does not fit is an error."""
        ...

    def begin(self, cursor: Any) -> None:
        """Begins a transaction that writes, where the driver does not do so itself."""
        ...

    def describe(self, cursor: Any, table: tuple[str, ...]) -> ExistingTable | None:
        """Returns what the database says of a table; None if there is none."""
        ...

    def create_suffix(self) -> str:
        """Returns what follows the columns in CREATE TABLE."""
        ...

    def upsert(self, cursor: Any, layout: Layout, chunk: Chunk) -> None:
        """Inserts rows, or replaces the values of those whose id is there."""
        ...


def quoted_table(dialect: Dialect, table: tuple[str, ...]) -> str:
    """Returns a table's name as it stands in a statement."""
    return ".".join(quote_name(part, dialect.database) for part in table)


def create_statement(dialect: Dialect, layout: Layout) -> str:
    """Returns the statement that creates a table of predictions."""
    columns = {
        quote_name(name, dialect.database): _declared(dialect, kind, is_id=name == layout.id_column)
        for name, kind in layout.columns.items()
    }
    body = ",\n".join(f"  {name} {declared}" for name, declared in columns.items())
    name = quoted_table(dialect, layout.table)
    return f"CREATE TABLE {name} (\n{body}\n){dialect.create_suffix()}"


def _declared(dialect: Dialect, kind: Kind, *, is_id: bool) -> str:
    return f"{dialect.types[kind]} NOT NULL" + (" PRIMARY KEY" if is_id else "")


def count_statement(dialect: Dialect, layout: Layout) -> str:
    """Returns the statement that counts the rows of one run."""
    run_id = quote_name("run_id", dialect.database)
    table = quoted_table(dialect, layout.table)
    return f"SELECT COUNT(*) FROM {table} WHERE {run_id} = {dialect.placeholder}"  # noqa: S608
