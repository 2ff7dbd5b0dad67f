import json

import pytest
from rich.console import Console

from commands.queries import _print_unbroken
from common.metadata import close_abandoned, open_store, sqlite_connection
from pipeline.lineage import RunState, list_runs, render_runs
from pipeline.lineage.graph import read_graph
from pipeline.lineage.runs import run_output
from tests.pipeline.records import (
    EXAMPLES,
    Execution,
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


def test_an_empty_store_has_no_runs(store):
    assert list_runs(store) == []


def test_a_blessed_and_a_refused_run_are_told_apart_the_newest_first(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1764000000")
    record_run(store, "run-2", serving=None, stamp=provenance(dirty=True))
    refused, blessed = list_runs(store)
    assert (blessed.run_id, blessed.use_case, blessed.state) == (
        "run-1",
        "wells",
        RunState.COMPLETE,
    )
    assert (blessed.verdict, blessed.version) == ("BLESSED", "1764000000")
    assert blessed.metrics == {"pr_auc": 0.81, "roc_auc": 0.97, "recall": 0.75}
    assert (blessed.data["num_rows"], blessed.data["span"]) == (200, 3)
    assert (blessed.num_steps, blessed.num_cached, blessed.dirty) == (7, 0, False)
    assert (refused.run_id, refused.state) == ("run-2", RunState.COMPLETE)
    assert (refused.verdict, refused.version, refused.dirty) == ("REJECTED", "", True)
    assert refused.commit == "c0ffee" + "0" * 34


def test_cached_steps_are_counted_and_their_data_shown(store):
    steps = record_data_steps(Recorder(store, "run-1", provenance()))
    run = Recorder(store, "run-2", provenance())
    run.cached("ArrowExampleGen", steps["data"])
    run.cached("Transform", steps["transform"])
    record_model_steps(run, steps, serving=None)
    newest = list_runs(store)[0]
    assert (newest.num_steps, newest.num_cached) == (6, 2)
    assert newest.data["num_rows"] == 200


def test_of_two_artifacts_of_a_type_the_last_one_of_a_successful_step_counts(store):
    run = Recorder(store, "run-1", provenance())
    blessing = {"blessing": ("ModelBlessing", {"verdict": "REJECTED"})}
    run.step("ModelGate", outputs=blessing)
    last = run.step("ModelGate", outputs=blessing)
    run.step("ModelGate", outputs=blessing, state=Execution.FAILED)
    graph = read_graph(store)
    found = run_output(graph, graph.runs["run-1"], "ModelBlessing")
    assert found is not None
    assert found.id == last["blessing"]
    assert run_output(graph, graph.runs["run-1"], "Model") is None


def test_a_run_that_read_several_spans_is_one_run(store):
    run = Recorder(store, "run-1", provenance())
    record_data_steps(Recorder(store, "run-1.span-2", provenance()))
    steps = record_data_steps(run)
    record_model_steps(run, steps, serving=None)
    [row] = list_runs(store)
    assert (row.run_id, row.state, row.num_steps) == ("run-1", RunState.COMPLETE, 10)


def test_of_several_examples_those_that_the_model_was_measured_on_are_told(store):
    run = Recorder(store, "run-1", provenance())
    run.step("ArrowExampleGen", outputs={"examples": ("Examples", EXAMPLES)})
    window = run.step("SpanWindow", outputs={"examples": ("Examples", {"num_rows": 600})})
    run.step("CaseControl", outputs={"sampled_examples": ("Examples", {"num_rows": 90})})
    assert list_runs(store)[0].data["num_rows"] == 200
    run.step("Evaluator", inputs={"examples": window["examples"]})
    assert list_runs(store)[0].data["num_rows"] == 600


def test_the_spans_of_a_window_are_listed_also_before_it_is_measured_on(store, capsys):
    steps = record_window(store, "run-1", path="r-{DATE}.csv")
    Console(width=200).print(render_runs(list_runs(store)))
    assert "600 rows, 3 spans, 2026-10-18 to 2026-10-20, window-d" in capsys.readouterr().out
    record_model_steps(Recorder(store, "run-1"), steps, serving=None)
    [row] = list_runs(store)
    assert (row.data["num_rows"], row.data["spans"]) == (600, [20744, 20745, 20746])
    assert row.data["dates"] == ["2026-10-18", "2026-10-19", "2026-10-20"]


def test_a_failed_step_is_named(store):
    run = Recorder(store, "run-1", provenance())
    record_data_steps(run)
    run.step("Trainer", state=Execution.FAILED)
    [row] = list_runs(store)
    assert (row.state, row.stopped_at, row.verdict) == (RunState.FAILED, "Trainer", "")


def test_an_unfinished_step_is_running_only_while_something_may_run(store):
    Recorder(store, "run-1", provenance()).step("Trainer", state=Execution.RUNNING)
    [row] = list_runs(store, may_be_running=True)
    assert (row.state, row.stopped_at) == (RunState.RUNNING, "Trainer")
    [row] = list_runs(store)
    assert (row.state, row.stopped_at) == (RunState.INTERRUPTED, "Trainer")


def test_of_two_steps_side_by_side_the_later_one_is_named_unless_the_other_failed(store):
    run = Recorder(store, "run-1", provenance())
    run.step("InfraValidator", state=Execution.RUNNING)
    run.step("Evaluator", state=Execution.RUNNING)
    assert list_runs(store)[0].stopped_at == "Evaluator"
    run.step("ErrorAnalyzer", state=Execution.FAILED)
    run.step("ModelGate", state=Execution.CANCELED)
    [row] = list_runs(store)
    assert (row.state, row.stopped_at) == (RunState.FAILED, "ErrorAnalyzer")


def test_a_killed_run_stays_interrupted_when_the_next_one_closes_it(store):
    Recorder(store, "run-1", provenance()).step("Trainer", state=Execution.RUNNING)
    before = list_runs(store)[0].duration_s
    close_abandoned(store)
    record_run(store, "run-2", serving=None)
    dead = list_runs(store, may_be_running=True)[1]
    assert (dead.state, dead.stopped_at) == (RunState.INTERRUPTED, "Trainer")
    assert dead.duration_s <= before


def test_a_run_that_was_killed_between_two_steps_is_interrupted(store):
    record_data_steps(Recorder(store, "run-1", provenance()))
    [row] = list_runs(store)
    assert (row.state, row.stopped_at) == (RunState.INTERRUPTED, "")


def test_a_stamped_run_without_a_single_step_is_listed(store):
    Recorder(store, "run-1", provenance())
    [row] = list_runs(store)
    assert (row.run_id, row.use_case, row.state) == ("run-1", "wells", RunState.INTERRUPTED)
    assert (row.num_steps, row.duration_s) == (0, 0.0)


def test_rows_as_json_are_plain(store, tmp_path):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1")
    [document] = json.loads(json.dumps([row.to_json() for row in list_runs(store)]))
    assert document["state"] == "complete"
    assert document["metrics"]["pr_auc"] == 0.81


def test_the_table_says_who_withdrew_a_version_and_why(store, tmp_path, capsys):
    made = record_run(store, "run-1", serving=tmp_path / "wells", version="1764000000")
    [artifact] = store.get_artifacts_by_id([made["pushed_model"]])
    notes = {"withdrawn_by": "Ada", "withdrawn_why": "[alarms]", "withdrawn_at": "2026-11-23"}
    for key, value in notes.items():
        artifact.custom_properties[key].string_value = value
    store.put_artifacts([artifact])
    Console(width=200).print(render_runs(list_runs(store)))
    assert "1764000000 withdrawn by Ada: [alarms]" in capsys.readouterr().out


def test_the_table_shows_what_matters_on_one_line_a_run(store, tmp_path, capsys):
    record_run(store, "run-1", serving=tmp_path / "wells", version="1764000000")
    Recorder(store, "run-2", provenance(dirty=True)).step("Trainer", state=Execution.FAILED)
    Console(width=200).print(render_runs(list_runs(store)))
    header, failed, blessed = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["run", "state", "data", "code"]
    assert "failed at Trainer" in failed
    assert "c0ffee00+" in failed
    assert "200 rows, span 3, data-dig" in blessed
    assert "0.810" in blessed
    assert "blessed" in blessed
    assert "1764000000" in blessed


@pytest.mark.parametrize("width", [40, 80, 120])
def test_ids_and_versions_are_never_folded_or_cut(store, tmp_path, capsys, width):
    run_id = "20261124-015251-compressors_in_hall_four"
    record_run(store, run_id, serving=tmp_path / "wells", version="1764000000")
    _print_unbroken(render_runs(list_runs(store)), Console(width=width))
    header, line = capsys.readouterr().out.splitlines()
    assert line.split()[0] == run_id
    assert "1764000000" in line
    # Run 40, state 8, version 10 and their gaps need 62 columns; wider terminals have no overflow.
    assert max(len(header), len(line)) <= max(width, 62)
    # With 120 columns, the data fit; with 80, they are dropped before the verdict.
    assert ("200 rows" in line, "blessed" in line) == (width == 120, width >= 80)
