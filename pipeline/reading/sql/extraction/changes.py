"""Signs that a table has not changed, which cost less than reading it."""

import time
from datetime import date
from pathlib import Path

from common.errors import InputError
from pipeline.data_options.sql import Sql
from pipeline.reading.sql.connections import Connection
from pipeline.reading.sql.database import Database
from pipeline.reading.sql.statements import quote_name, quote_table, subquery, table_parts

_SETTLED_S = 3.0
_STATISTICS = (
    "SELECT c.oid, pg_relation_filenode(c.oid), s.n_tup_ins, s.n_tup_upd, s.n_tup_del, "
    "(SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), "
    "pg_postmaster_start_time() "
    "FROM pg_class c JOIN pg_stat_all_tables s ON s.relid = c.oid "
    # Tables that inherit from it have statistics of their own.
    "WHERE c.oid = to_regclass(%s) AND c.relkind = 'r' AND NOT c.relhassubclass"
)
_UPDATE_TIME = (
    "SELECT create_time, update_time, data_length, "
    "update_time < now() - INTERVAL 3 SECOND FROM information_schema.tables "
    "WHERE table_name = %s AND table_schema = coalesce(%s, database())"
)


def change_sign(connection: Connection, database: Database, options: Sql, query: str) -> str | None:
    """Returns a text that differs after a change, or None where only the content can tell.

    Args:
        connection: An open connection; the sign is of its snapshot where the server can.
        database: The database.
        options: `data.sql`.
        query: The query with its span filled in.
    """
    if options.changed_by == "column":
        sign = _column_sign(connection, database, str(options.change_column), query)
        return f"{sign}; {_columns(connection, query)}"
    if options.changed_by == "statistics" and options.table is not None:
        statistics = _statistics(connection, database, options.table)
        return statistics and f"{statistics}; {_columns(connection, query)}"
    return None


def _columns(connection: Connection, query: str) -> str:
    """Returns names and types of the columns: one may be added or renamed without another row."""
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {subquery(query)} LIMIT 0")  # noqa: S608
    return ", ".join(f"{name} {code}" for name, code, *_ in cursor.description)


def _column_sign(connection: Connection, database: Database, column: str, query: str) -> str:
    name = f"q.{quote_name(column, database.kind)}"
    cursor = connection.cursor()
    cursor.execute(f"SELECT count(*), count({name}), max({name}) FROM {subquery(query)}")  # noqa: S608
    num_rows, num_present, latest = cursor.fetchone()
    if num_rows != num_present:
        raise InputError(
            f"data.sql.change_column: `{column}` is NULL in {num_rows - num_present:,} rows, whose "
            "changes it cannot show. Fill it, or use `changed_by: content`."
        )
    shown = latest.isoformat() if isinstance(latest, date) else str(latest)
    return f"{num_rows} rows, latest {column} {shown}"


def _statistics(connection: Connection, database: Database, table: str) -> str | None:
    if database.kind == "sqlite":
        return _file_times(Path(database.name))
    cursor = connection.cursor()
    schema, name = table_parts(table)
    if database.kind == "postgresql":
        cursor.execute(_STATISTICS, (quote_table(table, database.kind),))
    else:
        cursor.execute(_UPDATE_TIME, (name, schema))
    row = cursor.fetchone()
    # A view has none. MariaDB forgets the time of the last change when it restarts, and its time is
    # of whole seconds: another change may follow in the same one.
    if row is None or (database.kind == "mariadb" and not row[3]):
        return None
    return " ".join(str(value) for value in row)


def _file_times(path: Path) -> str | None:
    """Returns size, inode and times of an SQLite file and of its write-ahead log.

    None right after a change: another one may follow within the resolution of the times.
    """
    parts = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        if file.is_file():
            status = file.stat()
            if time.time() - status.st_ctime < _SETTLED_S:
                return None
            parts.append(
                f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
            )
    return ", ".join(parts)
