"""The end of a run in separate steps."""

import json

import pytest

from common.errors import InputError, StepFailedError
from pipeline.running.stepping.end import end_run
from pipeline.running.stepping.files import BEGIN, Ending
from tests.e2e.harness import write_wells
from tests.pipeline.records import Execution
from tests.pipeline.running.stepping.tiny_runs import begin_tiny

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def begin(tmp_path):
    """Begins a run; `how` adds a component that fails."""
    config_path = write_wells(tmp_path, "")
    return lambda run_id, how="": begin_tiny(config_path, tmp_path / "output", run_id, how)


def _summary(run):
    return json.loads((run.files.run_folder / "summary.json").read_text())


def test_the_end_sums_up_all_steps_and_may_be_repeated(begin, capfd):
    run = begin("first")
    run.step("Write")
    run.step("Copy")
    # Without a gate there is no blessed model: 3, as of `faultline run`.
    assert end_run("first", run.output) == 3
    summary = _summary(run)
    assert summary["state"] == "complete"
    assert [(step["name"], step["state"]) for step in summary["steps"]] == [
        ("Write", "ran"),
        ("Copy", "ran"),
    ]
    assert all(step["duration_s"] > 0 for step in summary["steps"])
    assert summary["log"].endswith("runs/first/steps")
    assert end_run("first", run.output) == 3
    assert _summary(run) == summary
    assert "Copy" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [("user", InputError, "column `x` is missing"), ("disk", StepFailedError, "disk on fire")],
)
def test_the_end_of_a_run_that_a_step_stopped_says_so_once_more(begin, how, kind, message):
    run = begin("first", how)
    run.step("Write")
    run.step("Copy")
    with pytest.raises(kind):
        run.step("Fail")
    with pytest.raises(kind, match=message):
        end_run("first", run.output)
    summary = _summary(run)
    assert summary["state"] == "failed"
    assert message in summary["error"]
    assert [step["state"] for step in summary["steps"]] == ["ran", "ran", "failed"]


def test_the_end_names_steps_that_have_not_run(begin):
    run = begin("first")
    run.step("Write")
    with pytest.raises(StepFailedError, match=r"These steps have not run: Copy\."):
        end_run("first", run.output)


def test_the_end_names_a_step_that_was_killed_and_cancels_it(begin):
    run = begin("first", "disk")
    run.step("Write")
    run.step("Copy")
    with pytest.raises(StepFailedError):
        run.step("Fail")
    killed = run.executions()["Fail"]
    killed.last_known_state = Execution.RUNNING
    run.store.put_executions([killed])
    run.files.forget_ending("Fail")
    with pytest.raises(StepFailedError, match=r"Fail was killed\. Run it again"):
        end_run("first", run.output)
    assert run.executions()["Fail"].last_known_state == Execution.CANCELED


def test_the_end_tells_what_stopped_the_beginning(begin):
    run = begin("first")
    run.files.pipeline.unlink()
    run.files.write_ending(
        BEGIN, Ending(state="failed", duration_s=1.0, error="Span 7 has drifted", is_input=True)
    )
    with pytest.raises(InputError, match="Span 7 has drifted"):
        end_run("first", run.output)
    assert _summary(run)["state"] == "failed"
