"""The connection to ML Metadata: an SQLite file by default, MySQL or PostgreSQL by URL."""

import logging
import os
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from common.metadata_options import Metadata
from common.run_ids import whole_run_id

ConnectionConfig: TypeAlias = metadata_store_pb2.ConnectionConfig
Execution: TypeAlias = metadata_store_pb2.Execution
Artifact: TypeAlias = metadata_store_pb2.Artifact
Event: TypeAlias = metadata_store_pb2.Event

SQLITE_FILE = "metadata.db"
PROBE_TIMEOUT_S = 5.0
_DEFAULT_PORTS = {"mysql": 3306, "postgresql": 5432}
_READ_WRITE_CREATE = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_log = logging.getLogger(__name__)


def connection_config(
    options: Metadata, output_dir: Path, environ: Mapping[str, str]
) -> ConnectionConfig:
    """Returns where ML Metadata lives, in ML Metadata's own form.

    Args:
        options: The use case's `metadata`.
        output_dir: Folder of the SQLite file where no URL is given.
        environ: Environment variables; a server's password is one of them.

    Raises:
        InputError: The URL lacks a part, or the password's variable is not set.
    """
    if options.url is None:
        return sqlite_connection(output_dir / SQLITE_FILE)
    password = environ.get(options.password_env)
    if password is None:
        raise InputError(
            f"metadata.url names a server, but the environment variable {options.password_env} "
            "is not set. Set it to the password, or to nothing where there is none; "
            "metadata.password_env names another variable."
        )
    return _server_connection(options.url, password)


def sqlite_connection(path: Path) -> ConnectionConfig:
    """Returns the connection to an SQLite file, which is made when it is first opened."""
    config = ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    return config


def _server_connection(url: str, password: str) -> ConnectionConfig:
    parts = urlsplit(url)
    user, database = unquote(parts.username or ""), unquote(parts.path.strip("/"))
    if not user or not database or not parts.hostname:
        raise InputError(
            f"metadata.url must be {parts.scheme}://USER@HOST:PORT/DATABASE and no more, got {url}"
        )
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError as error:
        raise InputError(f"metadata.url must have a port from 1 to 65535, got {url}") from error
    config = ConnectionConfig()
    # `skip_db_creation`: `open_store` makes a missing database once; no step of a run needs the
    # right to.
    if parts.scheme == "mysql":
        config.mysql.user, config.mysql.password = user, password
        # The client library takes `localhost` for a Unix socket and ignores the port.
        config.mysql.host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
        config.mysql.port, config.mysql.database = port, database
        config.mysql.skip_db_creation = True
    else:
        config.postgresql.user, config.postgresql.password = user, password
        config.postgresql.host, config.postgresql.port = parts.hostname, str(port)
        config.postgresql.dbname = database
        config.postgresql.skip_db_creation = True
    return config


def open_store(connection: ConnectionConfig, *, must_exist: bool = False) -> MetadataStore:
    """Returns the store; a missing SQLite file or database is made.

    Args:
        connection: What `connection_config` returned.
        must_exist: Do not make an SQLite file: there is nothing to read in a new one.

    Raises:
        InputError: There is no such file or server, or it refuses; within about 10 s.
    """
    if connection.WhichOneof("config") == "sqlite":
        return _open_sqlite(connection, must_exist=must_exist)
    place = _describe_server(connection)
    _probe(connection, place)
    try:
        return MetadataStore(connection)
    except RuntimeError as first:
        if _is_refusal(first):
            raise _server_error(connection, place, first) from None
    try:
        store = MetadataStore(_creating(connection))
    except RuntimeError as error:
        raise _server_error(connection, place, error) from None
    _log.warning("Made the database of %s", place)
    return store


def _open_sqlite(connection: ConnectionConfig, *, must_exist: bool) -> MetadataStore:
    path = Path(connection.sqlite.filename_uri)
    if must_exist and not path.is_file():
        raise InputError(
            f"No runs in {path.parent}: it has no {path.name}. Start one with `faultline run`, or "
            "name another folder with --output."
        )
    if path.exists() and not os.access(path, os.R_OK):
        raise InputError(
            f"This account may not read {path}. Its owner can allow that: chmod 640, and chgrp to "
            "a group of both accounts."
        )
    try:
        # The file is for its owner only, who may allow others to read it. SQLite would make it for
        # all to read.
        if not path.exists():
            os.close(os.open(path, os.O_CREAT, 0o600))
        return MetadataStore(connection)
    except RuntimeError as error:
        raise InputError(
            f"Cannot open the metadata file {path}: {error}. Restore a copy of it; or, to begin "
            f"without a history, move it and {path.parent / 'artifacts'} away."
        ) from error


def _creating(connection: ConnectionConfig) -> ConnectionConfig:
    config = ConnectionConfig()
    config.CopyFrom(connection)
    if connection.WhichOneof("config") == "mysql":
        config.mysql.skip_db_creation = False
    else:
        config.postgresql.skip_db_creation = False
    return config


