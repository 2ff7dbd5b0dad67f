"""Trackers that fail: the others still export, and the run is told and goes on."""

import io

import pytest
from rich.console import Console

from common.errors import InputError
from common.guards.redaction import learn_secrets
from common.metadata import open_store, sqlite_connection
from common.output_folder import OutputFolder
from pipeline.config import MlflowTracking, Tracking, WandbTracking
from pipeline.config_loading import load_config
from pipeline.lineage.graph import read_graph
from pipeline.running.console import RunConsole
from pipeline.running.stages.closing import _track
from pipeline.running.stages.place import RunPlace
from pipeline.tracking import mlflow_store, tensorboard, wandb_files
from pipeline.tracking.tracking import check_tracking, export_run, make_trackers
from tests.e2e.harness import CONFIG
from tests.pipeline.records import Recorder, provenance

ALL = Tracking(mlflow=MlflowTracking(), wandb=WandbTracking(), tensorboard=True)
_YAML = "tracking: {mlflow: {}, wandb: {}, tensorboard: true}\n"
_EXPORTS = {
    "mlflow": (mlflow_store, "log_run", "MLflow"),
    "wandb": (wandb_files, "log_run", "Weights & Biases"),
    "tensorboard": (tensorboard, "write_logdir", "TensorBoard"),
}


class DiskError(OSError):
    """An error that no other code raises."""


@pytest.fixture
def folder(tmp_path):
    """An output folder with a recorded run `run-1`."""
    (tmp_path / "output").mkdir()
    store = open_store(sqlite_connection(tmp_path / "output" / "metadata.db"))
    Recorder(store, "run-1", provenance()).step("StatisticsGen")
    return OutputFolder(tmp_path / "output")


@pytest.fixture
def exported(monkeypatch):
    """The trackers that were asked to export; none of them writes anything."""
    keys = []

    def writer(key):
        def write(*arguments):
            keys.append(key)
            return key

        return write

    for key, (module, name, _) in _EXPORTS.items():
        monkeypatch.setattr(module, name, writer(key))
    return keys


def _graph(folder):
    return read_graph(open_store(sqlite_connection(folder.root / "metadata.db")))


def _break(key, error, monkeypatch):
    def fail(*arguments):
        raise error

    module, name, _ = _EXPORTS[key]
    monkeypatch.setattr(module, name, fail)


@pytest.mark.parametrize("key", _EXPORTS)
@pytest.mark.parametrize("error", [DiskError("no space\nin /somewhere"), SystemExit(1)])
def test_after_a_tracker_that_fails_the_others_export(key, error, folder, exported, monkeypatch):
    _break(key, error, monkeypatch)
    exports = export_run("run-1", make_trackers(ALL), lambda: _graph(folder), folder)
    assert set(exported) == _EXPORTS.keys() - {key}
    [failure] = exports.failures
    assert failure.title == _EXPORTS[key][2]
    expected = "no space" if isinstance(error, DiskError) else "1"
    assert exports.to_json()[f"{key}_error"] == failure.reason == expected
    assert [name for name in exports.to_json() if name.endswith("_error")] == [f"{key}_error"]


@pytest.mark.parametrize("key", _EXPORTS)
def test_the_run_says_which_tracker_failed_and_why(key, folder, exported, monkeypatch, capsys):
    _break(key, DiskError("no space [left]"), monkeypatch)
    path = folder.root.parent / "wells.yaml"
    path.write_text(CONFIG + _YAML, encoding="utf-8")
    place = RunPlace(config=load_config(path), config_path=path, folder=folder, run_id="run-1")
    shown = io.StringIO()
    tracking = _track(place, RunConsole(Console(file=shown, width=200)))
    line = f"! Tracking by {_EXPORTS[key][2]} failed: no space [left]. The run is unaffected."
    assert shown.getvalue().splitlines() == [line]
    assert tracking[f"{key}_error"] == "no space [left]"
    # The traceback goes to standard error, which is the run's log during a run.
    assert "DiskError: no space [left]" in capsys.readouterr().err


def test_metadata_that_cannot_be_read_fails_every_tracker_and_not_the_run(folder, exported):
    def read():
        raise DiskError("metadata.db is gone")

    exports = export_run("run-1", make_trackers(ALL), read, folder)
    assert [failure.reason for failure in exports.failures] == ["metadata.db is gone"] * 3
    assert exported == []


def test_a_run_without_a_record_is_not_exported(folder, exported):
    exports = export_run("run-2", make_trackers(ALL), lambda: _graph(folder), folder)
    assert (exports.to_json(), exported) == ({}, [])


def test_an_error_without_a_text_is_named_and_a_secret_in_one_is_hidden(
    folder, exported, monkeypatch
):
    learn_secrets(["--password=PLANTED-secret"])
    _break("wandb", DiskError("login PLANTED-secret refused"), monkeypatch)
    _break("mlflow", DiskError(), monkeypatch)
    exports = export_run("run-1", make_trackers(ALL), lambda: _graph(folder), folder)
    reasons = {failure.key: failure.reason for failure in exports.failures}
    assert reasons["mlflow"] == "DiskError"
    assert "PLANTED" not in reasons["wandb"]


def test_tensorboards_tracker_writes_the_log_folder_of_all_runs(folder):
    trackers = make_trackers(Tracking(tensorboard=True))
    exports = export_run("run-1", trackers, lambda: _graph(folder), folder)
    assert exports.to_json() == {"tensorboard": str(folder.tensorboard)}
    assert list(folder.tensorboard.glob("events.out.tfevents.*"))


def test_a_missing_client_of_wandb_is_named_before_the_run_begins(monkeypatch):
    monkeypatch.setattr(wandb_files.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"tracking\.wandb needs .* requirements\.lock wandb`"):
        check_tracking(Tracking(wandb=WandbTracking()))


def test_a_project_name_that_wandb_refuses_is_an_error_of_the_config():
    with pytest.raises(ValueError, match="project"):
        WandbTracking(project="a/b")
