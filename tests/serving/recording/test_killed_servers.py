"""A recording server that is killed, or whose disk is full, in a process of its own."""

import json
import resource
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from serving.recording.files import whole_batches
from tests.serving.processes import ServerProcess, running
from tests.serving.recording.pump_model import NAME, pump, row

pytestmark = pytest.mark.e2e

_TIMEOUT_S = 30


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    pump(root / NAME / "3")
    return root / NAME


@pytest.fixture
def flags(base, tmp_path):
    config = tmp_path / "monitoring.config"
    config.write_text("prometheus_config { enable: true }")
    return [
        f"--model_name={NAME}",
        f"--model_base_path={base}",
        f"--collect_dir={tmp_path / 'collected'}",
        f"--monitoring_config_file={config}",
    ]


def ask(server: ServerProcess, request_id: str, **changes: Any) -> None:
    body = json.dumps({"instances": [row(**changes)]}).encode()
    status, answer = server.call(
        "POST", f"/v1/models/{NAME}:predict", body, {"x-request-id": request_id}
    )
    assert status == 200, answer


def live_ids(folder: Path) -> list[str]:
    ids = []
    for path in folder.glob("live/*.arrows"):
        for batch in whole_batches(path):
            ids += batch["request_id"].to_pylist()
    return sorted(ids)


def closed_ids(folder: Path) -> list[str]:
    paths = folder.glob("requests/date=*/hour=*/*.parquet")
    return sorted(
        one for path in paths for one in pq.ParquetFile(path).read()["request_id"].to_pylist()
    )


def wait_until(holds: Any) -> None:
    end = time.monotonic() + _TIMEOUT_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_kill_costs_the_last_second_and_no_file(flags, tmp_path):
    folder = tmp_path / "collected" / NAME
    early = sorted(f"early-{number:02}" for number in range(20))
    with running(*flags) as server:
        for name in early:
            ask(server, name)
        wait_until(lambda: live_ids(folder) == early)
        for number in range(5):
            ask(server, f"late-{number}")
        server.kill()
    survivors = live_ids(folder)
    assert survivors[:20] == early
    # A batch of which the kill left a part.
    [live] = folder.glob("live/*.arrows")
    with live.open("ab") as file:
        file.write(live.read_bytes()[-2000:-700])
    with running(*flags) as server:
        wait_until(lambda: closed_ids(folder) == survivors)
        assert list((folder / "live").iterdir()) == []
        ask(server, "after")
        server.stop()
    assert closed_ids(folder) == sorted([*survivors, "after"])


def test_two_servers_leave_each_others_files_alone(flags, tmp_path):
    folder = tmp_path / "collected" / NAME
    with running(*flags) as stable:
        ask(stable, "stable-1")
        wait_until(lambda: live_ids(folder) == ["stable-1"])
        with running(*flags, "--collect_arm=candidate") as candidate:
            ask(candidate, "candidate-1")
            wait_until(lambda: live_ids(folder) == ["candidate-1", "stable-1"])
            candidate.stop()
            assert closed_ids(folder) == ["candidate-1"]
        ask(stable, "stable-2")
        stable.stop()
    assert closed_ids(folder) == ["candidate-1", "stable-1", "stable-2"]


def test_a_full_disk_costs_records_and_no_answers(flags, tmp_path):
    """The limit of a process on the size of its files stands in for the disk."""
    folder = tmp_path / "collected" / NAME
    with running(*flags) as server:
        ask(server, "before")
        wait_until(lambda: live_ids(folder) == ["before"])
        [live] = folder.glob("live/*.arrows")
        size = live.stat().st_size
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size + 100, hard))
        for number in range(5):
            ask(server, f"full-{number}")

        def dropped() -> bool:
            _, page = server.call("GET", "/monitoring/prometheus/metrics")
            return b'request_log_count{model_name="pumps",status="disk"} 5' in page

        wait_until(dropped)
        assert live_ids(folder) == ["before"]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        ask(server, "after")
        server.stop()
    assert closed_ids(folder) == ["after", "before"]
    assert any("cannot be written: [Errno 27]" in line for line in server.lines)