def _address(connection: ConnectionConfig) -> tuple[str, int]:
    if connection.WhichOneof("config") == "mysql":
        return connection.mysql.host, int(connection.mysql.port)
    return connection.postgresql.host, int(connection.postgresql.port)


def _describe_server(connection: ConnectionConfig) -> str:
    """The server, user and database as a URL, without the password."""
    host, port = _address(connection)
    if connection.WhichOneof("config") == "mysql":
        return f"mysql://{connection.mysql.user}@{host}:{port}/{connection.mysql.database}"
    server = connection.postgresql
    return f"postgresql://{server.user}@{host}:{port}/{server.dbname}"


def _probe(connection: ConnectionConfig, place: str) -> None:
    """Asks the server for its first words: the client library itself would wait for ever."""
    is_mysql = connection.WhichOneof("config") == "mysql"
    try:
        with socket.create_connection(_address(connection), timeout=PROBE_TIMEOUT_S) as server:
            server.settimeout(PROBE_TIMEOUT_S)
            if not is_mysql:
                server.sendall(_SSL_REQUEST)
            words = server.recv(64)
    except OSError as error:
        raise InputError(
            f"Cannot reach the metadata server {place}: {error.strerror or error}. Check host and "
            "port in metadata.url, and that the server runs."
        ) from error
    # MySQL greets with protocol version 10, or with an error packet; PostgreSQL answers the
    # question for TLS with one letter.
    known = words[4:5] in {b"\x0a", b"\xff"} if is_mysql else words[:1] in {b"S", b"N", b"G", b"E"}
    if not known:
        raise InputError(
            f"What answers at {place} is not a {'MySQL' if is_mysql else 'PostgreSQL'} server. "
            "Check host and port in metadata.url."
        )


def _is_refusal(error: RuntimeError) -> bool:
    """Whether the server did not let the user in; all that the client library tells of it."""
    return "mysql_real_connect" in str(error) or "connection pointer is NULL" in str(error)


def _server_error(connection: ConnectionConfig, place: str, error: RuntimeError) -> InputError:
    if _is_refusal(error):
        return InputError(
            f"The metadata server refused {place}: wrong user or password, or no right to connect "
            "from here. Check metadata.url and the variable that metadata.password_env names."
        )
    password = connection.mysql.password or connection.postgresql.password
    reason = str(error).strip()
    if password:
        reason = reason.replace(password, "***")
    return InputError(
        f"Cannot open the metadata database {place}, nor make it: {reason}. Make the database and "
        "give the user all rights on it."
    )


def close_abandoned(store: MetadataStore, *, run_ids: Collection[str] | None = None) -> int:
    """Cancels what dead runs left unfinished; nobody else would, and it would look alive for ever.

    Args:
        store: The metadata store.
        run_ids: Runs that are known to be dead; None where every one is, because the caller holds
            the lock of the only folder that writes to the store.

    Returns:
        How many executions were cancelled.
    """
    abandoned = [
        execution
        for execution in store.get_executions()
        if execution.last_known_state in {Execution.NEW, Execution.RUNNING}
        and (run_ids is None or _run_ids(store, execution) & set(run_ids))
    ]
    if abandoned:
        cancel_executions(store, abandoned)
    return len(abandoned)


def cancel_executions(store: MetadataStore, executions: Sequence[Execution]) -> None:
    """Cancels executions of processes that are dead, and takes their outputs out of use."""
    for execution in executions:
        execution.last_known_state = Execution.CANCELED
    store.put_executions(executions)
    _abandon_outputs(store, [execution.id for execution in executions])


def _run_ids(store: MetadataStore, execution: Execution) -> set[str]:
    contexts = store.get_contexts_by_execution(execution.id)
    return {whole_run_id(context.name) for context in contexts if context.type == "pipeline_run"}


def _abandon_outputs(store: MetadataStore, execution_ids: list[int]) -> None:
    """Takes the half-written outputs out of what later steps may find."""
    written = {
        event.artifact_id
        for event in store.get_events_by_execution_ids(execution_ids)
        if event.type in {Event.OUTPUT, Event.PENDING_OUTPUT, Event.DECLARED_OUTPUT}
    }
    pending = [
        artifact
        for artifact in store.get_artifacts_by_id(sorted(written))
        if artifact.state == Artifact.PENDING
    ]
    for artifact in pending:
        artifact.state = Artifact.ABANDONED
    if pending:
        store.put_artifacts(pending)


def input_ids(store: MetadataStore, execution_id: int) -> dict[str, frozenset[int]]:
    """Returns the ids of the artifacts that an execution read, by the key of the input."""
    inputs: dict[str, set[int]] = {}
    for event in store.get_events_by_execution_ids([execution_id]):
        if event.type == Event.INPUT:
            # An artifact passed under two keys has a single event with both keys in its path.
            for step in event.path.steps:
                if step.HasField("key"):
                    inputs.setdefault(step.key, set()).add(event.artifact_id)
    return {key: frozenset(ids) for key, ids in inputs.items()}
