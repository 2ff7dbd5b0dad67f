"""Single steps of a small pipeline, on a real metadata store."""

import json
from pathlib import Path

import pytest

from common.errors import InputError, StepFailedError
from common.output_folder import OutputFolder, exclusive, hold, is_locked, shared
from pipeline.running.stepping.files import Beginning
from pipeline.running.stepping.step import open_step_run, run_one_step
from tests.e2e.harness import write_wells
from tests.pipeline.records import Execution, Recorder, provenance
from tests.pipeline.running.stepping.tiny_runs import begin_tiny

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def begin(tmp_path):
    """Begins a run; `how` adds a component that fails."""
    config_path = write_wells(tmp_path, "")
    return lambda run_id, how="": begin_tiny(config_path, tmp_path / "output", run_id, how)


def test_steps_run_one_by_one_and_the_next_run_takes_them_from_the_cache(begin, capfd):
    first = begin("first")
    assert (first.step("Write"), first.step("Copy")) == (0, 0)
    copied = first.executions()["Copy"]
    assert copied.last_known_state == Execution.COMPLETE
    second = begin("second")
    second.step("Write")
    assert second.executions()["Write"].last_known_state == Execution.CACHED
    assert "cached" in capfd.readouterr().out


def test_a_step_does_not_start_before_those_that_it_needs(begin):
    run = begin("first")
    with pytest.raises(InputError, match=r"Copy of run first needs the results of Write, not"):
        run.step("Copy")
    assert run.executions() == {}


def test_a_step_that_has_ended_is_left_as_it_is(begin, capfd):
    run = begin("first")
    run.step("Write")
    run.step("Write")
    assert len(run.store.get_executions()) == 1
    assert "Write has ended before in this run." in capfd.readouterr().out


def test_an_attempt_that_was_killed_is_cancelled_and_repeated_in_its_own_execution(begin):
    run = begin("first", "disk")
    for name in ("Write", "Copy"):
        run.step(name)
    with pytest.raises(StepFailedError, match="disk on fire"):
        run.step("Fail")
    # What SIGKILL leaves: a registered execution without outputs that nobody ends.
    killed = run.executions()["Fail"]
    killed.last_known_state = Execution.RUNNING
    run.store.put_executions([killed])
    with pytest.raises(StepFailedError, match="disk on fire"):
        run.step("Fail")
    assert len(run.store.get_executions()) == 3
    assert run.executions()["Fail"].id == killed.id
    assert run.executions()["Fail"].last_known_state == Execution.FAILED


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [("user", InputError, "column `x` is missing"), ("disk", StepFailedError, "disk on fire")],
)
def test_an_error_is_raised_and_recorded_for_the_end(begin, how, kind, message):
    run = begin("first", how)
    run.step("Write")
    run.step("Copy")
    with pytest.raises(kind, match=message):
        run.step("Fail")
    ending = run.files.read_ending("Fail")
    assert (ending.state, ending.is_input) == ("failed", kind is InputError)
    assert message in str(ending.to_error("Fail"))


def test_one_process_at_a_time_runs_a_step(begin):
    run = begin("first")
    with (
        hold(run.files.lock("Write"), "unused"),
        pytest.raises(InputError, match="Write of run first is running in another process"),
    ):
        run.step("Write")


def test_a_step_in_progress_is_seen_from_outside(begin):
    run = begin("first")
    folder = OutputFolder(run.output)
    with shared(folder), hold(run.files.lock("Write"), "unused"):
        assert is_locked(folder)
    assert not is_locked(folder)


def test_a_run_in_one_process_and_steps_exclude_each_other(begin):
    run = begin("first")
    with (
        exclusive(OutputFolder(run.output)),
        pytest.raises(InputError, match="Another run is writing"),
    ):
        run.step("Write")


def test_an_unknown_step_is_named_with_a_near_one(begin):
    with pytest.raises(InputError, match=r"no step Wirte\. Did you mean Write\?"):
        begin("first").step("Wirte")


def test_a_run_that_has_not_begun_has_no_steps(tmp_path):
    with pytest.raises(InputError, match=r"Run other has not begun .*faultline step begin"):
        run_one_step("Write", "other", tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_a_later_run_stops_the_steps_of_an_earlier_one(begin):
    first = begin("first")
    first.step("Write")
    begin("second")
    with pytest.raises(InputError, match=r"Run second began in .* after run first"):
        first.step("Copy")


def test_runs_of_other_folders_on_the_same_server_are_no_later_runs(begin):
    run = begin("first")
    Recorder(run.store, "theirs", provenance()).step("Trainer")
    assert run.step("Write") == 0


@pytest.mark.parametrize("change", ["config", "code"])
def test_steps_have_the_config_and_the_code_of_the_beginning(begin, change):
    run = begin("first")
    values = json.loads((run.files.root / "run.json").read_text())
    if change == "config":
        path = Path(values["config"])
        path.write_text(path.read_text() + "seed: 5\n")
    else:
        values["code_digest"] = "0" * 64
        run.files.write_beginning(Beginning(**values))
    expected = "wells.yaml" if change == "config" else "Faultline's sources"
    with pytest.raises(InputError, match=f"begun with another version of .*{expected}"):
        open_step_run(OutputFolder(run.output), "first")
