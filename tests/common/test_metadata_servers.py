"""Real pipelines on real MariaDB and PostgreSQL servers."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from common.errors import InputError
from common.metadata import close_abandoned, connection_config, open_store
from common.metadata_options import Metadata
from pipeline.lineage import RunState, lineage_of, list_runs
from pipeline.lineage.provenance import provenance_of, stamp_run
from tests.common.metadata_servers import (
    MetadataServer,
    find_program,
    mariadb_server,
    postgres_server,
)
from tests.pipeline.records import Execution, Recorder, provenance, record_run

pytestmark = pytest.mark.e2e

VARIABLE = "FAULTLINE_METADATA_PASSWORD"
_SERVERS = {
    "mariadb": ("mariadbd", "mariadb-server", mariadb_server),
    "postgresql": ("initdb", "postgresql", postgres_server),
}


def _start(name: str, folder: Path) -> AbstractContextManager[MetadataServer]:
    program, package, start = _SERVERS[name]
    if find_program(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return start(folder)


@pytest.fixture(scope="module", params=list(_SERVERS))
def server(request) -> Iterator[MetadataServer]:
    # Not in pytest's own folder: the server's account may not enter that one.
    with (
        tempfile.TemporaryDirectory(prefix="faultline-server-") as folder,
        _start(request.param, Path(folder)) as running,
    ):
        yield running


def _connection(
    server: MetadataServer, *, database: str = "runs", password: str | None = None
) -> metadata_store_pb2.ConnectionConfig:
    options = Metadata(url=server.url(database=database))
    secret = server.password if password is None else password
    return connection_config(options, Path("unused"), {VARIABLE: secret})


def _run_tiny_pipeline(
    connection: metadata_store_pb2.ConnectionConfig, folder: Path, run_id: str, value: str = "a"
) -> list[str]:
    """Two components, run as `faultline run` runs them; returns how each step ended."""
    from tfx.orchestration.pipeline import Pipeline

    from pipeline.running.runner import compile_pipeline, run_steps
    from tests.pipeline.tiny_components import Copy, Write

    write = Write(value=value)
    tiny = Pipeline(
        pipeline_name="wells",
        pipeline_root=str(folder / "artifacts"),
        metadata_connection_config=connection,
        components=[write, Copy(text=write.outputs["text"])],
        enable_cache=True,
    )
    steps = run_steps(compile_pipeline(tiny, run_id), connection, on_start=lambda _: None)
    return [step.state.value for step in steps]


def test_a_pipeline_writes_its_runs_and_takes_the_second_from_the_cache(server, tmp_path):
    connection = _connection(server)
    store = open_store(connection)
    for run_id in ("tiny-1", "tiny-2"):
        stamp_run(store, run_id, provenance())
    assert _run_tiny_pipeline(connection, tmp_path, "tiny-1") == ["ran", "ran"]
    assert _run_tiny_pipeline(connection, tmp_path, "tiny-2") == ["cached", "cached"]

    rows = {row.run_id: row for row in list_runs(open_store(connection))}
    assert (rows["tiny-1"].num_steps, rows["tiny-1"].num_cached) == (2, 0)
    assert (rows["tiny-2"].num_steps, rows["tiny-2"].num_cached) == (2, 2)
    assert rows["tiny-2"].use_case == "wells"
    run = store.get_context_by_type_and_name("pipeline_run", "tiny-1")
    assert provenance_of(run) == provenance()
    steps = [child for child in lineage_of(store, "tiny-2").children if child.kind == "step"]
    assert [(step.name, step.facts["state"]) for step in steps] == [
        ("Write", "cached"),
        ("Copy", "cached"),
    ]


def test_lineage_of_a_pushed_version_is_read_back(server, tmp_path):
    store = open_store(_connection(server))
    record_run(store, "pushed-1", serving=tmp_path / "wells", version="1764000000")
    node = lineage_of(open_store(_connection(server)), "wells/1764000000")
    assert [child.kind for child in node.children] == ["verdict", "model", "run"]
    assert node.children[-1].children[0].facts["commit"] == provenance().git_commit


def test_what_a_killed_run_left_is_closed_and_other_peoples_runs_go_on(server):
    store = open_store(_connection(server))
    for run_id in ("mine", "theirs"):
        Recorder(store, run_id, provenance()).step("Trainer", state=Execution.RUNNING)
    assert close_abandoned(store, run_ids={"mine"}) == 1
    states = {row.run_id: row.state for row in list_runs(store, may_be_running=True)}
    assert (states["mine"], states["theirs"]) == (RunState.INTERRUPTED, RunState.RUNNING)


def test_a_wrong_password_is_refused_and_not_repeated(server):
    with pytest.raises(InputError, match="wrong user or password") as caught:
        open_store(_connection(server, password="open-sesame"))  # noqa: S106
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert "open-sesame" not in str(caught.value)


def test_a_database_that_is_not_there_is_made_or_its_absence_told(server, caplog):
    """PostgreSQL's user may make databases; MariaDB's has rights on `runs` alone."""
    connection = _connection(server, database="other")
    if server.scheme == "postgresql":
        open_store(connection)
        assert f"Made the database of {server.url(database='other')}" in caplog.text
        assert list_runs(MetadataStore(connection)) == []
        return
    with pytest.raises(InputError, match=r"Cannot open the metadata database .*/other, nor make"):
        open_store(connection)


def test_the_password_is_in_no_file_of_a_run_and_in_no_log(server, tmp_path, caplog, capfd):
    connection = _connection(server)
    open_store(connection)
    with caplog.at_level("INFO"):
        _run_tiny_pipeline(connection, tmp_path, "secret-1", value="not in the cache")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if server.password.encode() in path.read_bytes()]
    streams = capfd.readouterr()
    assert server.password not in caplog.text + streams.out + streams.err
