import dataclasses
import json
import subprocess
import sys

import pytest
from rich.console import Console

from common.errors import InputError
from common.metadata import open_store, sqlite_connection
from pipeline.lineage import LineageNode, lineage_of, render_tree
from tests.pipeline.records import (
    Execution,
    Recorder,
    provenance,
    record_data_steps,
    record_model_steps,
    record_run,
)


@pytest.fixture
def store(tmp_path):
    return open_store(sqlite_connection(tmp_path / "metadata.db"))


@pytest.fixture
def serving(tmp_path):
    return tmp_path / "serving" / "wells"


def _shape(node: LineageNode) -> dict[str, object]:
    """The kinds of a tree as nested dictionaries."""
    return {child.kind: _shape(child) for child in node.children}


def _find(node: LineageNode, kind: str) -> LineageNode:
    found = [node] if node.kind == kind else []
    for child in node.children:
        try:
            found.append(_find(child, kind))
        except LookupError:
            continue
    if not found:
        raise LookupError(kind)
    return found[0]


def test_a_pushed_version_leads_to_verdict_model_data_and_code(store, serving):
    record_run(store, "run-1", serving=serving, version="1764000000")
    node = lineage_of(store, "1764000000")
    assert node.kind == "pushed model"
    assert node.facts["pushed_version"] == "1764000000"
    assert _shape(node) == {
        "verdict": {"evaluation": {}},
        "model": {"transform graph": {}, "schema": {}, "examples": {"data": {}}},
        "run": {"code": {}, "configuration": {}, "environment": {}},
    }


def test_every_link_has_its_facts(store, serving):
    record_run(store, "run-1", serving=serving, version="1", stamp=provenance(dirty=True))
    node = lineage_of(store, "wells/1")
    assert _find(node, "verdict").facts["metrics"]["pr_auc"] == 0.81
    assert _find(node, "model").facts["made_by"] == "Trainer"
    assert _find(node, "examples").facts["num_rows"] == 200
    assert _find(node, "data").facts == {
        "folder": "data",
        "files": ["w-*.csv"],
        "data_digest": "data-digest",
        "input_fingerprint": "split:all,num_files:1",
        "span": 3,
    }
    assert _find(node, "code").name == "c0ffee000000 with uncommitted changes"
    assert _find(node, "configuration").facts == {
        "digest": "config-digest",
        "schema": "schema-digest",
        "seed": 7,
    }
    environment = _find(node, "environment").facts
    assert environment["lock_file"] == "lock-digest"
    assert environment["packages"] == {"numpy": "2.4.0"}


def test_what_came_from_the_cache_is_credited_to_the_run_that_made_it(store, serving):
    first = Recorder(store, "run-1", provenance(commit="a" * 40))
    steps = record_data_steps(first)
    second = Recorder(store, "run-2", provenance(commit="b" * 40))
    for name, node in (
        ("data", "ArrowExampleGen"),
        ("schema", "CuratedSchema"),
        ("transform", "Transform"),
    ):
        second.cached(node, steps[name])
    record_model_steps(second, steps, serving=serving, version="1")

    node = lineage_of(store, "latest")
    assert _find(node, "examples").facts["run"] == "run-1"
    assert _find(node, "model").facts["run"] == "run-2"
    runs = [child for child in node.children if child.kind == "run"]
    assert [(run.name, run.facts["ran"], run.children[0].name) for run in runs] == [
        ("run-2", ["Trainer", "Evaluator", "ModelGate", "Pusher"], "b" * 12),
        ("run-1", ["ArrowExampleGen", "CuratedSchema", "Transform"], "a" * 12),
    ]


def test_the_model_compared_with_is_named_and_not_followed(store, serving):
    old = record_run(store, "run-1", serving=serving, version="1")
    record_run(store, "run-2", serving=serving, version="2", baseline=old["model"])
    node = lineage_of(store, "latest")
    compared = _find(node, "compared with model")
    assert compared.name == f"#{old['model']}"
    assert compared.children == ()
    assert [child.name for child in node.children if child.kind == "run"] == ["run-2"]


def test_the_name_of_a_model_means_its_last_version(store, tmp_path):
    for run_id, name, version in (
        ("run-1", "wells", "1"),
        ("run-2", "wells", "2"),
        ("run-3", "pumps", "3"),
    ):
        record_run(store, run_id, serving=tmp_path / name, version=version)
    assert lineage_of(store, "wells").name == "wells/2"
    assert lineage_of(store, "latest").name == "pumps/3"


def test_a_refused_model_leads_to_the_verdict_on_it(store):
    made = record_run(store, "run-1", serving=None)
    node = lineage_of(store, f"#{made['model']}")
    assert node.kind == "model"
    assert _find(node, "verdict").facts["verdict"] == "REJECTED"
    assert _find(node, "data").facts["span"] == 3


def test_a_run_shows_its_steps_and_what_it_ended_with(store):
    record_run(store, "run-1", serving=None)
    node = lineage_of(store, "run-1")
    steps = [child.name for child in node.children if child.kind == "step"]
    assert (steps[0], steps[-1], len(steps)) == ("ArrowExampleGen", "Pusher", 7)
    assert [child.kind for child in node.children].count("code") == 1
    pushed = _find(node, "pushed model")
    assert pushed.name == "none: the model was refused"
    assert [child.kind for child in pushed.children] == ["verdict", "model"]
    assert _find(node, "code").name == "c0ffee000000"


