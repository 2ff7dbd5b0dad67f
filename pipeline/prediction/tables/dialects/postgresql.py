"""Tables of predictions in PostgreSQL."""

from collections.abc import Mapping
from typing import Any

from pipeline.prediction.tables.dialects.dialect import Chunk, quoted_table
from pipeline.prediction.tables.layout import ExistingColumn, ExistingTable, Kind, Layout
from pipeline.reading.sql.database import Kind as DatabaseKind
from pipeline.reading.sql.statements import quote_name

_KINDS: dict[str, frozenset[Kind]] = {
    "smallint": frozenset({"integer"}),
    "integer": frozenset({"integer"}),
    "bigint": frozenset({"integer"}),
    "text": frozenset({"text"}),
    # The model computes float32, which `real` holds unchanged.
    "real": frozenset({"double"}),
    "double precision": frozenset({"double"}),
    "timestamp with time zone": frozenset({"time"}),
}

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull AND NOT a.atthasdef AND a.attidentity = '',
       COALESCE(NOT c.collisdeterministic, false)
FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
# A deferred or partial key, and one of expressions, does not decide ON CONFLICT (id).
_UNIQUE = """
SELECT i.indexrelid::text, a.attname
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) AS k(number)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
ORDER BY 1
"""
_ARRAYS: dict[Kind, str] = {"integer": "bigint", "text": "text", "double": "double precision"}


class PostgreSQL:
    """PostgreSQL, by pg8000."""

    types: Mapping[Kind, str] = {
        "integer": "bigint",
        "text": "text",
        "double": "double precision",
        "time": "timestamp with time zone",
    }
    database: DatabaseKind = "postgresql"
    placeholder = "%s"

    def prepare(self, cursor: Any) -> None:
        """Does nothing: a value that does not fit is an error in any session."""

    def begin(self, cursor: Any) -> None:
        """Does nothing: the driver begins a transaction at the first statement."""

    def describe(self, cursor: Any, table: tuple[str, ...]) -> ExistingTable | None:
        """Returns what the database says of a table; None if there is none."""
        name = quoted_table(self, table)
        cursor.execute(_COLUMNS, (name,))
        rows = cursor.fetchall()
        if not rows:
            return None
        cursor.execute(_UNIQUE, (name,))
        keys: dict[str, tuple[str, ...]] = {}
        for index, column in cursor.fetchall():
            keys[index] = (*keys.get(index, ()), column)
        folding = {column for column, _, _, is_folding in rows if is_folding}
        return ExistingTable(
            columns={
                column: ExistingColumn(
                    declared=declared, kinds=_kinds(declared), must_be_given=must_be_given
                )
                for column, declared, must_be_given, _ in rows
            },
            unique=tuple(keys.values()),
            folded=dict.fromkeys(folding, "its collation is not deterministic"),
        )

    def create_suffix(self) -> str:
        """Returns what follows the columns in CREATE TABLE."""
        return ""

    def upsert(self, cursor: Any, layout: Layout, chunk: Chunk) -> None:
        """Inserts rows, or replaces the values of those whose id is there, in one statement."""
        names = [quote_name(name, self.database) for name in layout.columns]
        new = ", ".join(f"{name} = EXCLUDED.{name}" for name in names[1:])
        arrays: tuple[Kind, ...] = (layout.id_kind, "double", "integer", "integer")
        given = ", ".join(f"%s::{_ARRAYS[kind]}[]" for kind in arrays)
        statement = (
            f"INSERT INTO {quoted_table(self, layout.table)} ({', '.join(names)}) "  # noqa: S608
            f"SELECT u.*, %s::text, %s::timestamptz FROM unnest({given}) AS u "
            f"ON CONFLICT ({names[0]}) DO UPDATE SET {new}"
        )
        columns = (chunk.ids, chunk.probabilities, chunk.decisions, chunk.versions)
        when = chunk.predicted_at.isoformat()
        cursor.execute(statement, (chunk.run_id, when, *columns))


def _kinds(declared: str) -> frozenset[Kind]:
    base = declared.partition("(")[0].strip()
    if base == "character varying":
        return frozenset({"text"})
    return _KINDS.get(declared, frozenset())
