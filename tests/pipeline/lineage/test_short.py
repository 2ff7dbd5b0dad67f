import json

import pytest

from common.metadata import open_store, sqlite_connection
from pipeline.lineage import lineage_of
from pipeline.lineage.short import short_lineage
from tests.pipeline.records import (
    Recorder,
    provenance,
    record_data_steps,
    record_model_steps,
    record_run,
    record_window,
)


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


@pytest.fixture
def serving(tmp_path):
    return tmp_path / "serving" / "wells"


def test_of_a_pushed_model_each_subject_has_a_line(store, serving):
    record_run(store, "run-1", serving=serving, version="7", stamp=provenance(dirty=True))
    (serving / "7").mkdir(parents=True)
    (serving / "7" / "saved_model.pb").touch()
    assert short_lineage(lineage_of(store, "latest")) == {
        "model": "wells/7, in service, trained in run run-1",
        "data": "200 rows, w-*.csv, span 3, digest data-digest",
        "code": "c0ffee000000 with uncommitted changes",
        "configuration": "wells.yaml, digest config-diges",
        "environment": "Python 3.11.7, lock file lock-digest",
        "verdict": "BLESSED, PR-AUC 0.810, recall 0.750",
    }


def test_a_withdrawn_version_says_by_whom_and_why(store, serving):
    made = record_run(store, "run-1", serving=serving, version="7")
    [artifact] = store.get_artifacts_by_id([made["pushed_model"]])
    notes = {"withdrawn_by": "Ada", "withdrawn_why": "alarms", "withdrawn_at": "2026-11-23"}
    for key, value in notes.items():
        artifact.custom_properties[key].string_value = value
    store.put_artifacts([artifact])
    lines = short_lineage(lineage_of(store, "wells/7"))
    assert lines["model"] == "wells/7, not in service, trained in run run-1"
    assert lines["withdrawn"] == "by Ada at 2026-11-23: alarms"


def test_a_signed_version_names_key_and_signature(store, serving):
    made = record_run(store, "run-1", serving=serving, version="7")
    [artifact] = store.get_artifacts_by_id([made["pushed_model"]])
    for key, value in {"signer": "a" * 64, "signature_digest": "b" * 64}.items():
        artifact.custom_properties[key].string_value = value
    store.put_artifacts([artifact])
    node = lineage_of(store, "wells/7")
    assert short_lineage(node)["signature"] == f"key {'a' * 12}, signature {'b' * 12}"
    assert node.facts["signer"] == "a" * 64


def test_of_a_refused_model_the_verdict_is_there(store):
    record_run(store, "run-1", serving=None)
    assert short_lineage(lineage_of(store, "run-1"))["verdict"] == "REJECTED, PR-AUC 0.210"


def test_a_run_that_trained_nothing_has_its_data_and_code(store):
    record_data_steps(Recorder(store, "run-1", provenance()))
    lines = short_lineage(lineage_of(store, "run-1"))
    assert list(lines) == ["data", "code", "configuration", "environment"]


@pytest.mark.parametrize(
    ("path", "spans"),
    [
        ("r-{SPAN}.csv", "3 spans, 20744 to 20746"),
        # 1970-01-01 and 20,744 days is 2026-10-18.
        ("r-{DATE}.csv", "3 spans, 2026-10-18 to 2026-10-20"),
    ],
)
def test_of_a_window_all_spans_are_named(store, serving, path, spans):
    steps = record_window(store, "run-1", path=path)
    record_model_steps(Recorder(store, "run-1"), steps, serving=serving, version="7")
    for reference in ("wells/7", "run-1"):
        assert short_lineage(lineage_of(store, reference))["data"] == (
            f"600 rows, r-20744.csv, r-20745.csv, r-20746.csv, {spans}, digest window-diges"
        )


def test_a_window_without_a_model_is_the_data_of_its_run(store):
    record_window(store, "run-1")
    assert short_lineage(lineage_of(store, "run-1"))["data"].startswith("600 rows, r-20744.csv, ")


def test_the_spans_of_dated_files_are_dates_in_the_tree(store):
    steps = record_window(store, "run-1", path="r-{YYYY}{MM}{DD}.csv")
    record_model_steps(Recorder(store, "run-1"), steps, serving=None)
    json_text = json.dumps(lineage_of(store, "run-1").to_json())
    assert '"dates": ["2026-10-18", "2026-10-19", "2026-10-20"]' in json_text
    assert '"span": 20744, "dates": ["2026-10-18"]' in json_text
    assert '"data_digest": "window-digest"' in json_text
