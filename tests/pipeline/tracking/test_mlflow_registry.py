"""MLflow's model registry, read back by MLflow itself; in a process of its own, as in the tests of
its store.
"""

import json
import os
import subprocess
import sys

import pytest

# Exports the run that pushed a version, a later run that found it pushed already, and a run that
# pushed nothing; prints the registry.
_PROGRAM = """
import json, socket, sys
from pathlib import Path

tried = []

def closed(*arguments, **named):
    tried.append(str(arguments))
    raise OSError("no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = closed

from common.metadata import open_store, sqlite_connection
from common.output_folder import OutputFolder
from pipeline.config import MlflowTracking
from pipeline.lineage.graph import read_graph
from pipeline.tracking.mlflow_store import MlflowTracker
from tests.pipeline.records import EXAMPLES, REFUSAL, VERDICT, Recorder, provenance

output, store_name = Path(sys.argv[1]), sys.argv[2]
version = output / "serving" / "readings" / "7"
store = open_store(sqlite_connection(output / "runs.db"))
push = {"pushed": 1, "pushed_version": "7", "pushed_destination": str(version)}
for run_id, verdict, pushed in (
    ("run-1", VERDICT, push), ("run-2", VERDICT, push), ("run-3", REFUSAL, {"pushed": 0})
):
    run = Recorder(store, run_id, provenance())
    run.step("ArrowExampleGen", outputs={"examples": ("Examples", EXAMPLES)})
    run.step("ModelGate", outputs={"blessing": ("ModelBlessing", verdict)})
    run.step("Pusher", outputs={"pushed_model": ("PushedModel", pushed)})
graph = read_graph(store)
tracker = MlflowTracker(MlflowTracking(store=store_name))
written = [tracker.export(graph, run, OutputFolder(output)) for run in graph.runs.values()]

import mlflow
from mlflow import MlflowClient

uri = written[0]["mlflow_store"]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
client = MlflowClient(uri, uri)
models = {}
for model in client.search_registered_models():
    for one in client.search_model_versions(f"name = '{model.name}'"):
        name = f"{model.name}/{one.version}"
        signature = mlflow.models.get_model_info(f"models:/{name}").signature
        models[name] = {
            "signature": signature.to_dict(), "tags": one.tags, "run": one.run_id,
            "source": one.source,
        }
print(json.dumps({"written": written, "models": models, "tried": tried}))
"""


def export_and_read(project, output, store):
    """Runs the program on an output folder with a pushed version, in an empty working directory."""
    empty = output / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(output), store],
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer | {"strays": [path.name for path in empty.iterdir()]}


@pytest.fixture(scope="module")
def answer(project, pushed):
    return export_and_read(project, pushed, "mlflow")


@pytest.mark.e2e
def test_a_pushed_version_is_registered_once_without_a_network(answer):
    assert list(answer["models"]) == ["readings/1"]
    first, again, refused = answer["written"]
    assert first["mlflow_model"] == again["mlflow_model"] == "readings/1"
    assert "mlflow_model" not in refused
    assert answer["models"]["readings/1"]["run"] == first["mlflow_run"] != again["mlflow_run"]
    assert answer["tried"] == []
    assert answer["strays"] == []  # such as MLflow's default store


@pytest.mark.e2e
def test_the_registered_version_has_the_signature_of_the_served_model(answer):
    signature = answer["models"]["readings/1"]["signature"]
    inputs = {one["name"]: one["tensor-spec"] for one in json.loads(signature["inputs"])}
    assert inputs["volts"] == {"dtype": "float32", "shape": [-1]}
    assert inputs["wave"] == {"dtype": "float32", "shape": [-1, 3]}
    assert inputs["name"] == {"dtype": "str", "shape": [-1]}
    outputs = {one["name"] for one in json.loads(signature["outputs"])}
    assert {"probability", "decision"} <= outputs


@pytest.mark.e2e
def test_the_registered_version_has_its_lineage_and_the_pushed_folder_is_unchanged(answer, pushed):
    version = pushed / "serving" / "readings" / "7"
    tags = answer["models"]["readings/1"]["tags"]
    assert tags["faultline.pushed"] == "readings/7"
    assert tags["faultline.pushed_path"] == str(version)
    assert tags["faultline.run_id"] == "run-1"
    assert tags["faultline.data_digest"] == "data-digest"
    assert tags["faultline.verdict"] == "BLESSED"
    assert tags["faultline.commit"].startswith("c0ffee")
    assert not (version / "MLmodel").exists()
    assert answer["models"]["readings/1"]["source"] == f"file://{pushed}/mlflow_models/readings/7"
