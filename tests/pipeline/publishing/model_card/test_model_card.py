"""The card of a pushed version: its content, its limits, its files and its record."""

import json
import math
from dataclasses import dataclass, field

import jsonschema
import pytest
from ml_metadata.metadata_store import MetadataStore

from common.metadata import sqlite_connection
from pipeline.lineage.graph import read_graph
from pipeline.publishing.model_card import artifact
from pipeline.publishing.model_card.content import Measured, card_content
from pipeline.publishing.model_card.limits import limits_of
from pipeline.publishing.publish import publish_run
from tests.pipeline.records import Recorder, provenance, record_data_steps, record_model_steps

HOSTILE = "<script>alert(1)</script>"
OVERALL = {
    "num_examples": 200.0,
    "true_positives": 9.0,
    "false_negatives": 3.0,
    "recall": 0.75,
    "pr_auc": 0.81,
    "roc_auc": math.nan,
}


@dataclass
class Figures:
    """What the Evaluator measured, without the import of TensorFlow."""

    overall: dict = field(default_factory=lambda: dict(OVERALL))
    slices: dict = field(default_factory=dict)
    intervals: dict = field(default_factory=dict)


SLICES = {
    (("site", "north"),): {"num_examples": 150.0, "true_positives": 8.0, "false_negatives": 3.0},
    (("site", "south"),): {"num_examples": 50.0, "true_positives": 1.0, "false_negatives": 0.0},
}
FIGURES = Figures(slices=SLICES, intervals={(): {"recall": (0.43, 0.95)}})


@pytest.fixture
def store(tmp_path):
    return MetadataStore(sqlite_connection(tmp_path / "metadata.db"))


def record(store, tmp_path, run_id="r1", *, config=None, pushes=True):
    """Records a run that pushed version 100; returns the graph and the run."""
    recorder = Recorder(store, run_id, provenance())
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    context.custom_properties["config"].string_value = json.dumps(config or {})
    store.put_contexts([context])
    serving = tmp_path / "serving" / "wells" if pushes else None
    record_model_steps(
        recorder, record_data_steps(recorder), serving=serving, version="100" if pushes else ""
    )
    return reread(store, run_id)


def reread(store, run_id):
    graph = read_graph(store)
    return graph, graph.runs[run_id]


def test_a_card_has_the_form_of_its_schema(store, tmp_path, project):
    graph, run = record(store, tmp_path, config={"card": {"purpose": "Find leaks."}})
    card = card_content(graph, run, Measured(test=FIGURES, crossed=Figures()))
    schema = json.loads((project / "docs" / "model_card.schema.json").read_text())
    jsonschema.validate(card, schema)
    assert card["use"]["purpose"] == "Find leaks."
    assert card["model"]["version"] == "100"
    assert card["lineage"]["provenance"]["lock_digest"] == "lock-digest"
    assert card["data"]["sources"][0]["folder"] == "data"


def test_figures_have_their_intervals_and_what_is_undefined_is_null(store, tmp_path):
    graph, run = record(store, tmp_path)
    test = card_content(graph, run, Measured(test=FIGURES))["evaluation"]["test"]
    assert (test["examples"], test["positives"]) == (200, 12)
    assert test["metrics"]["recall"] == {"value": 0.75, "interval": [0.43, 0.95]}
    assert test["metrics"]["roc_auc"] == {"value": None, "interval": None}


def test_small_slices_are_named_as_limits(store, tmp_path):
    graph, run = record(store, tmp_path)
    limits = limits_of(graph, run, FIGURES)
    assert limits[0] == "All figures on the test split rest on 12 faults among 200 examples."
    assert limits[1] == (
        "Little is shown for 1 slice with fewer than 10 faults in the test split: site = south (1)."
    )


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({}, "drawn at random"),
        ({"strategy": "group", "column": "pump"}, "other values of `pump`"),
        ({"strategy": "time", "column": "when"}, "later than training"),
        ({"strategy": "blocks"}, "other blocks of neighbouring rows"),
    ],
)
def test_what_a_split_does_not_show_is_a_limit(split, words, store, tmp_path):
    graph, run = record(store, tmp_path, config={"split": split})
    assert any(words in limit for limit in limits_of(graph, run, FIGURES))


