"""Rows of a query as a stream of Arrow record batches, by connectorx."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import pyarrow as pa

from common.errors import InputError
from pipeline.reading.sql.connections import words_of
from pipeline.reading.sql.database import Database
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
        reader = connectorx.read_sql(
            _driver_url(database, find_password(database, environ)),
            query,
            return_type="arrow_stream",
            protocol="binary",
            pre_execution_query=commands or None,
            batch_size=batch_rows,
        )
        yield from reader
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - the driver raises RuntimeError and Arrow errors
        raise InputError(
            f"{database} failed while the rows were read: {words_of(error)}. Nothing was kept; run "
            "again when the server answers."
        ) from None
    except BaseException as error:
        # A panic of the Rust driver is no `Exception`.
        if type(error).__name__ != "PanicException":
            raise
        raise InputError(
            f"{database}: a value cannot be read: {words_of(error)}. Cast its column in data.sql."
            "query, or leave it out."
        ) from None


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
