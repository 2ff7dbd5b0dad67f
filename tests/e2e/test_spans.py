"""A window of spans: what arrives is read once, and what was read is not read again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import CONFIG, PROJECT, Faultline, wells_csv

pytestmark = pytest.mark.e2e

_ROWS = 200
# Whether so small a model is blessed does not matter here.
_DONE = {0, 3}
_LOOKING_ANEW = {
    *("EarlierSpanResolver", "SpanWindowResolver", "AnalysisResolver", "BaselineResolver"),
}


def _deliver(faultline: Faultline, span: int, *, seed: int | None = None, text: str = "") -> None:
    folder = faultline.cwd / f"span-{span}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wells.csv").write_text(text or wells_csv(_ROWS, seed=seed or span))


def _run(faultline: Faultline) -> Mapping[str, Any]:
    """Runs, and returns the newest run's summary."""
    done = faultline.in_fork("run", "--config", "wells.yaml")
    assert done.code in _DONE, done.err + faultline.last_log()
    newest: Path = max((faultline.output / "runs").iterdir())
    return dict(json.loads((newest / "summary.json").read_text()))


def _states(summary: Mapping[str, Any]) -> dict[str, str]:
    return {step["name"]: step["state"] for step in summary["steps"]}


def _rows_read(faultline: Faultline, run_id: str) -> list[int]:
    """Rows of each Examples artifact that a run's own executions read from files."""
    from common.metadata import open_store, sqlite_connection
    from pipeline.lineage.graph import read_graph

    graph = read_graph(open_store(sqlite_connection(faultline.output / "metadata.db")))
    return [
        graph.artifacts[i].properties["num_rows"]
        for step in graph.runs[run_id].steps
        if step.node == "ArrowExampleGen" and step.state == "complete"
        for i in step.outputs["examples"]
    ]


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    made = Faultline(PROJECT, tmp_path_factory.mktemp("spans") / "work")
    made.cwd.mkdir()
    config = CONFIG.replace("path: wells.csv", "path: span-{SPAN}/*.csv\n  window: 3")
    (made.cwd / "wells.yaml").write_text(config.replace("epochs: 6", "epochs: 2"))
    return made


@pytest.fixture(scope="module")
def first(faultline) -> Mapping[str, Any]:
    """The first run, of two spans."""
    for span in (1, 2):
        _deliver(faultline, span)
    return _run(faultline)


@pytest.fixture(scope="module")
def second(faultline, first) -> Mapping[str, Any]:
    """The second run, after a third span has come."""
    _deliver(faultline, 3)
    return _run(faultline)


def test_the_first_run_reads_every_span_of_the_window_in_turn(faultline, first):
    assert [(span["span"], span["num_rows"]) for span in first["spans"]] == [(1, _ROWS)]
    assert _rows_read(faultline, first["run_id"]) == [_ROWS, _ROWS]
    window = next(step for step in first["steps"] if step["name"] == "SpanWindow")
    assert (window["spans"], window["num_rows"]) == ([1, 2], 2 * _ROWS)


def test_a_new_span_alone_is_read_and_analysed(faultline, second):
    assert second["spans"] == []
    assert _rows_read(faultline, second["run_id"]) == [_ROWS]
    steps = {step["name"]: step for step in second["steps"]}
    assert steps["SpanWindow"]["spans"] == [1, 2, 3]
    assert steps["Transform"]["spans_analysed"] == [3]
    assert steps["Transform"]["num_rows_analysed"] == steps["ArrowExampleGen"]["num_rows_train"]


def test_an_unchanged_run_recomputes_nothing(faultline, second):
    again = _run(faultline)
    assert _rows_read(faultline, again["run_id"]) == []
    ran = {name for name, state in _states(again).items() if state != "cached"}
    assert ran <= _LOOKING_ANEW


def test_a_span_that_is_delivered_again_replaces_what_was_read_of_it(faultline, second):
    _deliver(faultline, 1, seed=9)
    summary = _run(faultline)
    assert [span["span"] for span in summary["spans"]] == [1]
    assert _rows_read(faultline, summary["run_id"]) == [_ROWS]
    steps = {step["name"]: step for step in summary["steps"]}
    assert steps["ArrowExampleGen"]["state"] == "cached"
    assert steps["Transform"]["spans_analysed"] == [1]


def test_the_lineage_shows_the_files_of_every_span(faultline, second):
    done = faultline("lineage", second["run_id"])
    assert done.code == 0, done.err
    for span in (1, 2, 3):
        assert f"source files: span-{span}/wells.csv" in done.out


def test_a_span_that_cannot_be_read_stops_the_run_by_name(faultline, second):
    _deliver(faultline, 2, text="pressure,temperature,maker,faulty\n1,2,a,0\n")
    done = faultline.in_fork("run", "--config", "wells.yaml")
    assert done.code == 2, done.err
    assert "✗ Span 2" in done.out
    assert "Span 2: " in done.err
