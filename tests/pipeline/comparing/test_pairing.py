import dataclasses
import json
from pathlib import Path

import pytest

from common.metadata import open_store, sqlite_connection
from models.features import Numeric
from models.model_spec import ModelSpec
from models.probabilities.cost import Cost
from models.train_options import TrainOptions
from pipeline.comparing.pairing import CannotPairError, find_pair
from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.config import Config, Data, Label, Split
from pipeline.lineage.graph import read_graph
from pipeline.lineage.provenance import stamp_config
from tests.pipeline.records import Recorder, provenance

CONFIG = Config(
    name="wells",
    label=Label(column="faulty"),
    data=Data(path="wells.csv"),
    features={"x": Numeric()},
)


def _parameters(label="faulty"):
    spec = ModelSpec(label=label, features={"x": Numeric()}, train=TrainOptions())
    return {"custom_config": json.dumps({"model_spec": spec.to_json()})}


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Records a run whose artifacts lie in a folder of its own, with these test examples."""
    monkeypatch.chdir(tmp_path)
    store = open_store(sqlite_connection(tmp_path / "metadata.db"))

    def recorded(run_id, content=b"rows", *, label="faulty", trained=True, config=None):
        run = Recorder(store, run_id, provenance())
        if config:
            stamp_config(store, run_id, config)
        run.step(f"Gen-{run_id}", outputs={"examples": ("Examples", {})})
        if trained:
            outputs = {"model": ("Model", {})}
            # The recorder puts artifacts where their step's name says.
            run.step("Trainer", outputs=outputs, parameters=_parameters(label))
        split = Path(f"artifacts/Gen-{run_id}/Split-test")
        split.mkdir(parents=True)
        (split / "examples.gz").write_bytes(content)
        model = Path("artifacts/Trainer/Format-Serving")
        model.mkdir(parents=True, exist_ok=True)
        (model / "saved_model.pb").touch()

    def pair():
        graph = read_graph(store)
        return find_pair(graph, *graph.runs.values())

    return recorded, pair


def test_test_splits_of_the_same_bytes_are_the_same_examples(record):
    recorded, pair = record
    recorded("run-1")
    recorded("run-2")
    found = pair()
    assert found.files == [Path("artifacts/Gen-run-2/Split-test/examples.gz")]
    assert found.label == "faulty"
    assert found.first == found.second == Path("artifacts/Trainer/Format-Serving")


def test_prices_and_groups_are_those_of_the_second_run(record):
    recorded, pair = record
    recorded("run-1", config=CONFIG)
    split, cost = Split(strategy="group", column="well"), Cost(missed_fault=9, false_alarm=1)
    recorded("run-2", config=dataclasses.replace(CONFIG, split=split, cost=cost))
    options = pair().options
    assert options["group"] == "well"
    assert options["cost"]["missed_fault"] == 9
    assert MeasureOptions.from_json(json.dumps(options)).cost == cost


def test_prices_that_only_the_first_run_has_count_too(record):
    recorded, pair = record
    recorded("run-1", config=dataclasses.replace(CONFIG, cost=Cost(missed_fault=9, false_alarm=1)))
    recorded("run-2", config=CONFIG)
    assert pair().options["cost"]["missed_fault"] == 9


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"content": b"other rows"}, "their test splits are different examples"),
        ({"label": "broken"}, "their labels differ: faulty and broken"),
        ({"trained": False}, "run run-2 has no model"),
    ],
)
def test_what_cannot_be_paired_is_told_with_its_reason(record, second, words):
    recorded, pair = record
    recorded("run-1")
    recorded("run-2", **second)
    with pytest.raises(CannotPairError, match=words):
        pair()


def test_examples_that_were_deleted_are_told(record):
    recorded, pair = record
    recorded("run-1")
    recorded("run-2")
    Path("artifacts/Gen-run-2/Split-test/examples.gz").unlink()
    Path("artifacts/Gen-run-2/Split-test").rmdir()
    with pytest.raises(CannotPairError, match="test examples of run run-2 are no longer in"):
        pair()