def test_a_run_that_failed_at_once_has_its_code_all_the_same(store):
    run = Recorder(store, "run-1", provenance())
    run.step("ArrowExampleGen", state=Execution.FAILED)
    node = lineage_of(store, "run-1")
    assert _find(node, "step").facts["state"] == "failed"
    assert _find(node, "code").name == "c0ffee000000"


def test_a_run_without_a_stamp_says_so(store):
    run = Recorder(store, "run-1")
    record_model_steps(run, record_data_steps(run), serving=None)
    assert _find(lineage_of(store, "run-1"), "code").name == "unknown: the run has no stamp"


@pytest.mark.parametrize("reference", ["2", "wells/2", "latest", "{serving}/2", "{serving}/2/"])
def test_a_version_has_many_names(store, serving, reference):
    record_run(store, "run-1", serving=serving, version="1")
    record_run(store, "run-2", serving=serving, version="2")
    node = lineage_of(store, reference.format(serving=serving))
    assert node.facts["run"] == "run-2"


def test_a_version_in_an_output_folder_that_was_moved_is_found(store, serving):
    record_run(store, "run-1", serving=serving, version="1")
    assert lineage_of(store, "/elsewhere/serving/wells/1").facts["run"] == "run-1"


def test_a_version_that_two_pushes_name_belongs_to_the_first(store, serving):
    record_run(store, "run-1", serving=serving, version="1")
    record_run(store, "run-2", serving=serving, version="1")
    assert lineage_of(store, "1").facts["run"] == "run-1"


def test_whether_the_version_is_still_in_place_is_told(store, serving):
    record_run(store, "run-1", serving=serving, version="1")
    assert lineage_of(store, "1").facts["in_place"] is False
    (serving / "1").mkdir(parents=True)
    (serving / "1" / "saved_model.pb").write_text("")
    assert lineage_of(store, "1").facts["in_place"] is True


def test_a_version_of_two_models_is_ambiguous(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1")
    record_run(store, "run-2", serving=tmp_path / "pumps", version="1")
    with pytest.raises(InputError, match="1 is a version of several models: wells/1, pumps/1"):
        lineage_of(store, "1")


def test_an_unknown_reference_lists_what_exists(store, serving):
    record_run(store, "run-1", serving=serving, version="1764000000")
    with pytest.raises(InputError) as caught:
        lineage_of(store, "nonsense")
    assert str(caught.value) == (
        "No model or run matches nonsense. Pushed models, newest first: wells/1764000000. "
        "Runs, newest first: run-1."
    )


def test_an_artifact_that_is_no_model_is_no_reference(store, serving):
    record_run(store, "run-1", serving=serving, version="1764000000")
    with pytest.raises(InputError, match="No model or run matches #1"):
        lineage_of(store, "#1")  # the examples


def test_latest_without_a_push_says_so(store):
    with pytest.raises(InputError, match=r"No model has been pushed yet\. There are no runs yet"):
        lineage_of(store, "latest")
    record_run(store, "run-1", serving=None)
    with pytest.raises(InputError, match=r"No model has been pushed yet\. .*Runs.*: run-1\."):
        lineage_of(store, "latest")


def test_the_tree_as_json_is_plain(store, serving):
    record_run(store, "run-1", serving=serving, version="1")
    document = json.loads(json.dumps(lineage_of(store, "1").to_json()))
    assert document["kind"] == "pushed model"
    assert [child["kind"] for child in document["children"]] == ["verdict", "model", "run"]


def test_the_printed_tree_speaks_in_words(store, serving, capsys):
    record_run(store, "run-1", serving=serving, version="1")
    Console(width=200).print(render_tree(lineage_of(store, "1")))
    printed = capsys.readouterr().out
    assert "passed: PR-AUC 0.810 is above the prevalence 0.200" in printed
    assert "metrics: pr_auc 0.81, roc_auc 0.97, recall 0.75" in printed
    assert "code c0ffee000000" in printed
    assert "in place: no" in printed
    assert "pushed model wells/1" in printed
    assert "made by: Trainer in run run-1, 20" in printed


def test_the_commit_of_the_configs_repository_is_shown_where_it_has_one(store, serving, capsys):
    stamp = dataclasses.replace(provenance(), project_commit="decade", project_dirty=True)
    record_run(store, "run-1", serving=serving, version="1", stamp=stamp)
    tree = lineage_of(store, "1")
    Console(width=200).print(render_tree(tree))
    printed = capsys.readouterr().out
    assert "project commit: decade" in printed
    assert "project dirty: yes" in printed
    assert _find(tree, "configuration").facts["project_commit"] == "decade"


def test_lineage_imports_neither_tensorflow_nor_tfx():
    program = (
        "import sys, pipeline.lineage, common.metadata; "
        "print({'tensorflow', 'tfx'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "set()\n"


def test_a_unique_prefix_of_a_runs_id_is_enough(store):
    for run_id in ("20261124-01-wells", "20261124-02-wells", "20261124-02-wells-2"):
        record_run(store, run_id, serving=None)
    assert lineage_of(store, "20261124-01").name == "20261124-01-wells"
    # A whole id wins over the ids that it begins.
    assert lineage_of(store, "20261124-02-wells").name == "20261124-02-wells"
    with pytest.raises(
        InputError,
        match=r"2 runs start with 20261124-02: 20261124-02-wells-2, 20261124-02-wells\. Give more",
    ):
        lineage_of(store, "20261124-02")
