"""Tables of predictions in SQLite."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pipeline.prediction.tables.dialects.dialect import Chunk, quoted_table
from pipeline.prediction.tables.layout import ExistingColumn, ExistingTable, Kind, Layout
from pipeline.reading.sql.database import Kind as DatabaseKind
from pipeline.reading.sql.statements import quote_name

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class SQLite:
    """SQLite, by the standard library; times are ISO 8601 texts in UTC."""

    types: Mapping[Kind, str] = {
        "integer": "INTEGER",
        "text": "TEXT",
        "double": "REAL",
        "time": "TEXT",
    }
    database: DatabaseKind = "sqlite"
    placeholder = "?"

    def prepare(self, cursor: Any) -> None:
        """Waits for other writers instead of failing at once."""
        cursor.execute("PRAGMA busy_timeout = 60000")

    def begin(self, cursor: Any) -> None:
        """Begins a transaction that holds the right to write from its start."""
        cursor.execute("BEGIN IMMEDIATE")

    def describe(self, cursor: Any, table: tuple[str, ...]) -> ExistingTable | None:
        """Returns what the database says of a table; None if there is none."""
        schema = f"{quote_name(table[0], self.database)}." if len(table) == 2 else ""
        name = quote_name(table[-1], self.database)
        rows = cursor.execute(f"PRAGMA {schema}table_info({name})").fetchall()
        if not rows:
            return None
        unique: list[tuple[str, ...]] = []
        folded: dict[str, str] = {}
        indexes = cursor.execute(f"PRAGMA {schema}index_list({name})").fetchall()
        for _, index, is_unique, _, is_partial in indexes:
            if not is_unique or is_partial:
                continue
            parts = cursor.execute(
                f"PRAGMA {schema}index_xinfo({quote_name(index, self.database)})"
            ).fetchall()
            keys = [(column, collation) for _, _, column, _, collation, is_key in parts if is_key]
            unique.append(tuple(column or "an expression" for column, _ in keys))
            folded |= {c: f"its collation is {how}" for c, how in keys if c and how != "BINARY"}
        primary = tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])
        # INTEGER PRIMARY KEY is the row id itself, which has no index.
        if len(primary) == 1 and primary not in unique:
            unique.append(primary)
        return ExistingTable(
            columns={row[1]: _column(row[2], has_to=bool(row[3]), default=row[4]) for row in rows},
            unique=tuple(unique),
            folded=folded,
        )

    def create_suffix(self) -> str:
        """Returns what follows the columns in CREATE TABLE: types are enforced."""
        return " STRICT"

    def upsert(self, cursor: Any, layout: Layout, chunk: Chunk) -> None:
        """Inserts rows, or replaces the values of those whose id is there."""
        names = [quote_name(name, self.database) for name in layout.columns]
        new = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        statement = (
            f"INSERT INTO {quoted_table(self, layout.table)} ({', '.join(names)}) "  # noqa: S608
            f"VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({names[0]}) DO UPDATE SET {new}"
        )
        when = chunk.predicted_at.astimezone(UTC).strftime(_TIME_FORMAT)
        columns = (chunk.ids, chunk.probabilities, chunk.decisions, chunk.versions)
        rows = [(*values, chunk.run_id, when) for values in zip(*columns, strict=True)]
        cursor.executemany(statement, rows)


def _column(declared: str, *, has_to: bool, default: Any) -> ExistingColumn:
    return ExistingColumn(
        declared=declared or "without a type",
        kinds=_kinds(declared.upper()),
        must_be_given=has_to and default is None,
    )


def _kinds(declared: str) -> frozenset[Kind]:
    """Returns the kinds of a declared type, by SQLite's rules of affinity."""
    if "INT" in declared:
        return frozenset({"integer"})
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return frozenset({"text", "time"})
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return frozenset({"double"})
    return frozenset()
