import dataclasses
import html
import re

import numpy as np
import pyarrow as pa
import pytest

from models.features import Image, Numeric, Signal
from pipeline.components.error_analyzer.analysis import CommonFactor
from pipeline.components.error_analyzer.page import Findings, SignalValues, render_page
from pipeline.components.error_analyzer.ranking import rank_errors
from pipeline.publishing.publish import publish_page
from pipeline.slicing import SlicePart
from tests.browser import needs_chromium, open_page
from tests.pipeline.components.error_analyzer.test_ranking import DECISION, PROBABILITY, SCALARS
from tests.pipeline.publishing.stamps import STAMP

PART = SlicePart(column="maker", value="<b>x</b>")
YAML = 'gate:\n  slices:\n    - columns: [{column: maker, value: "<b>x</b>"}]\n'
CLUSTERS = [(CommonFactor(PART, 3, 4, 0.5, 0.001, np.ones(3, bool)), YAML)]
CAUSES = [(CommonFactor(SlicePart(trouble="noise"), 2, 3, 0.4, 0.01, np.ones(3, bool)), YAML)]
FINDINGS = Findings(causes=CAUSES, hard=CLUSTERS, num_errors=3, expected_suspected=1.25)
NOTHING = Findings(causes=[], hard=[], num_errors=3, expected_suspected=0.0)
SIGNALS = {
    "voltage": SignalValues(
        np.array([[1.0, np.nan, 3.0]] * 3), np.array([500.0, 250.0, 500.0]), "V"
    )
}
FEATURES = {"pressure": Numeric(unit="bar")}
PICTURE = "data:image/jpeg;base64,AAAA"


@pytest.fixture(scope="module")
def page():
    troubles = {"noise": np.array([False, True, False])}
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, troubles)
    return render_page("wells", ranked, FINDINGS, SIGNALS, features=FEATURES)


def test_the_page_names_nothing_elsewhere(page):
    own = page.split("<script>")[0] + page.rsplit("<script>", 1)[1]
    assert "http" not in own
    assert "Plotly.newPlot" in page


def test_values_are_escaped(page):
    assert "maker = &lt;b&gt;x&lt;/b&gt;" in page
    assert "maker = <b>" not in page


def test_a_cluster_has_the_lines_for_the_yaml_as_they_are(page):
    shown = re.findall("<pre>(.*?)</pre>", page, flags=re.DOTALL)
    assert [html.unescape(one) for one in shown] == [YAML, YAML]


def test_a_cause_has_its_faults_and_those_expected(page):
    row = re.search("<tr><td>recording trouble: noise</td>.*?</tr>", page, flags=re.DOTALL)
    assert re.findall('class="num">(.*?)<', row[0]) == ["2", "3", "0.4", "0.01"]


def test_causes_of_dependent_examples_say_what_they_have_in_common(page):
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {})
    grouped = dataclasses.replace(NOTHING, group="magnet")
    shown = render_page("wells", ranked, grouped, {}, features=FEATURES)
    assert "Examples of one magnet are not independent" in shown
    assert "are not independent" not in page


def test_suspected_labels_come_with_the_number_expected(page):
    assert "<b>1.2</b>of them expected if all are right" in page


def test_missing_samples_are_holes(page):
    assert '"values": [1.0, null, 3.0]' in page


def test_without_signals_there_are_no_plots_and_the_page_is_small():
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {})
    page = render_page("wells", ranked, NOTHING, {}, features=FEATURES)

    assert 'id="plots"' not in page
    assert len(page) < 20_000
    assert "No common factor of the 3 errors" in page
    assert "No shared cause" in page


@needs_chromium
def test_a_browser_shows_it_without_an_error(page, tmp_path):
    path = publish_page(page, "errors", STAMP, tmp_path / "reports")

    console, num_bytes = open_page(path, tmp_path)

    assert console == []
    assert num_bytes > 10_000


def test_a_recordings_own_rate_makes_its_time_axis(page):
    # 500 Hz: a sample each 2 ms; the second recording was sampled at 250 Hz.
    assert page.count('"time": [0.0, 0.002, 0.004]') == 2
    assert page.count('"time": [0.0, 0.004, 0.008]') == 1


def test_columns_have_their_units():
    scalars = SCALARS.append_column("pressure", pa.array([1.5, 2.5, None]))
    ranked = rank_errors(scalars, "faulty", PROBABILITY, DECISION, {})
    page = render_page("wells", ranked, NOTHING, {}, features=FEATURES)
    assert "<th>pressure, bar</th>" in page
    assert '<td class="soft">2.5</td>' in page


@pytest.mark.parametrize(("signals", "shown"), [(SIGNALS, True), ({}, False)])
def test_troubles_are_a_column_and_a_filter_where_there_are_signals(signals, shown):
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {})
    recorded = {name: Signal(num_samples=3) for name in signals}
    page = render_page("wells", ranked, NOTHING, signals, features=FEATURES | recorded)

    assert ("<th>troubles</th>" in page) == shown
    assert ('<label hidden>trouble <select id="trouble">' in page) != shown


def test_pictures_of_the_worst_are_shown_with_what_decided():
    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {})
    pictures = [{"photo": [PICTURE, PICTURE]}, {"photo": [PICTURE]}, {}]
    features = FEATURES | {"photo": Image(height=8, width=8)}
    page = render_page("wells", ranked, NOTHING, {}, pictures=pictures, features=features)
    assert page.count(PICTURE) == 3
    assert page.count(", what decided") == 1
    assert "<option>overexposure</option>" in page
    assert "Sounds and pictures of the worst 3" in page
    assert "Pictures" not in render_page("wells", ranked, NOTHING, {}, features=FEATURES)
