"""The files of Weights & Biases, written by its real client and read back by its own reader."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.config import WandbTracking
from pipeline.tracking.run_record import RunRecord
from pipeline.tracking.wandb_files import log_run
from tests.ecosystem.wandb_records import read_records
from tests.pipeline.tracking.event_files import write_events
from tests.pipeline.tracking.test_hparams import ROW

pytestmark = pytest.mark.ecosystem
pytest.importorskip("wandb", reason="Weights & Biases is not installed: make ecosystem-tools")

# Exports a complete and a failed run; every way out of the machine is closed first. The command
# line holds a secret, as those of engines do.
_PROGRAM = """
import dataclasses, json, socket, sys
from pathlib import Path

tried = []

def closed(*arguments, **named):
    tried.append(str(arguments))
    raise OSError("no network")

connect = socket.socket.connect
def connect_locally(self, address):
    return connect(self, address) if self.family == socket.AF_UNIX else closed(address)

socket.socket.connect = connect_locally
socket.getaddrinfo = closed

from pipeline.config import WandbTracking
from pipeline.lineage.runs import RunState
from pipeline.tracking.run_record import RunRecord
from pipeline.tracking.wandb_files import log_run
from tests.pipeline.tracking.test_hparams import OPTIONS, ROW

record = RunRecord(
    row=ROW, hyperparameters=OPTIONS, model_uri="/somewhere/model", log_dir=sys.argv[2]
)
failed = dataclasses.replace(ROW, run_id="run-2", state=RunState.FAILED, metrics={}, verdict="")
output = Path(sys.argv[1])
folders = [
    log_run(record, WandbTracking(project="pumps"), output),
    log_run(dataclasses.replace(record, row=failed, hyperparameters={}), WandbTracking(), output),
]
print(json.dumps({"folders": [str(folder) for folder in folders], "tried": tried}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def answer(project, home, tmp_path_factory):
    output = tmp_path_factory.mktemp("wandb") / "output"
    output.mkdir()
    logs = tmp_path_factory.mktemp("model_run")
    write_events(logs / "train", [(0, "epoch_loss", 0.5), (1, "epoch_loss", 0.25)])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(output), str(logs), "--password=PLANTED"],
        cwd=project,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]) | {"output": output}


def _values(items):
    return {
        item.key or ".".join(item.nested_key): json.loads(item.value_json)
        for part in items
        for item in part.update
    }


@pytest.fixture(scope="module")
def runs(answer):
    return [read_records(next(Path(one).glob("*.wandb"))) for one in answer["folders"]]


def test_a_run_its_options_and_its_lineage_are_in_the_file(runs):
    run = runs[0]["run"][0]
    assert (run.run_id, run.display_name, run.project) == ("run-1", "run-1", "pumps")
    assert list(run.tags) == ["BLESSED"]
    config = _values([run.config])
    assert config["learning_rate"] == 0.01
    assert config["hidden_units"] == "[16]"
    assert config["lineage"]["commit"] == "c0ffee"
    assert config["lineage"]["version"] == "1764000000"
    assert config["lineage"]["model"] == "/somewhere/model"


def test_the_metrics_on_the_test_split_are_the_summary(runs):
    summary = _values(runs[0]["summary"])
    assert summary["pr_auc"] == 0.75
    assert summary["recall"] == 0.5
    assert summary["state"] == "complete"


def test_the_training_curves_are_the_history(runs):
    points = [
        {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in part.item}
        for part in runs[0]["history"]
    ]
    curve = [(point["_step"], point["train/epoch_loss"]) for point in points]
    assert curve == [(0, 0.5), (1, 0.25)]


def test_a_failed_run_is_there_too_in_the_project_of_its_use_case(runs):
    run = runs[1]["run"][0]
    assert (run.run_id, run.project, list(run.tags)) == ("run-2", "wells", [])
    assert runs[1]["exit"][0].exit_code == 1
    assert runs[0]["exit"][0].exit_code == 0


def test_nothing_left_the_machine_or_went_to_the_home_folder(answer, home):
    assert answer["tried"] == []
    assert list(home.iterdir()) == []
    assert {path.name for path in answer["output"].iterdir()} == {"wandb"}


def test_the_command_line_and_its_secret_are_in_none_of_the_files(answer):
    files = [path for path in answer["output"].rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"PLANTED" in path.read_bytes()] == []


def test_a_folder_that_cannot_be_written_is_a_failure_and_not_another_folder(tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "wandb").touch()  # a file where the client wants its folder
    record = RunRecord(row=ROW, hyperparameters={}, model_uri="", log_dir="")
    with pytest.raises(OSError, match=r"File exists: .*output/wandb"):
        log_run(record, WandbTracking(), tmp_path / "output")