def test_drift_warnings_errors_and_open_reasons_are_limits(store, tmp_path):
    recorder = Recorder(store, "r2", provenance())
    facts = {"drift": "2 features drifted", "warnings": "1 warning (`flow`: gaps)"}
    recorder.step("AnomalyGate", outputs={"report": ("ExampleValidationMetrics", facts)})
    errors = {"hard": '["pump = p7"]', "num_suspected": 2}
    recorder.step("ErrorAnalyzer", outputs={"analysis": ("ErrorAnalysis", errors)})
    reasons = json.dumps([{"verdict": "INCONCLUSIVE", "text": "recall 0.75 [0.43, 0.95]"}])
    recorder.step("ModelGate", outputs={"blessing": ("ModelBlessing", {"reasons": reasons})})
    limits = limits_of(*reread(store, "r2"), FIGURES)
    assert "Not shown at the gate: recall 0.75 [0.43, 0.95]." in limits
    assert "Of the data: 2 features drifted." in limits
    assert "Of the data: 1 warning (`flow`: gaps)." in limits
    assert "Errors are more frequent than elsewhere where: pump = p7." in limits
    assert "2 labels of the examples may be wrong, by confident learning." in limits


def write(store, tmp_path, run_id="r1"):
    """Writes and records the card of a run, as `make_card` does after it read the evaluation."""
    graph, run = reread(store, run_id)
    folder = tmp_path / "artifacts" / "ModelCard" / "100"
    artifact.write_card(card_content(graph, run, Measured(test=FIGURES)), folder)
    artifact._record(store, run, folder, "100")
    return folder


def test_a_version_has_one_card_until_its_statements_change(store, tmp_path):
    record(store, tmp_path)
    assert artifact.find_card(*reread(store, "r1")) is None
    folder = write(store, tmp_path)
    assert artifact.find_card(*reread(store, "r1")) == folder
    [card] = store.get_artifacts_by_type("ModelCard")
    assert card.custom_properties["version"].string_value == "100"
    record(store, tmp_path, "r2", config={"card": {"contact": "a@example.org"}})
    assert artifact.find_card(*reread(store, "r2")) is None


def test_a_run_that_pushed_nothing_has_no_card(store, tmp_path):
    graph, run = record(store, tmp_path, pushes=False)
    assert artifact.make_card(store, graph, run, tmp_path) is None


def test_a_card_is_written_again_over_a_lost_one(store, tmp_path):
    graph, run = record(store, tmp_path)
    folder = tmp_path / "100"
    folder.mkdir()
    (folder / "old").touch()
    artifact.write_card(card_content(graph, run, Measured(test=FIGURES)), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.html", "card.json"]
    assert [path.name for path in tmp_path.glob(".card-*")] == []


def test_texts_of_people_and_data_are_escaped(store, tmp_path):
    graph, run = record(store, tmp_path, config={"card": {"purpose": HOSTILE}})
    hostile = Figures(slices={(("site", HOSTILE),): dict(OVERALL)})
    artifact.write_card(card_content(graph, run, Measured(test=hostile)), tmp_path / "card")
    page = (tmp_path / "card" / "card.html").read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_the_reports_have_the_card_and_the_index_links_it(store, tmp_path):
    record(store, tmp_path)
    card = write(store, tmp_path)
    graph, run = reread(store, "r1")
    pages = publish_run(graph, run, tmp_path / "reports", card=card)
    assert tmp_path / "reports" / "card-wells.html" in pages
    assert "card-wells.html" in (tmp_path / "reports" / "index.html").read_text()
    assert "r1" in (tmp_path / "reports" / "wells" / "r1" / "card.html").read_text()
