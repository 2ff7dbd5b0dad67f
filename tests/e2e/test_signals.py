"""Runs that are asked to stop by each signal, in steps of every kind."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import PROJECT, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_DEADLINE_S = 120
# A step's first sign of life; all but the Trainer run on Beam.
_AT_WORK = {
    "ArrowExampleGen": "artifacts/wells/ArrowExampleGen/examples/*",
    "StatisticsGen": "artifacts/wells/StatisticsGen/statistics/*",
    "Transform": "artifacts/wells/Transform/transform_graph/*",
    "Trainer": "artifacts/wells/Trainer/model_run/*/**/events.out*",
    "Evaluator": "artifacts/wells/Evaluator/evaluation/*",
}


@dataclass(frozen=True)
class Stop:
    """A run that was stopped.

    Attributes:
        code: Its exit code.
        err: Its standard error.
        out: Its standard output.
        summary: Its `summary.json`.
        num_versions: Versions that were pushed by then.
    """

    code: int
    err: str
    out: str
    summary: dict[str, object]
    num_versions: int


def _stop(faultline: Faultline, step: str, number: int, *, delay_s: float = 0.0) -> Stop:
    pattern = _AT_WORK[step]
    before = set(faultline.output.glob(pattern))
    process = faultline.start("run", "--config", "wells.yaml")
    deadline = time.monotonic() + _DEADLINE_S
    try:
        while not set(faultline.output.glob(pattern)) - before:
            assert process.poll() is None, faultline.last_log()
            assert time.monotonic() < deadline, faultline.last_log()
            time.sleep(0.01)
        time.sleep(delay_s)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=_DEADLINE_S)
    finally:
        process.kill()
    newest = max((faultline.output / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    summary = json.loads((newest / "summary.json").read_text())
    return Stop(process.returncode, err, out, summary, len(faultline.versions()))


@pytest.fixture(autouse=True)
def _signals_end_processes():
    """Runs do not inherit an ignored SIGHUP, which tests under `nohup` have."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("signals") / "work")
    write_wells(faultline.cwd, wells_csv())
    return faultline


# Each run goes on where the one before it was stopped.
@pytest.mark.parametrize(
    ("step", "number", "delay_s"),
    [
        ("ArrowExampleGen", signal.SIGTERM, 0.0),
        ("StatisticsGen", signal.SIGINT, 0.0),
        ("StatisticsGen", signal.SIGHUP, 0.1),
        ("Transform", signal.SIGINT, 0.5),
        ("Transform", signal.SIGINT, 1.5),
        ("Trainer", signal.SIGTERM, 0.0),
        ("Evaluator", signal.SIGINT, 0.2),
    ],
)
def test_a_signal_ends_a_run_in_order_and_nothing_is_pushed(faultline, step, number, delay_s):
    stop = _stop(faultline, step, number, delay_s=delay_s)
    assert stop.code == 128 + number, stop.err + faultline.last_log()
    words = {signal.SIGINT: "Stopped.", signal.SIGTERM: "Stopped by SIGTERM."}
    assert stop.err.splitlines()[-1] == words.get(number, "Stopped by SIGHUP.")
    assert "Traceback" not in stop.out + stop.err
    assert stop.summary["state"] == "interrupted"
    assert stop.num_versions == 0
    lines = dict(line.split()[1:3] for line in stop.out.splitlines()[2:] if len(line.split()) > 2)
    assert "interrupted" in lines.values()


def test_a_signal_while_libraries_are_imported_ends_a_run_in_order(faultline):
    process = faultline.start("run", "--config", "wells.yaml")
    try:
        time.sleep(2.5)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=_DEADLINE_S)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "Stopped."


def test_the_next_run_completes(faultline):
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 0, done.err + faultline.last_log()
    assert len(faultline.versions()) == 1


def test_a_signal_that_a_run_was_started_to_ignore_is_ignored(tmp_path):
    faultline = Faultline(PROJECT, tmp_path / "work")
    write_wells(faultline.cwd, wells_csv())
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
    try:
        process = faultline.start("run", "--config", "missing.yaml")
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        os.killpg(process.pid, signal.SIGHUP)
        process.communicate(timeout=_DEADLINE_S)
    finally:
        process.kill()
    assert process.returncode == 2  # no such file; the signal did nothing


def test_paths_of_the_steps_are_those_of_a_run(faultline):
    for pattern in _AT_WORK.values():
        assert list(Path(faultline.output).glob(pattern))
