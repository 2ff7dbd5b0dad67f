"""Rows of a query as a stream of Arrow record batches, by connectorx."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from typing import IO
from urllib.parse import quote

import pyarrow as pa

from pipeline.reading.sql.database import Database
from pipeline.reading.sql.failures import explain_failure
from pipeline.reading.sql.passwords import find_password
from pipeline.reading.sql.statements import literal

BATCH_ROWS = 20_000
_POSTGRESQL_SETUP = (
    "SET TIME ZONE 'UTC'",
    "SET datestyle TO ISO, YMD",
    "SET intervalstyle TO postgres",
    "SET bytea_output TO hex",
    "SET extra_float_digits TO 3",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
)
_MARIADB_SETUP = (
    "SET NAMES utf8mb4",
    "SET time_zone = '+00:00'",
    # A server may have a limit for all connections, which would cut off the rows without a word.
    "SET SESSION sql_select_limit = 18446744073709551615",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)


def stream_batches(
    database: Database,
    query: str,
    *,
    environ: Mapping[str, str],
    snapshot: str | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of one SELECT in constant memory, in a read-only transaction of its own.

    Open a connection with `connections.connect` first: it fails at once where this driver repeats
    its attempts for half a minute.

    Args:
        database: The database.
        query: One SELECT with literals only, whose columns have types that the driver reads without
            loss: see `selects.select_exactly`.
        environ: Environment variables, for the password.
        snapshot: Name of a snapshot that an open transaction of PostgreSQL has exported.
        batch_rows: Rows of a batch.

    Raises:
        InputError: The query fails, or the connection is lost while it is read.
    """
    import connectorx

    if snapshot is not None and database.kind != "postgresql":
        raise ValueError(f"{database.kind} has no exported snapshots.")
    setup = {"postgresql": _POSTGRESQL_SETUP, "mariadb": _MARIADB_SETUP}.get(database.kind)
    commands = list(setup or ())
    if snapshot is not None:
        commands.append(f"SET TRANSACTION SNAPSHOT {literal(snapshot)}")
    try:
        with _QUIET:
            reader = connectorx.read_sql(
                _driver_url(database, find_password(database, environ)),
                query,
                return_type="arrow_stream",
                protocol="binary",
                pre_execution_query=commands or None,
                batch_size=batch_rows,
            )
        while (batch := _next_batch(reader)) is not None:
            yield batch
    except BaseException as error:
        # A failure in the midst of a read comes as a panic of the Rust driver, no `Exception`.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise explain_failure(database, error) from None


def _next_batch(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    with _QUIET:
        return next(reader, None)


class _Quiet:
    """Context manager that keeps the driver from writing to standard error.

    It prints attempts to connect, and the backtrace of a failure that it also raises. Threads may
    be inside at the same time; what others write in the meantime is passed on at the end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._stderr = -1
        self._aside: IO[bytes] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                sys.stderr.flush()
                self._aside = tempfile.TemporaryFile()
                self._stderr = os.dup(2)
                os.dup2(self._aside.fileno(), 2)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth or self._aside is None:
                return
            sys.stderr.flush()
            os.dup2(self._stderr, 2)
            os.close(self._stderr)
            self._aside.seek(0)
            if kind is None:
                os.write(2, self._aside.read())
            self._aside.close()


_QUIET = _Quiet()


def _driver_url(database: Database, password: str | None) -> str:
    """Returns the URL with the password, in the driver's form; it must not leave this module."""
    if database.kind == "sqlite":
        return f"sqlite://{quote(database.name)}"
    account = quote(database.user, safe="")
    if password is not None:
        account += ":" + quote(password, safe="")
    host = f"[{database.host}]" if ":" in database.host else database.host
    options = _tls_options(database)
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
    scheme = "postgresql" if database.kind == "postgresql" else "mysql"
    name = quote(database.name, safe="")
    return f"{scheme}://{account}@{host}:{database.port}/{name}" + (f"?{query}" if query else "")


def _tls_options(database: Database) -> dict[str, str]:
    certificate = database.root_certificate
    if database.kind == "postgresql":
        # To this driver, `require` with trusted certificates means `verify-ca`.
        mode = "require" if database.tls_mode == "verify-ca" else database.tls_mode
        return {"sslmode": mode} | ({"sslrootcert": certificate} if certificate else {})
    modes = {"disable": "DISABLED", "require": "REQUIRED", "verify-ca": "VERIFY_CA"}
    return {"ssl-mode": modes[database.tls_mode]} | ({"ssl-ca": certificate} if certificate else {})
