"""Pages in the folder of reports: one a run, the latest by name, and an index of all."""

import re
import shutil
from dataclasses import replace

import pytest
from ml_metadata.metadata_store import MetadataStore

from common.metadata import sqlite_connection
from pipeline.components.pages.layout import HISTORY_MARK, ROOT_MARK, STAMP_MARK, render
from pipeline.lineage.graph import read_graph
from pipeline.publishing.history import lineage_rows, past_models
from pipeline.publishing.index import write_index
from pipeline.publishing.publish import publish_page, publish_run
from pipeline.publishing.stamp import read_stamp
from tests.browser import needs_chromium, open_page
from tests.pipeline.publishing.stamps import STAMP
from tests.pipeline.records import (
    Recorder,
    provenance,
    record_data_steps,
    record_model_steps,
    record_window,
)

HOSTILE = '"><img src=x onerror=alert(1)>'
PAGE = f'<a href="{ROOT_MARK}index.html">x</a>{STAMP_MARK}<p>{{}}</p>{HISTORY_MARK}'


@pytest.fixture
def store(tmp_path):
    return MetadataStore(sqlite_connection(tmp_path / "metadata.db"))


def add_run(store, tmp_path, run_id, *, serving=True, text="first"):
    """Records a run with a page of its model; returns its artifacts by key."""
    run = Recorder(store, run_id, provenance())
    steps = record_data_steps(run)
    folder = tmp_path / "serving" / "wells" if serving else None
    made = record_model_steps(run, steps, serving=folder, version="100" if serving else "")
    report = run.step(
        "ModelReport", inputs={"model": made["model"]}, outputs={"page": ("ModelPage", {})}
    )
    uri = tmp_path / "artifacts" / run_id
    uri.mkdir(parents=True)
    (uri / "model.html").write_text(PAGE.format(text))
    [artifact] = store.get_artifacts_by_id([report["page"]])
    artifact.uri = str(uri)
    store.put_artifacts([artifact])
    return made


def publish(store, tmp_path, run_id):
    graph = read_graph(store)
    return publish_run(graph, graph.runs[run_id], tmp_path / "reports")


def test_a_page_names_its_run_version_data_and_code(store, tmp_path):
    add_run(store, tmp_path, "r1")

    [latest, index] = publish(store, tmp_path, "r1")

    assert (latest.name, index.name) == ("model-wells.html", "index.html")
    dated = tmp_path / "reports" / "wells" / "r1" / "model.html"
    for page in (latest.read_text(), dated.read_text()):
        for words in ("r1", "100", "BLESSED", "data-digest"[:12], "c0ffee000000"):
            assert f">{words}</b>" in page
        for mark in (ROOT_MARK, STAMP_MARK, HISTORY_MARK):
            assert mark not in page
    assert 'href="index.html"' in latest.read_text()
    assert 'href="../../index.html"' in dated.read_text()


def test_pages_of_earlier_runs_stay_and_the_name_without_a_date_is_the_latest(store, tmp_path):
    add_run(store, tmp_path, "r1", text="first")
    publish(store, tmp_path, "r1")
    add_run(store, tmp_path, "r2", text="second", serving=False)
    publish(store, tmp_path, "r2")

    reports = tmp_path / "reports"
    assert "<p>first</p>" in (reports / "wells" / "r1" / "model.html").read_text()
    assert "<p>second</p>" in (reports / "model-wells.html").read_text()
    assert "REJECTED" in (reports / "model-wells.html").read_text()
    index = (reports / "index.html").read_text()
    assert index.index("wells/r2/model.html") < index.index("wells/r1/model.html")


def test_a_run_that_takes_its_page_from_the_cache_publishes_it_under_its_own_name(store, tmp_path):
    add_run(store, tmp_path, "r1")
    graph = read_graph(store)
    [page] = graph.of_type("ModelPage")
    Recorder(store, "r2", provenance()).cached("ModelReport", {"page": page.id, "execution": 0})

    publish(store, tmp_path, "r2")

    assert "<b>r2</b>" in (tmp_path / "reports" / "wells" / "r2" / "model.html").read_text()


def test_a_run_without_a_page_publishes_nothing(store, tmp_path):
    record_data_steps(Recorder(store, "r1", provenance()))

    assert publish(store, tmp_path, "r1") == []
    assert not (tmp_path / "reports").exists()


def test_a_stopped_run_has_its_other_reports_in_the_index(store, tmp_path):
    record_data_steps(Recorder(store, "r1", provenance()))
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "anomalies-wells.md").write_text("None.")

    assert publish(store, tmp_path, "r1") == []
    assert 'href="anomalies-wells.md"' in (tmp_path / "reports" / "index.html").read_text()


def test_the_index_is_replaced_whole(store, tmp_path):
    reports = tmp_path / "reports"
    add_run(store, tmp_path, "r1")
    publish(store, tmp_path, "r1")
    before = (reports / "index.html").read_text()
    (tmp_path / "open").hardlink_to(reports / "index.html")  # what somebody reads meanwhile
    add_run(store, tmp_path, "r2")
    publish(store, tmp_path, "r2")
    assert (tmp_path / "open").read_text() == before
    assert "wells/r2/model.html" in (reports / "index.html").read_text()
    assert list(reports.glob(".*")) == []


