"""Single steps with ML Metadata on real MariaDB and PostgreSQL servers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common.metadata_servers import (
    MetadataServer,
    find_program,
    mariadb_server,
    postgres_server,
)
from tests.e2e.harness import CONFIG, write_wells
from tests.pipeline.records import Execution
from tests.pipeline.running.stepping.tiny_runs import begin_tiny

pytestmark = pytest.mark.e2e

_SERVERS = {
    "mariadb-server": ("mariadbd", mariadb_server),
    "postgresql": ("initdb", postgres_server),
}


@pytest.fixture(params=list(_SERVERS))
def server(request) -> Iterator[MetadataServer]:
    program, start = _SERVERS[request.param]
    if find_program(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install {request.param}")
    # Not in pytest's own folder: the server's account may not enter that one.
    with (
        tempfile.TemporaryDirectory(prefix="faultline-server-") as folder,
        start(Path(folder)) as running,
    ):
        yield running


def test_steps_share_a_metadata_server_and_the_next_run_is_cached(server, tmp_path, monkeypatch):
    monkeypatch.setenv("FAULTLINE_METADATA_PASSWORD", server.password)
    config_path = write_wells(tmp_path, "", f"{CONFIG}metadata:\n  url: {server.url()}\n")
    for run_id, state in (("first", Execution.COMPLETE), ("second", Execution.CACHED)):
        run = begin_tiny(config_path, tmp_path / "output", run_id)
        for step in ("Write", "Copy"):
            run.step(step)
        states = {name: one.last_known_state for name, one in run.executions().items()}
        assert states == {"Write": state, "Copy": state}
    files = [path for path in (tmp_path / "output").rglob("*") if path.is_file()]
    assert not [path for path in files if server.password.encode() in path.read_bytes()]
