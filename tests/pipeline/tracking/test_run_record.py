import json

import pytest

from common.metadata import open_store, sqlite_connection
from models.features import Numeric
from models.model_spec import ModelSpec
from models.train_options import TrainOptions
from pipeline.lineage.graph import read_graph
from pipeline.tracking.run_record import flatten, run_records
from tests.pipeline.records import Execution, Recorder, provenance

SPEC = ModelSpec(
    label="faulty", features={"x": Numeric()}, train=TrainOptions(hidden_units=(8, 4)), seed=7
)
PARAMETERS = {"custom_config": json.dumps({"model_spec": SPEC.to_json(), "code_digest": "d"})}
OUTPUTS = {"model": ("Model", {}), "model_run": ("ModelRun", {})}


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


def test_a_run_tells_what_its_network_was_trained_with(store):
    Recorder(store, "run-1", provenance()).step("Trainer", outputs=OUTPUTS, parameters=PARAMETERS)
    [record] = run_records(read_graph(store))
    assert record.row.run_id == "run-1"
    assert record.hyperparameters["hidden_units"] == "[8, 4]"
    assert record.hyperparameters["learning_rate"] == 0.001
    assert record.hyperparameters["seed"] == 7
    assert record.model_uri == record.log_dir == "artifacts/Trainer"


def test_what_the_tuner_found_counts_and_its_own_notes_do_not(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "artifacts" / "Tuner"  # where the recorder says that artifacts lie
    folder.mkdir(parents=True)
    values = {"learning_rate": 0.05, "hidden_units": "[16]", "tuner/epochs": 2}
    (folder / "best_hyperparameters.txt").write_text(json.dumps({"space": [], "values": values}))
    run = Recorder(store, "run-1", provenance())
    tuner = run.step("Tuner", outputs={"best_hyperparameters": ("HyperParameters", {})})
    run.step(
        "Trainer",
        inputs={"hyperparameters": tuner["best_hyperparameters"]},
        outputs=OUTPUTS,
        parameters=PARAMETERS,
    )
    [record] = run_records(read_graph(store))
    found = record.hyperparameters
    assert (found["learning_rate"], found["hidden_units"]) == (0.05, "[16]")
    assert found["dropout"] == 0.2
    assert not [name for name in found if name.startswith("tuner/")]


def test_a_run_that_trained_nothing_has_no_options(store):
    run = Recorder(store, "run-1", provenance())
    run.step("Trainer", state=Execution.FAILED, parameters=PARAMETERS)
    [record] = run_records(read_graph(store))
    assert (record.hyperparameters, record.model_uri, record.log_dir) == ({}, "", "")


def test_nested_options_get_dotted_names_and_lists_become_text():
    values = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None, "f": True}
    assert dict(flatten(values)) == {"a.b": 1, "a.c.d": "[1, 2]", "e": "none", "f": True}