def test_plotly_is_written_once_beside_the_pages(tmp_path):
    reports = tmp_path / "reports"
    publish_page(PAGE, "model", STAMP, reports)
    plotly = reports / "assets" / "plotly.min.js"
    first = plotly.stat()
    publish_page(PAGE, "data", STAMP, reports)
    assert plotly.stat().st_mtime_ns == first.st_mtime_ns
    assert first.st_size > 1_000_000
    plotly.write_text("cut off")
    publish_page(PAGE, "errors", STAMP, reports)
    assert plotly.stat().st_size == first.st_size


def test_a_stamp_is_read_as_it_was_written(tmp_path):
    publish_page(PAGE, "model", STAMP, tmp_path)
    assert read_stamp(tmp_path / "wells" / "r1") == STAMP
    assert read_stamp(tmp_path) is None


def test_hostile_names_are_escaped(tmp_path):
    publish_page(PAGE, "model", replace(STAMP, commit=HOSTILE, version=HOSTILE), tmp_path)
    (tmp_path / "rows #1.csv").write_text("")
    write_index(tmp_path)

    for page in (tmp_path / "wells" / "r1" / "model.html", tmp_path / "index.html"):
        assert "<img" not in page.read_text()
        assert "&lt;img src=x" in page.read_text()
    assert 'href="rows%20%231.csv"' in (tmp_path / "index.html").read_text()


def test_no_value_can_stand_for_a_mark():
    for mark in (ROOT_MARK, STAMP_MARK, HISTORY_MARK):
        assert mark not in replace(STAMP, commit=mark).to_html()


def test_the_history_has_each_model_once_with_its_latest_version(store, tmp_path):
    add_run(store, tmp_path, "r1", serving=False)
    made = add_run(store, tmp_path, "r2")
    again = Recorder(store, "r3", provenance())
    again.cached("ModelGate", {"blessing": made["blessing"], "execution": 0})
    graph = read_graph(store)

    models = past_models(graph, graph.runs["r3"])

    assert [model.run_id for model in models] == ["r1", "r2"]
    assert [model.verdict for model in models] == ["REJECTED", "BLESSED"]
    assert models[1].metrics["pr_auc"] == (0.81, None, None)
    assert past_models(graph, graph.runs["r1"]) == models[:1]


def test_the_history_has_the_intervals_of_the_gate(store, tmp_path):
    made = add_run(store, tmp_path, "r1")
    [blessing] = store.get_artifacts_by_id([made["blessing"]])
    blessing.custom_properties["intervals"].string_value = '{"recall": [0.5, 0.9]}'
    store.put_artifacts([blessing])
    graph = read_graph(store)

    [model] = past_models(graph, graph.runs["r1"])

    assert model.metrics["recall"] == (0.75, 0.5, 0.9)


def test_the_lineage_names_data_code_and_environment(store, tmp_path):
    add_run(store, tmp_path, "r1")
    graph = read_graph(store)

    rows = dict(lineage_rows(graph, graph.runs["r1"]))

    assert rows["data digest"] == "data-digest"
    assert rows["commit"] == "c0ffee000000"
    assert rows["environment"] == "Python 3.11.7, Linux x86_64"
    assert rows["lock file"] == "lock-digest"
    assert rows["packages"] == "numpy 2.4.0"


def test_the_lineage_of_recordings_names_their_files_not_the_assembled_table(store, tmp_path):
    add_run(store, tmp_path, "r1")
    [examples] = store.get_artifacts_by_type("Examples")
    examples.custom_properties["source_files"].string_value = '["recordings.parquet"]'
    examples.custom_properties["raw_files"].string_value = '["1.wav", "2.wav"]'
    examples.custom_properties["raw_digest"].string_value = "raw-digest"
    examples.custom_properties["num_raw_files"].int_value = 2
    store.put_artifacts([examples])
    graph = read_graph(store)

    rows = dict(lineage_rows(graph, graph.runs["r1"]))

    assert rows["data"] == "2 files, 200 rows"
    assert (rows["data digest"], rows["files"]) == ("raw-digest", "1.wav, 2.wav")


def test_the_lineage_of_a_window_names_its_spans_and_their_files(store):
    steps = record_window(store, "r1", path="r-{DATE}.csv")
    record_model_steps(Recorder(store, "r1"), steps, serving=None)
    graph = read_graph(store)

    rows = dict(lineage_rows(graph, graph.runs["r1"]))

    assert rows["data"] == "3 files, 600 rows"
    assert rows["spans"] == "3 spans, 2026-10-18 to 2026-10-20"
    assert rows["files"] == "r-20744.csv, r-20745.csv, r-20746.csv"


@needs_chromium
def test_a_copied_folder_works(store, tmp_path):
    for number in (1, 2):
        add_run(store, tmp_path, f"r{number}")
        html = render("pipeline.components.pages", "page.html.j2", plots=True)
        html = html.replace("</body>", f"{HISTORY_MARK}</body>")
        (tmp_path / "artifacts" / f"r{number}" / "model.html").write_text(html)
        publish(store, tmp_path, f"r{number}")
    shutil.move(tmp_path / "reports", tmp_path / "elsewhere")

    for name in ("index.html", "model-wells.html", "wells/r2/model.html"):
        page = tmp_path / "elsewhere" / name
        links = re.findall(r'(?:href|src)="([^"#]+)"', page.read_text())
        targets = [link for link in links if not link.startswith("data:")]
        assert all((page.parent / target).is_file() for target in targets), targets
    console, num_bytes = open_page(tmp_path / "elsewhere/wells/r2/model.html", tmp_path)
    assert console == []
    assert num_bytes > 10_000
