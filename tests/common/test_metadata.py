import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from pydantic import ValidationError

from common import metadata
from common.errors import InputError
from common.metadata import close_abandoned, connection_config, open_store, sqlite_connection
from common.metadata_options import Metadata

Execution = metadata_store_pb2.Execution
Artifact = metadata_store_pb2.Artifact
PASSWORD = {"FAULTLINE_METADATA_PASSWORD": "sesame"}


def test_without_a_url_the_store_is_a_file_of_the_output_folder(tmp_path):
    connection = connection_config(Metadata(), tmp_path, {})
    assert connection.sqlite.filename_uri == str(tmp_path / "metadata.db")
    open_store(connection)
    assert (tmp_path / "metadata.db").is_file()


def test_a_mysql_url_gives_every_part_and_its_default_port(tmp_path):
    options = Metadata(url="mysql://ops%40site@db.example.org/run%20log")
    server = connection_config(options, tmp_path, PASSWORD).mysql
    assert (server.host, server.port) == ("db.example.org", 3306)
    assert (server.user, server.password, server.database) == ("ops@site", "sesame", "run log")


def test_a_postgresql_url_gives_every_part(tmp_path):
    options = Metadata(url="postgresql://ops@localhost:5433/runs")
    server = connection_config(options, tmp_path, PASSWORD).postgresql
    assert (server.host, server.port, server.dbname) == ("localhost", "5433", "runs")
    assert (server.user, server.password) == ("ops", "sesame")


def test_localhost_is_not_taken_for_a_unix_socket_by_the_mysql_client(tmp_path):
    options = Metadata(url="mysql://ops@localhost:3307/runs")
    assert connection_config(options, tmp_path, PASSWORD).mysql.host == "127.0.0.1"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/runs",
        "mysql://ops@host",
        "postgresql://ops@host:5432/",
    ],
)
def test_a_url_that_lacks_a_part_is_refused(tmp_path, url):
    with pytest.raises(InputError, match=r"metadata\.url must be .*://USER@HOST:PORT/DATABASE"):
        connection_config(Metadata(url=url), tmp_path, PASSWORD)


@pytest.mark.parametrize("rest", ["?password=sesame", "?sslmode=require", "#x"])
def test_a_url_ends_with_the_database(rest):
    with pytest.raises(ValidationError, match="must end with the database"):
        Metadata(url=f"postgresql://ops@host/runs{rest}")


def test_a_port_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="must have a port from 1 to 65535"):
        connection_config(Metadata(url="mysql://ops@host:99999/runs"), tmp_path, PASSWORD)


def test_a_password_that_is_not_set_names_its_variable(tmp_path):
    variable = "MY_PASSWORD"
    options = Metadata(url="mysql://ops@host/runs", password_env=variable)
    with pytest.raises(InputError, match="environment variable MY_PASSWORD is not set"):
        connection_config(options, tmp_path, PASSWORD)


def test_reading_a_folder_without_runs_says_so_and_makes_no_file(tmp_path):
    with pytest.raises(InputError, match=r"No runs in .*: it has no metadata\.db"):
        open_store(sqlite_connection(tmp_path / "metadata.db"), must_exist=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "metadata.db").write_text("not a database, but long enough to look at" * 50)
    with pytest.raises(InputError, match=r"Cannot open the metadata file .*metadata\.db"):
        open_store(sqlite_connection(tmp_path / "metadata.db"))


