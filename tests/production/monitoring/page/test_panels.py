from datetime import timedelta

from production.monitoring.page.panels import BAND, LIMIT, LINE, POINTS, Panel, make_panels
from tests.production.monitoring.page.months import FIRST_DAY, RECALL, broken, report


def panel_of(panels: list[Panel], title: str) -> Panel:
    (panel,) = [panel for panel in panels if panel.title == title]
    return panel


def forms(panel: Panel) -> list[tuple[str, str]]:
    return [(series.form, series.name) for series in panel.series]


def test_a_chunk_in_quarantine_breaks_lines_and_bands():
    panels = make_panels([report(0), report(1), broken(2), report(3)], {}, unit="")
    recall = panel_of(panels, "recall")
    assert forms(recall) == [
        (BAND, "estimated: interval"),
        (BAND, "estimated: interval"),
        (LINE, "estimated"),
    ]
    first, second, line = recall.series
    assert line.y == [0.86, 0.86, None, 0.86]
    assert (first.lower, first.upper) == ([0.8, 0.8], [0.92, 0.92])
    # A chunk is at its middle: noon.
    assert second.x == [(FIRST_DAY + timedelta(days=3, hours=12)).isoformat()]


def test_evidence_is_beside_its_limit():
    drift = panel_of(make_panels([report(0), report(1)], {}, unit=""), "evidence of drift")
    assert drift.is_logarithmic
    assert forms(drift) == [(LINE, "evidence"), (LIMIT, "limit")]
    evidence, limit = drift.series
    assert evidence.y == [1.5, 2.5]
    # From the beginning of the first chunk to the end of the last one.
    assert (limit.x[0], limit.x[-1]) == (
        FIRST_DAY.isoformat(),
        (FIRST_DAY + timedelta(days=2)).isoformat(),
    )
    assert limit.y == [182.6] * 4


def test_measured_figures_are_points_where_labels_are():
    panels = make_panels([report(0), report(1, measured={"recall": RECALL})], {}, unit="")
    (points,) = [one for one in panel_of(panels, "recall").series if one.form == POINTS]
    assert (points.y, points.lower, points.upper) == ([0.86], [0.8], [0.92])


def test_the_cost_has_its_unit_and_what_the_gate_measured_for_each_version():
    cost = {"cost": (420.0, 300.0, 600.0)}
    reports = [report(0, estimated=cost), report(1, estimated=cost, version=200)]
    gate = {200: {"cost": (390.0, 300.0, 500.0)}}
    panel = panel_of(make_panels(reports, gate, unit="EUR"), "cost per row, EUR")
    (limit,) = [one for one in panel.series if one.form == LIMIT]
    assert (limit.name, limit.y) == ("measured by the gate", [390.0, 390.0])
    assert limit.x[0] == (FIRST_DAY + timedelta(days=1)).isoformat()


def test_panels_without_values_are_left_out():
    reports = [report(0, estimated=None, drift=None, operations={"p99_ms": None})]
    assert make_panels(reports, {}, unit="") == []
    assert [panel.title for panel in make_panels([report(0)], {}, unit="")] == [
        "alarm rate of the model",
        "evidence of drift",
        "recall",
        "latency, ms",
        "share of failed requests",
    ]
