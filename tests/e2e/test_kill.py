"""Runs that are killed or stopped, and the runs after them."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import PROJECT, Done, Faultline, wells_csv, write_wells

pytestmark = pytest.mark.e2e

_DEADLINE_S = 200
# A step's first sign of life in its output folder. TensorBoard's file comes with the first epoch.
_TRANSFORM_AT_WORK = "artifacts/wells/Transform/transform_graph/*"
_TRAINER_AT_WORK = "artifacts/wells/Trainer/model_run/*/**/events.out*"
_EVALUATOR_AT_WORK = "artifacts/wells/Evaluator/evaluation/*"


@dataclass(frozen=True)
class Ordeal:
    """A run that was stopped in its midst.

    Attributes:
        done: Its exit code, negative for a signal, and what it said.
        versions: Versions that were pushed by then.
    """

    done: Done
    versions: list[Path]


def _stop_when(faultline: Faultline, pattern: str, stop: Callable[[int], None]) -> Ordeal:
    """Starts a run and stops it as soon as `pattern` matches something new in the output."""
    known = set(faultline.output.glob(pattern))
    process = faultline.start("run", "--config", "wells.yaml")
    deadline = time.monotonic() + _DEADLINE_S
    try:
        while not set(faultline.output.glob(pattern)) - known:
            assert process.poll() is None, faultline.last_log()
            assert time.monotonic() < deadline, faultline.last_log()
            time.sleep(0.02)
        stop(process.pid)
        out, err = process.communicate(timeout=_DEADLINE_S)
    finally:
        process.kill()
    return Ordeal(Done(process.returncode, out, err), faultline.versions())


def _kill_9(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)


def _ctrl_c(pid: int) -> None:
    """A terminal sends the signal to the whole group."""
    os.killpg(pid, signal.SIGINT)


# Each run comes after the one that it asks for, in one output folder.


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("wells") / "work")
    write_wells(faultline.cwd, wells_csv())
    return faultline


@pytest.fixture(scope="module")
def killed_in_transform(faultline) -> Ordeal:
    return _stop_when(faultline, _TRANSFORM_AT_WORK, _kill_9)


@pytest.fixture(scope="module")
def killed_in_trainer(faultline, killed_in_transform) -> Ordeal:
    return _stop_when(faultline, _TRAINER_AT_WORK, _kill_9)


@pytest.fixture(scope="module")
def interrupted(faultline, killed_in_trainer) -> Ordeal:
    return _stop_when(faultline, _EVALUATOR_AT_WORK, _ctrl_c)


@pytest.fixture(scope="module")
def completed(faultline, interrupted) -> dict[str, object]:
    done = faultline("run", "--config", "wells.yaml", "--json")
    assert done.code == 0, done.err + faultline.last_log()
    return json.loads(done.out)


@pytest.fixture(scope="module")
def states(faultline, completed) -> list[tuple[str, str]]:
    """State of each run and the step at which it stopped, the oldest first."""
    rows = json.loads(faultline("runs", "--json").out)
    return [(row["state"], row["stopped_at"]) for row in reversed(rows)]


def test_kill_9_takes_the_run_down_and_nothing_is_pushed(killed_in_transform, killed_in_trainer):
    for ordeal in (killed_in_transform, killed_in_trainer):
        assert ordeal.done.code == -signal.SIGKILL
        assert ordeal.versions == []


def test_the_run_after_a_kill_gets_past_the_killed_step(killed_in_trainer, interrupted):
    # Transform, killed half way, ran again whole; what came before it was not done twice.
    lines = dict(line.split()[1:3] for line in killed_in_trainer.done.out.splitlines()[2:])
    assert lines["ArrowExampleGen"] == lines["AnomalyGate"] == "cached"
    assert lines["Transform"] == "ran"
    lines = dict(line.split()[1:3] for line in interrupted.done.out.splitlines()[2:])
    assert lines["Transform"] == "cached"
    assert lines["Trainer"] == "ran"


def test_ctrl_c_says_stopped_with_exit_code_130_and_no_traceback(interrupted):
    assert interrupted.done.code == 130
    assert interrupted.done.err.splitlines()[-1] == "Stopped."
    assert "Traceback" not in interrupted.done.out + interrupted.done.err
    assert interrupted.versions == []


def test_the_next_run_completes_and_its_model_loads(faultline, completed):
    from models.exporting.export import SERVING_DEFAULT, load_in_session

    steps = {step["name"]: step["state"] for step in completed["steps"]}
    assert steps["Trainer"] == "cached"
    assert steps["Evaluator"] == steps["Pusher"] == "ran"
    [version] = faultline.versions()
    ask = load_in_session(version, SERVING_DEFAULT)
    answer = ask({"pressure": [260.0, 140.0], "temperature": [365.0, 335.0], "maker": ["c", "a"]})
    # Far on the side of trouble, and far on the other.
    assert answer["decision"].ravel().tolist() == [1, 0]


def test_runs_tells_where_each_run_was_stopped(states):
    assert states == [
        ("interrupted", "Transform"),
        ("interrupted", "Trainer"),
        ("interrupted", "Evaluator"),
        ("complete", ""),
    ]
