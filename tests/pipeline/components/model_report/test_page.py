import json
import re

import pytest

from pipeline.components.evaluation.measurement import MeasureOptions
from pipeline.components.model_report.component import render_page
from pipeline.components.pages.layout import HISTORY_MARK, ROOT_MARK, STAMP_MARK
from pipeline.publishing.publish import publish_page
from tests.browser import needs_chromium, open_page
from tests.pipeline.components.model_report.test_figures import COST, ERRORS, EVALUATION, HOSTILE
from tests.pipeline.publishing.stamps import STAMP

REASONS = [
    {"verdict": "BLESSED", "text": "recall 0.667 against 0.5"},
    {"verdict": "REJECTED", "text": f"slice maker = {HOSTILE}"},
    {"verdict": "INCONCLUSIVE", "text": "too few faults"},
]
PRICED = MeasureOptions(cost=COST)


def page(options=PRICED, errors=ERRORS, threshold=0.5):
    return render_page(
        "wells",
        answers=errors,
        evaluations=(EVALUATION, EVALUATION),
        reasons=REASONS,
        problems=["no answer by REST"],
        threshold=threshold,
        options=options,
    )


def test_the_page_has_every_part():
    html = page()
    for title in ("Verdict", "Metrics", "Confusion matrix", "Curves", "Slices"):
        assert f"<h2>{title}</h2>" in html
    for part in ("pr", "roc", "calibration", "histogram", "cost"):
        assert f'id="{part}"' in html
    for mark in (HISTORY_MARK, ROOT_MARK, STAMP_MARK):
        assert mark in html
    assert "in a server: no answer by REST" in html
    assert "@media print" in html
    assert [html.count(f"\n  {word}</td>") for word in ("passed", "failed", "inconclusive")] == [
        *(1, 1, 1)
    ]


def test_hostile_names_are_escaped():
    html = page()
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert "\\u003cimg src=x" in html


def test_without_prices_there_is_no_cost():
    assert 'id="cost"' not in page(MeasureOptions())


def test_with_one_class_the_page_says_why_there_is_no_curve():
    html = page(errors=ERRORS.slice(0, 6))
    assert "lacks a class" in html
    assert "const curves = null" in html


def test_the_page_is_small_and_names_nothing_elsewhere():
    html = page()
    assert len(html) < 60_000
    assert "http" not in html
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == [
        *("data:,", f"{ROOT_MARK}index.html", f"{ROOT_MARK}assets/plotly.min.js")
    ]


@needs_chromium
@pytest.mark.parametrize(("errors", "threshold"), [(ERRORS, 0.5), (ERRORS.slice(0, 6), None)])
def test_a_browser_shows_the_page_without_an_error(errors, threshold, tmp_path):
    html = page(errors=errors, threshold=threshold)
    path = publish_page(html, "model", STAMP, tmp_path / "reports")

    console, num_bytes = open_page(path, tmp_path)

    assert console == []
    assert num_bytes > 50_000


def test_the_values_of_the_scripts_are_json():
    [line] = [line for line in page().splitlines() if line.startswith("const curves = ")]
    curves, calibration = re.match(
        "const curves = (.*), calibration = (.*), histogram", line
    ).groups()
    assert set(json.loads(curves)) == {"pr", "roc"}
    assert sum(one["count"] for one in json.loads(calibration)) == ERRORS.num_rows
