"""Tables of predictions in MariaDB and MySQL."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from pipeline.prediction.tables.dialects.dialect import Chunk, quoted_table
from pipeline.prediction.tables.layout import ExistingColumn, ExistingTable, Kind, Layout
from pipeline.reading.sql.database import Kind as DatabaseKind
from pipeline.reading.sql.statements import quote_name

_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_INTEGERS, "integer"),
    "varchar": "text",
    "text": "text",
    "mediumtext": "text",
    "longtext": "text",
    "float": "double",
    "double": "double",
    "datetime": "time",
    "timestamp": "time",
}
_COLUMNS = """
SELECT column_name, data_type, column_type, is_nullable, column_default, extra, collation_name
FROM information_schema.columns
WHERE table_schema = COALESCE(%s, DATABASE()) AND table_name = %s
ORDER BY ordinal_position
"""
_UNIQUE = """
SELECT index_name, column_name, sub_part
FROM information_schema.statistics
WHERE table_schema = COALESCE(%s, DATABASE()) AND table_name = %s AND non_unique = 0
ORDER BY index_name, seq_in_index
"""
_NAMES_ARE_EXACT = ("nopad_bin", "0900_bin")
# With ids of 255 characters of four bytes, below the 16 MB that a packet may have by default.
_ROWS_PER_STATEMENT = 1_000


class MariaDB:
    """MariaDB and MySQL, by PyMySQL."""

    # 255 characters of four bytes fit into a key. An exact collation distinguishes `a`, `A`, `a `.
    types: Mapping[Kind, str] = {
        "integer": "BIGINT",
        "text": "VARCHAR(255)",
        "double": "DOUBLE",
        "time": "DATETIME(6)",
    }
    database: DatabaseKind = "mariadb"
    placeholder = "%s"

    def __init__(self) -> None:
        self._collation = "utf8mb4_nopad_bin"

    def prepare(self, cursor: Any) -> None:
        """Makes a value that does not fit an error."""
        cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
        cursor.execute("SELECT VERSION()")
        [version] = cursor.fetchone()
        self._collation = "utf8mb4_nopad_bin" if "maria" in version.lower() else "utf8mb4_0900_bin"

    def begin(self, cursor: Any) -> None:
        """Does nothing: the driver begins a transaction at the first statement."""

    def describe(self, cursor: Any, table: tuple[str, ...]) -> ExistingTable | None:
        """Returns what the database says of a table; None if there is none."""
        where = (table[0] if len(table) == 2 else None, table[-1])
        cursor.execute(_COLUMNS, where)
        rows = cursor.fetchall()
        if not rows:
            return None
        cursor.execute(_UNIQUE, where)
        keys: dict[str, tuple[str, ...]] = {}
        for index, column, prefix in cursor.fetchall():
            # A key of a prefix takes ids for one that only begin alike.
            named = column if prefix is None else f"{column}({prefix})"
            keys[index] = (*keys.get(index, ()), named)
        return ExistingTable(
            columns={row[0]: _column(*row[1:6]) for row in rows},
            unique=tuple(keys.values()),
            folded={row[0]: f"its collation is {row[6]}" for row in rows if _is_folding(row[6])},
            any_key_counts=True,
        )

    def create_suffix(self) -> str:
        """Returns what follows the columns in CREATE TABLE."""
        return f" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {self._collation}"

    def upsert(self, cursor: Any, layout: Layout, chunk: Chunk) -> None:
        """Inserts rows, or replaces the values of those whose id is there."""
        names = [quote_name(name, self.database) for name in layout.columns]
        new = ", ".join(f"{name} = VALUES({name})" for name in names[1:])
        row = "(" + ", ".join(["%s"] * len(names)) + ")"
        table = quoted_table(self, layout.table)
        head = f"INSERT INTO {table} ({', '.join(names)}) VALUES "  # noqa: S608 - quoted names
        when = chunk.predicted_at.astimezone(UTC).replace(tzinfo=None)
        rows = [
            (*values, chunk.run_id, when)
            for values in zip(
                chunk.ids, chunk.probabilities, chunk.decisions, chunk.versions, strict=True
            )
        ]
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            part = rows[start : start + _ROWS_PER_STATEMENT]
            statement = head + ", ".join([row] * len(part)) + f" ON DUPLICATE KEY UPDATE {new}"
            cursor.execute(statement, [value for values in part for value in values])


def _column(
    data_type: str, column_type: str, is_nullable: str, default: Any, extra: str
) -> ExistingColumn:
    kind = _KINDS.get(data_type.lower())
    loses = "unsigned" in column_type.lower() or (kind == "time" and "(6)" not in column_type)
    kinds = frozenset({kind}) if kind is not None and not loses else frozenset()
    filled = "auto_increment" in extra.lower() or "generated" in extra.lower()
    return ExistingColumn(
        declared=column_type,
        kinds=kinds,
        must_be_given=is_nullable == "NO" and default is None and not filled,
    )


def _is_folding(collation: str | None) -> bool:
    return collation is not None and not collation.endswith(_NAMES_ARE_EXACT)
