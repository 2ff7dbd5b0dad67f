"""MLflow's store, read back by MLflow itself; in processes of their own, for it keeps state."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import InputError
from pipeline.config import MlflowTracking, Tracking
from pipeline.tracking import mlflow_store
from pipeline.tracking.tracking import check_tracking
from tests.pipeline.tracking.event_files import write_events

# Logs two runs and prints what MLflow has of them; every way out of the machine is closed first.
_PROGRAM = """
import dataclasses, json, os, socket, sys
from pathlib import Path

tried = []

def closed(*arguments, **named):
    tried.append(str(arguments))
    raise OSError("no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = closed

from pipeline.config import MlflowTracking
from pipeline.lineage.runs import RunState
from pipeline.tracking.mlflow_store import log_run, store_uri
from pipeline.tracking.run_record import RunRecord
from tests.pipeline.tracking.test_hparams import OPTIONS, ROW

folder, options = Path(sys.argv[1]), MlflowTracking(store=sys.argv[2])
record = RunRecord(
    row=ROW, hyperparameters=OPTIONS, model_uri="/somewhere/model", log_dir=sys.argv[3]
)
failed = dataclasses.replace(ROW, run_id="run-2", state=RunState.FAILED, stopped_at="Trainer",
    metrics={}, verdict="", version="")
first = log_run(record, options, folder)
log_run(
    dataclasses.replace(record, row=failed, hyperparameters={}, log_dir=""), options, folder
)

from mlflow import MlflowClient
client = MlflowClient(tracking_uri=store_uri(options, folder))
[experiment] = [e for e in client.search_experiments() if e.name == "wells"]
curve = [
    [point.step, point.value] for point in client.get_metric_history(first, "train/epoch_loss")
]
runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
print(json.dumps({run.info.run_name: {
    "status": run.info.status, "start": run.info.start_time, "end": run.info.end_time,
    "params": run.data.params, "metrics": run.data.metrics, "tags": run.data.tags,
} for run in runs} | {"connections": tried, "curve": curve}))
"""


@pytest.fixture(scope="module")
def runs(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow") / "output"
    logs = tmp_path_factory.mktemp("model_run")
    write_events(logs / "train", [(0, "epoch_loss", 0.5), (1, "epoch_loss", 0.25)])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(folder), "mlflow", str(logs)],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == {"mlflow"}
    return json.loads(done.stdout.splitlines()[-1]) | {"logs": str(logs)}


@pytest.mark.e2e
def test_a_run_its_options_and_metrics_are_in_the_store_without_a_network(runs):
    run = runs["run-1"]
    assert run["params"] == {
        "learning_rate": "0.01",
        "batch_size": "32",
        "hidden_units": "[16]",
    }
    assert run["metrics"] == {"pr_auc": 0.75, "recall": 0.5, "train/epoch_loss": 0.25}
    # 2026-11-23 10:15:00 UTC is 1,795,428,900 s after the epoch; the run took 12.5 s.
    assert (run["start"], run["end"]) == (1795428900000, 1795428912500)
    assert run["status"] == "FINISHED"
    assert runs["connections"] == []


@pytest.mark.e2e
def test_the_store_links_to_the_model_the_code_and_the_verdict(runs):
    tags = runs["run-1"]["tags"]
    assert tags["faultline.model"] == "/somewhere/model"
    assert tags["faultline.training_logs"] == runs["logs"]
    assert tags["mlflow.source.git.commit"] == "c0ffee"
    assert (tags["faultline.verdict"], tags["faultline.version"]) == ("BLESSED", "1764000000")


@pytest.mark.e2e
def test_the_training_curves_are_the_metrics_history(runs):
    assert runs["curve"] == [[0, 0.5], [1, 0.25]]


@pytest.mark.e2e
def test_a_failed_run_is_there_too(runs):
    run = runs["run-2"]
    assert (run["status"], run["params"], run["metrics"]) == ("FAILED", {}, {})
    assert run["tags"]["faultline.stopped_at"] == "Trainer"


@pytest.mark.parametrize(
    ("missing", "store", "words"),
    [
        ("mlflow", "mlflow", r"not installed\. .*requirements\.lock mlflow-skinny`"),
        (
            "sqlalchemy",
            "sqlite:///m.db",
            r"not installed\. .*requirements\.lock sqlalchemy alembic`",
        ),
    ],
)
def test_a_missing_package_is_named_before_the_run_begins(missing, store, words, monkeypatch):
    find_spec = mlflow_store.importlib.util.find_spec
    monkeypatch.setattr(
        mlflow_store.importlib.util, "find_spec", lambda n: None if n == missing else find_spec(n)
    )
    with pytest.raises(InputError, match=words):
        check_tracking(Tracking(mlflow=MlflowTracking(store=store)))


def test_nothing_is_needed_where_nothing_is_asked_for(monkeypatch):
    monkeypatch.setattr(mlflow_store.importlib.util, "find_spec", lambda _: None)
    check_tracking(Tracking())


@pytest.mark.parametrize("store", ["http://example.org:5000", "postgresql://u:secret@h/db"])
def test_a_store_of_another_machine_is_refused(store):
    with pytest.raises(ValueError, match="must be a folder of this machine"):
        MlflowTracking(store=store)


def test_relative_stores_lie_in_the_output_folder(tmp_path):
    def uri(store):
        return mlflow_store.store_uri(MlflowTracking(store=store), tmp_path)

    assert uri("mlflow") == f"file://{tmp_path}/mlflow"
    assert uri("/elsewhere") == "file:///elsewhere"
    assert uri("sqlite:///m.db") == f"sqlite:///{tmp_path}/m.db"


@pytest.mark.parametrize(
    ("store", "uri"),
    [
        ("../mlflow", "file:///srv/mlflow"),
        ("/var/mlflow", "file:///var/mlflow"),
        ("sqlite:///../m.db", "sqlite:////srv/m.db"),
    ],
)
def test_a_store_may_be_beside_the_output_folder(store, uri):
    assert mlflow_store.store_uri(MlflowTracking(store=store), Path("/srv/output")) == uri


@pytest.mark.parametrize("store", ["serving", "./artifacts/x", "sqlite:///runs/m.db", "."])
def test_a_store_among_what_runs_write_is_refused(store):
    with pytest.raises(ValueError, match="no folder that runs themselves write"):
        MlflowTracking(store=store)
