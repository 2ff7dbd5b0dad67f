"""An explanation in the terminal and on its page."""

import dataclasses

import pytest
from rich.console import Console

from pipeline.explaining.explain import ColumnPart, Explanation, SignalPart
from pipeline.explaining.importance import Importance
from pipeline.explaining.logit_parts import TreePart
from pipeline.explaining.rendering import render_explanation, write_page
from pipeline.explaining.training_rows import Neighbour
from tests.browser import needs_chromium, open_page
from tests.pipeline.publishing.stamps import STAMP

FOUND = Explanation(
    run="run-1",
    version="wells/7",
    use_case="wells",
    row="row 1 of the test split",
    slug="1",
    label=1,
    probability=0.9,
    background_probability=0.1,
    num_background=100,
    method="sampling",
    logit=None,
    usual_logit=None,
    tree_parts=[],
    parts=[
        ColumnPart(column="signal", part=0.7, error=0.01, value="2 samples", unit=""),
        ColumnPart(column="number", part=0.1, error=0.02, value="4.5", unit="bar"),
        ColumnPart(column="maker", part=0.0, error=0.0, value="", unit=""),
    ],
    signals=[
        SignalPart(
            column="signal", unit="V", seconds=[0.0, 0.002], values=[1.0, None], parts=[0.3, 0.0]
        )
    ],
    neighbours=[Neighbour(row=12, label=1, distance=0.25, names={"id": "<b>r12"})],
    num_searched=10_000,
    num_train=20_000,
    importances=[Importance("signal", 0.5, 0.4, 0.6)],
)


def _text(found):
    console = Console(width=120)
    with console.capture() as captured:
        console.print(render_explanation(found))
    return captured.get()


def test_the_terminal_names_run_and_version_and_shows_each_column_with_its_unit():
    text = _text(FOUND)
    assert "row 1 of the test split, label 1; model wells/7, run run-1" in text
    assert "on average over 100 training rows 0.1000" in text
    for words in ("+0.7000", "2 samples", "+0.1000", "4.5 bar", "missing", "0.0200"):
        assert words in text
    assert "nearest of 10,000 of 20,000 training rows" in text
    assert "id <b>r12" in text


OF_TREES = dataclasses.replace(
    FOUND,
    method="trees",
    logit=1.5,
    usual_logit=-3.25,
    tree_parts=[
        TreePart(feature="signal", detail="largest <jump>", part=0.5, value=2.5, unit="V"),
        TreePart(feature="number", detail="", part=0.1, value=None, unit=""),
    ],
    signals=[],
)


def test_of_trees_the_method_the_logits_and_the_summaries_are_shown(tmp_path):
    text = " ".join(_text(OF_TREES).split())
    page = write_page(OF_TREES, STAMP, tmp_path).read_text()
    for shown in (text, " ".join(page.split())):
        assert "exact Shapley values of the trees (TreeSHAP, by XGBoost)" in shown
        assert "from the usual logit -3.2500 to this row's 1.5000" in shown.replace("&#39;", "'")
        assert "+0.5000" in shown
        assert "2.5 V" in shown
    assert "largest &lt;jump&gt;" in page
    assert "random orders of the columns" not in page
    assert "add up to the difference" not in text


def test_of_a_blend_both_methods_are_named():
    text = " ".join(_text(dataclasses.replace(OF_TREES, method="blend")).split())
    assert "(TreeSHAP, by XGBoost) and sampled ones of the network" in text


def test_without_a_label_neighbours_or_importances_nothing_is_said_of_them():
    bare = dataclasses.replace(FOUND, label=None, neighbours=[], importances=[])
    text = _text(bare)
    for words in ("label", "nearest", "worth"):
        assert words not in text


def test_the_page_escapes_and_names_nothing_elsewhere(tmp_path):
    page = write_page(FOUND, STAMP, tmp_path)
    text = page.read_text()
    own = text.split("<script>")[0] + text.rsplit("<script>", 1)[1]
    assert page == tmp_path / "wells" / "r1" / "explain-1.html"
    assert 'href="wells/r1/explain-1.html"' in (tmp_path / "index.html").read_text()
    assert "http" not in own
    assert "&lt;b&gt;r12" in own
    assert "<b>r12" not in own


def test_the_page_has_seconds_units_run_and_version(tmp_path):
    own = write_page(FOUND, STAMP, tmp_path).read_text().rsplit("<script>", 1)[1]
    assert '"seconds": [0.0, 0.002]' in own
    assert '"unit": "V"' in own
    assert "time, s" in own
    assert '"title": "signal, V"' in own
    head = write_page(FOUND, STAMP, tmp_path).read_text().split("<script>")[0]
    assert "The model wells/7 of run run-1" in head
    assert "4.5 bar" in head


@needs_chromium
@pytest.mark.parametrize("found", [FOUND, dataclasses.replace(FOUND, signals=[], label=None)])
def test_a_browser_shows_the_page_without_an_error(tmp_path, found):
    console, picture_bytes = open_page(write_page(found, STAMP, tmp_path), tmp_path)
    assert console == []
    assert picture_bytes > 10_000
