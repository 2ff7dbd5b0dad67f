"""Connections to databases by DB-API, for small questions and for writing."""

import sqlite3
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from common.errors import InputError
from pipeline.reading.sql.database import Database
from pipeline.reading.sql.failures import UnreachableError, trouble_of, words_of
from pipeline.reading.sql.passwords import find_password

CONNECT_TIMEOUT_S = 15

# A DB-API connection; the three drivers share no type.
Connection = Any


def connect(
    database: Database, environ: Mapping[str, str], *, read_only: bool = True
) -> Connection:
    """Opens a DB-API connection without autocommit.

    A read-only connection is in REPEATABLE READ: all its questions, from the first on, see one
    snapshot. Session times are in UTC. Parameters are written `%s`, for SQLite `?`.

    Args:
        database: The database.
        environ: Environment variables, for the password.
        read_only: Whether the connection may not write.

    Raises:
        InputError: The server refuses; with its words, without the password.
        UnreachableError: It does not answer, or has trouble of its own.
    """
    failures: tuple[type[Exception], ...] = (*driver_errors(database), OSError)
    try:
        if database.kind == "sqlite":
            return _connect_sqlite(database, read_only=read_only)
        password = find_password(database, environ)
        if database.kind == "postgresql":
            return _connect_postgresql(database, password, read_only=read_only)
        return _connect_mariadb(database, password, read_only=read_only)
    except failures as error:
        hint = _advice(database, error, has_password=_has_password(database, environ))
        kind = UnreachableError if trouble_of(error) is not None else InputError
        raise kind(f"Cannot connect to {database}: {words_of(error)}. {hint}") from None


def driver_errors(database: Database) -> tuple[type[Exception], ...]:
    """Returns the base class of the errors that a database's driver raises."""
    if database.kind == "sqlite":
        return (sqlite3.Error,)
    if database.kind == "postgresql":
        import pg8000.exceptions

        return (pg8000.exceptions.Error,)
    import pymysql

    return (pymysql.Error,)


def _connect_sqlite(database: Database, *, read_only: bool) -> Connection:
    mode = "ro" if read_only else "rw"
    path = database.name.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(
        f"file:{path}?mode={mode}", uri=True, timeout=CONNECT_TIMEOUT_S, isolation_level=None
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("BEGIN")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_postgresql(database: Database, password: str | None, *, read_only: bool) -> Connection:
    import pg8000.dbapi

    tls: Any = {"disable": False, "prefer": None, "require": True}.get(database.tls_mode)
    if database.tls_mode == "verify-ca":
        tls = _checking_context(database)
    connection = pg8000.dbapi.connect(
        user=database.user,
        password=password or "",
        host=database.host,
        port=database.port,
        database=database.name,
        timeout=CONNECT_TIMEOUT_S,
        ssl_context=tls,
        application_name="faultline",
    )
    with suppress(AttributeError):
        connection._usock.settimeout(None)  # a long question is no failure
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.execute("SET datestyle TO ISO, YMD")  # an account may have a style of its own
    if read_only:
        cursor.execute(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        )
    connection.commit()
    return connection


def _connect_mariadb(database: Database, password: str | None, *, read_only: bool) -> Connection:
    import pymysql

    tls = None
    if database.tls_mode == "verify-ca":
        tls = _checking_context(database)
    elif database.tls_mode == "require":
        tls = _accepting_context()
    connection = pymysql.connect(
        user=database.user,
        password=(password or "").encode(),  # as text, the driver would take Latin-1
        host=database.host,
        port=database.port,
        database=database.name,
        connect_timeout=CONNECT_TIMEOUT_S,
        charset="utf8mb4",
        autocommit=False,
        ssl=tls,
        ssl_disabled=tls is None,
        program_name="faultline",
    )
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SET SESSION sql_select_limit = 18446744073709551615")
        if read_only:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.commit()
    return connection


def _accepting_context() -> ssl.SSLContext:
    """Returns TLS without a check of the certificate, which is what `require` means."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _checking_context(database: Database) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=database.root_certificate)
    context.check_hostname = False
    return context


def _has_password(database: Database, environ: Mapping[str, str]) -> bool:
    return find_password(database, environ) is not None


def _advice(database: Database, error: Exception, *, has_password: bool) -> str:
    if database.kind == "sqlite" and "locked" in words_of(error):
        return "Another program writes to it: run again when that is done."
    if database.kind == "sqlite":
        return "Check that it is an SQLite file that this account may read."
    text = words_of(error).lower()
    if "denied" in text or "password" in text or "authentication" in text:
        if has_password:
            return f"Check the account, its rights and the password in {database.password_env}."
        files = "~/.pgpass" if database.kind == "postgresql" else "~/.my.cnf"
        return f"No password was found. Set {database.password_env}, or put it into {files}."
    if "does not exist" in text or "unknown database" in text:
        return f"Check the name of the database in {database.key}."
    return f"Check that the server runs, and the host, port and TLS options in {database.key}."