@contextmanager
def _server_that_says(words: bytes | None) -> Iterator[int]:
    """A listener that sends `words` to who connects, or nothing at all for None."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                if words is not None:
                    client.sendall(words)
                client.recv(100)
                client.recv(100)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_port_where_nothing_listens_is_named_without_the_password(tmp_path, scheme):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        options = Metadata(url=f"{scheme}://ops@127.0.0.1:{port}/runs")
        with pytest.raises(InputError) as caught:
            open_store(connection_config(options, tmp_path, PASSWORD))
    assert f"Cannot reach the metadata server {scheme}://ops@127.0.0.1:{port}/runs" in str(
        caught.value
    )
    assert "Connection refused" in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_server_that_speaks_something_else_is_not_waited_for(tmp_path, scheme):
    with _server_that_says(b"HTTP/1.1 400 Bad Request\r\n") as port:
        options = Metadata(url=f"{scheme}://ops@127.0.0.1:{port}/runs")
        with pytest.raises(InputError, match=r"is not a (MySQL|PostgreSQL) server"):
            open_store(connection_config(options, tmp_path, PASSWORD))


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_server_that_says_nothing_is_given_up_after_the_time_limit(tmp_path, scheme, monkeypatch):
    monkeypatch.setattr(metadata, "PROBE_TIMEOUT_S", 0.2)
    with _server_that_says(None) as port:
        options = Metadata(url=f"{scheme}://ops@127.0.0.1:{port}/runs")
        started = time.monotonic()
        with pytest.raises(InputError, match=f"Cannot reach .*:{port}/runs: timed out"):
            open_store(connection_config(options, tmp_path, PASSWORD))
    assert time.monotonic() - started < 3


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


def _execution(store: MetadataStore, run_id: str, state: int, artifact_state: int) -> int:
    """An execution of a run with one output artifact; returns the execution's id."""
    execution_type = store.put_execution_type(metadata_store_pb2.ExecutionType(name="Trainer"))
    artifact_type = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
    context_type = store.put_context_type(metadata_store_pb2.ContextType(name="pipeline_run"))
    event = metadata_store_pb2.Event(type=metadata_store_pb2.Event.OUTPUT)
    execution_id, _, _ = store.put_execution(
        Execution(type_id=execution_type, last_known_state=state),
        [(Artifact(type_id=artifact_type, uri="model", state=artifact_state), event)],
        [metadata_store_pb2.Context(type_id=context_type, name=run_id)],
        reuse_context_if_already_exist=True,
    )
    return int(execution_id)


def _states(store: MetadataStore) -> dict[int, int]:
    return {execution.id: execution.last_known_state for execution in store.get_executions()}


def test_what_a_dead_run_left_unfinished_is_cancelled_and_the_rest_is_as_it_was(store):
    states = (Execution.COMPLETE, Execution.RUNNING, Execution.NEW, Execution.FAILED)
    done, running, new, failed = (
        _execution(store, "run-1", state, Artifact.LIVE) for state in states
    )
    assert close_abandoned(store) == 2
    assert _states(store) == {
        done: Execution.COMPLETE,
        running: Execution.CANCELED,
        new: Execution.CANCELED,
        failed: Execution.FAILED,
    }
    assert close_abandoned(store) == 0


def test_half_written_outputs_are_abandoned_and_finished_ones_are_kept(store):
    _execution(store, "run-1", Execution.RUNNING, Artifact.PENDING)
    _execution(store, "run-1", Execution.RUNNING, Artifact.LIVE)
    _execution(store, "run-1", Execution.COMPLETE, Artifact.PENDING)
    close_abandoned(store)
    assert [artifact.state for artifact in store.get_artifacts()] == [
        Artifact.ABANDONED,
        Artifact.LIVE,
        Artifact.PENDING,
    ]


def test_on_a_shared_server_only_the_runs_that_are_known_to_be_dead_are_closed(store):
    mine = _execution(store, "run-1", Execution.RUNNING, Artifact.PENDING)
    theirs = _execution(store, "run-2", Execution.RUNNING, Artifact.PENDING)
    assert close_abandoned(store, run_ids={"run-1"}) == 1
    assert _states(store) == {mine: Execution.CANCELED, theirs: Execution.RUNNING}


def test_the_parts_of_a_dead_run_that_read_one_span_each_are_closed_with_it(store):
    part = _execution(store, "run-1.span-2", Execution.RUNNING, Artifact.PENDING)
    assert close_abandoned(store, run_ids={"run-1"}) == 1
    assert _states(store) == {part: Execution.CANCELED}
