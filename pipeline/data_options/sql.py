"""Options for data in a database."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from common.config_values import STRICT_KEYS, JsonValue
from common.guards.redaction import redact_text

Column = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT_KEYS)
class Sql(JsonValue):
    """A table or a query of a database; exactly one of `table` and `query`.

    The rows are read in one read-only snapshot and kept as Parquet in the output folder, so that
    all steps of a run see the same rows. See docs/databases.md.

    Attributes:
        url: `postgresql://USER@HOST:PORT/DATABASE`, `mysql://…` (MariaDB as well) or
            `sqlite:///PATH`, relative to the YAML's folder. It never holds a password. The options
            `?sslmode=require` and `?sslmode=verify-ca&sslrootcert=PATH` ask for TLS.
        table: The table or view, perhaps `SCHEMA.TABLE`.
        query: One SELECT. May hold `{SPAN}` or `{DATE}`, which become literals of their types.
        order_by: Columns that order the rows in one way only; by default the primary key of
            `table`. A query needs them.
        spans: For a query with `{SPAN}` or `{DATE}`: one SELECT with one column, the spans there
            are: whole numbers or dates.
        password_env: Environment variable with the password. Without it, `~/.pgpass` or `~/.my.cnf`
            decides.
        lists: Columns of text that hold signals as JSON lists of numbers. Arrays of PostgreSQL need
            not be named.
        changed_by: How unchanged rows are noticed: `content` reads all rows and compares them;
            `column` compares the number of rows and the largest `change_column`; `statistics`
            compares what the server counts of the table, or the times of an SQLite file.
        change_column: Column that every insert and update raises, such as `updated_at`.
        num_readers: Connections that read at a time, each a range of the first column of
            `order_by`, over one snapshot; on a Beam engine, those of its workers. PostgreSQL and
            MariaDB only.
    """

    url: str
    table: Annotated[str, Field(min_length=1)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    order_by: tuple[Column, ...] = ()
    spans: Annotated[str, Field(min_length=1)] | None = None
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = (
        "FAULTLINE_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable
    )
    lists: tuple[Column, ...] = ()
    changed_by: Literal["content", "column", "statistics"] = "content"
    change_column: Column | None = None
    num_readers: Annotated[int, Field(ge=1, le=64)] = 1

    @field_validator("url")
    @classmethod
    def _no_password(cls, url: str) -> str:
        if redact_text(url) != url:
            raise ValueError("must not hold a password; set the variable that password_env names")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> "Sql":
        if (self.table is None) == (self.query is None):
            raise ValueError("needs exactly one of `table` and `query`")
        if self.query is not None and not self.order_by:
            raise ValueError(
                "a `query` needs `order_by`, columns that order its rows in one way only: splits "
                "and training depend on the order, and a server may give another one each time"
            )
        has_placeholder = self.query is not None and (
            "{SPAN}" in self.query or "{DATE}" in self.query
        )
        if has_placeholder and self.spans is None:
            raise ValueError(
                "a `query` with {SPAN} or {DATE} needs `spans`, such as SELECT DISTINCT day FROM t"
            )
        if self.spans is not None and not has_placeholder:
            raise ValueError("`spans` needs {SPAN} or {DATE} in `query`")
        if (self.changed_by == "column") != (self.change_column is not None):
            raise ValueError("`changed_by: column` and `change_column` go together")
        if self.changed_by == "statistics" and self.table is None:
            raise ValueError("`changed_by: statistics` needs a `table`; a query has no statistics")
        return self
