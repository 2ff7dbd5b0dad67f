import html
import re
import shutil
import subprocess

import numpy as np
import pytest

from pipeline.components.error_analyzer.analysis import Cluster
from pipeline.components.error_analyzer.page import SignalValues, render_page
from pipeline.components.error_analyzer.ranking import rank_errors
from pipeline.slicing import SlicePart
from tests.pipeline.components.error_analyzer.test_ranking import DECISION, PROBABILITY, SCALARS

PART = SlicePart(column="maker", value="<b>x</b>")
YAML = 'gate:\n  slices:\n    - columns: [{column: maker, value: "<b>x</b>"}]\n'
CLUSTERS = [(Cluster(PART, 3, 4, 0.5, 0.001, np.ones(3, bool)), YAML)]
SIGNALS = {"voltage": SignalValues(np.array([[1.0, np.nan, 3.0]] * 3), 500.0, "V")}


@pytest.fixture(scope="module")
def page():
    troubles = {"noise": np.array([False, True, False])}
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, troubles)
    return render_page("wells", ranked, CLUSTERS, SIGNALS, num_errors=3)


def test_the_page_names_nothing_elsewhere(page):
    own = page.split("<script>")[0] + page.rsplit("<script>", 1)[1]
    assert "http" not in own
    assert "Plotly.newPlot" in page


def test_values_are_escaped(page):
    assert "maker = &lt;b&gt;x&lt;/b&gt;" in page
    assert "maker = <b>" not in page


def test_a_cluster_has_the_lines_for_the_yaml_as_they_are(page):
    [shown] = re.findall("<pre>(.*?)</pre>", page, flags=re.DOTALL)
    assert html.unescape(shown) == YAML


def test_missing_samples_are_holes(page):
    assert '"values": [1.0, null, 3.0]' in page


def test_without_signals_there_are_no_plots_and_the_page_is_small():
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {})
    page = render_page("wells", ranked, [], {}, num_errors=3)

    assert 'id="plots"' not in page
    assert len(page) < 20_000
    assert "Nothing that 3 errors share" in page


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_browser_shows_it_without_an_error(page, tmp_path):
    path, picture = tmp_path / "page.html", tmp_path / "page.png"
    path.write_text(page)

    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--v=0", "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--screenshot={picture}", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert picture.stat().st_size > 10_000
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert said == []


@pytest.mark.parametrize(("signals", "shown"), [(SIGNALS, True), ({}, False)])
def test_troubles_are_a_column_and_a_filter_where_there_are_signals(signals, shown):
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {})
    page = render_page("wells", ranked, [], signals, num_errors=3)

    assert ("<th>troubles</th>" in page) == shown
    assert ('<label hidden>trouble <select id="trouble">' in page) != shown
