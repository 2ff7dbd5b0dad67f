import pytest
from tfx.types.standard_artifacts import Examples, ExampleStatistics, ExampleValidationMetrics

from pipeline.components.example_validator.earlier_span import (
    AcceptedEarlierDataStrategy,
    AcceptedEarlierSpanStrategy,
    has_spans,
)
from pipeline.reading.files.locations import Source


def _report(identity: int, statistics_id: int, span: int) -> ExampleValidationMetrics:
    report = ExampleValidationMetrics()
    report.id = identity
    report.set_int_custom_property("statistics_id", statistics_id)
    report.set_int_custom_property("data_span", span)
    return report


def _resolved(span: int, *reports: ExampleValidationMetrics) -> tuple[list[int], list[int]]:
    """Ids of the statistics and of the report, of four statistics with ids 1 to 4."""
    candidate = Examples()
    candidate.mlmd_artifact.custom_properties["span"].int_value = span  # as TFX's driver does
    statistics = [ExampleStatistics() for _ in range(4)]
    for identity, artifact in enumerate(statistics, start=1):
        artifact.id = identity
    result = AcceptedEarlierSpanStrategy().resolve_artifacts(
        None, {"candidate": [candidate], "statistics": statistics, "report": list(reports)}
    )
    assert result["candidate"] == [candidate]
    return [s.id for s in result["statistics"]], [r.id for r in result["report"]]


def test_the_latest_accepted_span_before_the_candidates_is_compared_with():
    assert _resolved(3, _report(11, 1, span=1), _report(12, 2, span=2)) == ([2], [12])


def test_the_spans_number_decides_and_not_the_order_of_the_runs():
    assert _resolved(3, _report(11, 1, span=2), _report(12, 2, span=1)) == ([1], [11])


def test_a_span_is_not_compared_with_itself_nor_with_a_later_one():
    assert _resolved(2, _report(11, 1, span=2), _report(12, 2, span=3)) == ([], [])


def test_statistics_that_no_report_accepted_are_passed_over():
    # Statistics 2 to 4 are there as well: of runs that the gate stopped.
    assert _resolved(9, _report(11, 1, span=1)) == ([1], [11])


def test_of_two_readings_of_one_span_the_later_counts():
    assert _resolved(2, _report(12, 2, span=1), _report(11, 1, span=1)) == ([2], [12])


def test_a_report_of_data_without_spans_is_passed_over():
    assert _resolved(2, ExampleValidationMetrics()) == ([], [])


def test_without_examples_nothing_is_resolved():
    strategy = AcceptedEarlierSpanStrategy()
    empty = {"candidate": [], "statistics": [], "report": []}
    assert strategy.resolve_artifacts(None, empty) == empty


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("span-{SPAN}/*", True),
        ("span-{SPAN:3}/*", True),
        ("{YYYY}-{MM}-{DD}/*.csv", True),
        ("v{VERSION}/x.csv", False),
        ("*.csv", False),
    ],
)
def test_spans_are_recognised_by_number_and_by_date(pattern, expected):
    assert has_spans(Source(base="/data", patterns={"data": pattern})) is expected


def _data_report(identity: int, examples_id: int, *, drifted: bool = False):
    """A report on data without spans, whose statistics have the id of the examples plus 20."""
    report = ExampleValidationMetrics()
    report.id = identity
    report.set_int_custom_property("examples_id", examples_id)
    report.set_int_custom_property("statistics_id", examples_id + 20)
    report.set_int_custom_property("drifted", int(drifted))
    return report


def _resolved_data(
    candidate_id: int, *reports: ExampleValidationMetrics
) -> tuple[list[int], list[int]]:
    """Ids of the statistics and of the report, of statistics with ids 21 to 24."""
    candidate = Examples()
    candidate.id = candidate_id
    statistics = [ExampleStatistics() for _ in range(4)]
    for identity, artifact in enumerate(statistics, start=21):
        artifact.id = identity
    result = AcceptedEarlierDataStrategy().resolve_artifacts(
        None, {"candidate": [candidate], "statistics": statistics, "report": list(reports)}
    )
    return [s.id for s in result["statistics"]], [r.id for r in result["report"]]


def test_replaced_data_are_compared_with_those_accepted_before():
    assert _resolved_data(3, _data_report(31, 1), _data_report(32, 2)) == ([22], [32])


def test_an_unchanged_run_is_not_compared_with_itself_nor_with_later_data():
    assert _resolved_data(1, _data_report(31, 1), _data_report(32, 2)) == ([], [])


def test_data_accepted_with_their_drift_are_not_judged_again():
    reports = _data_report(31, 1), _data_report(32, 2, drifted=True)
    assert _resolved_data(2, *reports) == ([], [32])
    assert _resolved_data(3, *reports) == ([22], [32])


def test_reports_on_spans_are_no_reference_for_data_without():
    report = _data_report(31, 1)
    report.set_int_custom_property("data_span", 4)
    assert _resolved_data(2, report) == ([], [])
