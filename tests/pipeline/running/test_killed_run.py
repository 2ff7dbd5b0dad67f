import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.metadata import close_abandoned, open_store, sqlite_connection
from pipeline.lineage import RunState, list_runs

PROJECT = Path(__file__).resolve().parents[3]


def _kill_in_the_second_step(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.pipeline.running.blocking_component",
        str(folder),
        "killed",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not (folder / "marker").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()


@pytest.mark.e2e
def test_after_kill_9_the_run_shows_as_interrupted_and_the_next_one_is_whole(tmp_path):
    _kill_in_the_second_step(tmp_path)
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))
    assert close_abandoned(store) == 1

    from tests.pipeline.running.blocking_component import run

    # What was done before the kill is not done again; the half-written output is nobody's input.
    assert run(tmp_path, "next") == [("Write", "cached"), ("HangOnce", "ran")]
    assert run(tmp_path, "third") == [("Write", "cached"), ("HangOnce", "cached")]
    [copy] = [a for a in store.get_artifacts_by_type("String") if "HangOnce" in a.uri]
    assert Path(copy.uri).read_text() == "whole"
    killed = list_runs(store, may_be_running=True)[-1]
    assert (killed.run_id, killed.state, killed.stopped_at) == (
        "killed",
        RunState.INTERRUPTED,
        "HangOnce",
    )
