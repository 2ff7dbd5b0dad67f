"""Flink goes away in the middle of a step: the run says so and later goes on from there."""

import sqlite3
import time
from contextlib import ExitStack

import pytest

from common.processes import free_ports
from engines.flink import flink_job_server
from engines.java import missing_programs
from tests.e2e.harness import PROJECT, Faultline

pytestmark = [pytest.mark.e2e, pytest.mark.engines]

_START_S, _STOP_S = 120, 40
_COMPLETE = 3  # ML Metadata's Execution.State


def test_a_lost_engine_stops_the_step_and_the_run_goes_on_from_there(tmp_path):
    if missing := missing_programs():
        pytest.skip(f"no Flink without {' and '.join(missing)}")
    faultline = Faultline(PROJECT, tmp_path / "work")
    [port] = free_ports(1)
    command = ("--config", str(PROJECT / "configs" / "signals.yaml"), "--engine", "flink")
    command += (f"--job_endpoint=localhost:{port}", "--parallelism=2")

    with ExitStack() as engine:
        engine.enter_context(flink_job_server(port=port))
        process = faultline.start(*command, program="beam_runner.py")
        try:
            wait_for_transform(faultline, process)
            engine.close()
            lost = time.monotonic()
            out, err = process.communicate(timeout=_STOP_S)
        finally:
            process.kill()

    assert process.returncode == 1, out + err
    assert time.monotonic() - lost < _STOP_S
    assert "Traceback" not in out + err
    said = [line for line in (out + err).splitlines() if "Transform" in line]
    assert any("failed" in line for line in said), out + err
    assert "run.log" in out + err
    assert complete_executions(faultline, "Transform") == 0
    assert not list((faultline.output / "artifacts/signals/Transform").glob("transform_graph/*/*"))
    assert not faultline.versions("signals")

    with flink_job_server(port=port):
        done = faultline(*command, program="beam_runner.py")

    assert done.code == 0, done.out + done.err + faultline.last_log()
    [ingested] = [line for line in done.out.splitlines() if "ArrowExampleGen" in line]
    assert "cached" in ingested.lower()
    assert complete_executions(faultline, "Transform") == 1
    assert len(faultline.versions("signals")) == 1


def wait_for_transform(faultline, process):
    """Waits until Transform has written its first files, which is in the middle of its job."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if list(
            (faultline.output / "artifacts/signals/Transform").glob("transform_graph/*/.temp*")
        ):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    pytest.fail("Transform did not start")


def complete_executions(faultline, step):
    """Returns how many executions of a step ML Metadata knows as complete."""
    query = (
        "SELECT COUNT(*) FROM Execution e JOIN Type t ON e.type_id = t.id "
        "WHERE t.name LIKE ? AND e.last_known_state = ?"
    )
    with sqlite3.connect(faultline.output / "metadata.db") as connection:
        [(count,)] = connection.execute(query, (f"%{step}%", _COMPLETE))
    return int(count)
