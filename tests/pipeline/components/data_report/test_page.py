import re

import numpy as np
import pyarrow as pa
import pytest

from models.features import Numeric, Signal, Time
from pipeline.components.data_report.alerts import Alert
from pipeline.components.data_report.page import DataFigures, GateNotes, render_page
from pipeline.components.data_report.summaries import ColumnSummary, Distribution
from pipeline.components.data_report.train_pass import read_train
from pipeline.publishing.publish import publish_page
from tests.browser import needs_chromium, open_page
from tests.pipeline.publishing.stamps import STAMP

HOSTILE = "<script>alert(1)</script>"
SIGNALS = {"voltage": Signal(num_samples=3, sampling_rate_hz=500, rate_column="rate", unit="V")}
FEATURES = {"pressure": Numeric(unit="bar"), "start": Time(), **SIGNALS}
TENTHS = [float(n) for n in range(11)]


def lists(rows, kind):
    return pa.array([[] if row is None else row for row in rows], pa.list_(kind))


def batches():
    """Two batches: three healthy recordings at 1, 2 and 3 V, and a faulty one with a gap."""
    columns = {
        "faulty": lists([[0], [1], [0], [0]], pa.int64()),
        "pressure": lists([[1.0], [9.0], None, [3.0]], pa.float32()),
        "start": lists([[0], [86_400], [0], [0]], pa.int64()),
        "rate": lists([None, [250.0], None, None], pa.float32()),
        "voltage": lists([[1.0] * 3, [7.0, float("nan"), 7.0], [2.0] * 3, [3.0] * 3], pa.float32()),
    }
    table = pa.RecordBatch.from_pydict(columns)
    return [table.slice(0, 2), table.slice(2)]


@pytest.fixture(scope="module")
def train():
    edges = {"pressure": np.array([0.0, 5.0, 10.0]), "start": np.array([0.0, 50_000.0, 90_000.0])}
    return read_train(batches(), "faulty", ["faulty", "pressure"], edges, SIGNALS)


def test_one_pass_reads_numbers_by_class(train):
    assert train.histograms["pressure"].counts.tolist() == [[2, 0], [0, 1]]
    assert train.histograms["start"].counts.tolist() == [[3, 0], [0, 1]]
    # Pressures 1, 9 and 3 with labels 0, 1 and 0: r = 16 / sqrt(2 / 3 * 104 / 3 * 9) / 3.
    assert train.correlations[0, 1] == pytest.approx(np.corrcoef([0, 1, 0], [1, 9, 3])[0, 1])


def test_bands_are_quantiles_over_the_nominal_time(train):
    [plot] = train.recordings.plots()
    healthy, faulty = plot["bands"]
    assert (plot["name"], plot["unit"]) == ("voltage", "V")
    assert (healthy["class"], healthy["count"]) == ("healthy", 3)
    assert healthy["time"] == [0.0, 0.002, 0.004]
    assert healthy["middle"] == [2.0] * 3
    # Between 1 and 3 V: 1 + 0.05 * 2 and 3 - 0.05 * 2.
    assert healthy["lower"] == pytest.approx([1.1] * 3)
    assert healthy["upper"] == pytest.approx([2.9] * 3)
    assert faulty["middle"] == [7.0, None, 7.0]


def test_examples_have_their_own_rate_and_holes(train):
    [plot] = train.recordings.plots()
    healthy, faulty = plot["examples"]
    assert sorted(line["values"][0] for line in healthy["lines"]) == [1.0, 2.0, 3.0]
    assert faulty["lines"] == [{"time": [0.0, 0.004, 0.008], "values": [7.0, None, 7.0]}]


def test_a_sample_of_many_recordings_is_of_all_parts():
    size = 4_000
    columns = {
        "faulty": lists([[0]] * size, pa.int64()),
        "voltage": lists([[float(n)] * 3 for n in range(size)], pa.float32()),
    }
    table = pa.RecordBatch.from_pydict(columns)
    parts = [table.slice(start, 500) for start in range(0, size, 500)]
    [plot] = read_train(parts, "faulty", [], {}, SIGNALS).recordings.plots()
    [band] = plot["bands"]
    assert band["count"] == 500
    # The median of 500 of 4,000 even steps has the standard error 4,000 / 2 / sqrt(500) = 89.
    assert band["middle"][0] == pytest.approx(2_000, abs=360)
    assert band["lower"][0] == pytest.approx(200, abs=160)


def page(train):
    columns = [
        ColumnSummary("faulty", "number", 0, {"mean": "0.25"}, {}),
        ColumnSummary(
            *("pressure", "number", 0.75, {"mean": "5"}),
            {
                split: Distribution(TENTHS, [n / 10 for n in range(11)])
                for split in ("train", "test")
            },
        ),
        ColumnSummary(
            *("start", "time", 0, {"first": "1970-01-01 00:00:00"}),
            {"train": Distribution([0.0, 40_000.0, 86_400.0], [0, 0.5, 1.0])},
        ),
        ColumnSummary(HOSTILE, "text", 0, {}, {"train": Distribution([HOSTILE], [1.0])}),
        ColumnSummary("voltage", "signal", 0, {"samples": "3"}, {}),
    ]
    figures = DataFigures(
        balance=[("train", 4, 1, 0.25)],
        columns=columns,
        drift=[],
        train=train,
        alerts=[Alert(HOSTILE, "is constant")],
        notes=GateNotes(drift="drift not checked", findings=f"- `{HOSTILE}` in train"),
    )
    return render_page("wells", figures, FEATURES)


def test_the_page_has_every_part(train):
    html = page(train)
    assert '<td>train</td><td class="num">4</td><td class="num">3</td>' in html
    assert "<h3>pressure, bar</h3>" in html
    assert "first 1970-01-01 00:00:00" in html
    assert "3 healthy, 1 faulty recordings" in html
    assert "The data were accepted; drift not checked." in html
    assert 'title: {text: "time, s"}' in html
    assert "Not measured: no earlier data were accepted." in html
    assert 'new Set(["start"])' in html


def test_hostile_names_are_escaped_and_nothing_elsewhere_is_named(train):
    html = page(train)
    assert HOSTILE not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    assert "http" not in html
    assert len(html) < 60_000


@needs_chromium
def test_a_browser_shows_the_page_without_an_error(train, tmp_path):
    path = publish_page(page(train), "data", STAMP, tmp_path / "reports")

    console, num_bytes = open_page(path, tmp_path)

    assert console == []
    assert num_bytes > 50_000


def test_a_table_without_signals_has_no_section_of_them():
    edges = {"pressure": np.array([0.0, 5.0, 10.0])}
    html = page(read_train(batches(), "faulty", ["faulty", "pressure"], edges, {}))
    assert re.search("<h2>Signals</h2>", html) is None
