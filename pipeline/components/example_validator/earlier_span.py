"""Resolvers of the earlier data that new data are compared with."""

import re

from tfx.components.example_gen import utils
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types.artifact import Artifact

from pipeline.components.example_validator.properties import (
    DATA_SPAN_KEY,
    DRIFTED_KEY,
    EXAMPLES_ID_KEY,
    STATISTICS_ID_KEY,
)
from pipeline.reading.files.locations import Source

CANDIDATE, STATISTICS, REPORT = "candidate", "statistics", "report"

_SPAN = re.compile(r"\{SPAN(:\d+)?\}|\{YYYY\}")


def has_spans(source: Source) -> bool:
    """Returns whether data come in spans, numbered or dated."""
    return any(_SPAN.search(pattern) for pattern in source.patterns.values())


class AcceptedEarlierSpanStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the statistics of the latest span before the candidate's that the gate accepted.

    AnomalyGate publishes a report for accepted data only, and the report names the statistics and
    their span. The span's number decides, not the time of the run: a repeated run of a span is
    compared neither with itself nor with a later span, and gives the same answer every time.
    """

    def resolve_artifacts(
        self,
        store: object,  # noqa: ARG002 - the interface's
        input_dict: dict[str, list[Artifact]],
    ) -> dict[str, list[Artifact]]:
        """Returns the candidate with the earlier statistics and the report that accepted them.

        Args:
            store: The metadata store; unused.
            input_dict: Lists of artifacts under `candidate` (the new examples), `statistics` and
                `report`.

        Returns:
            The same keys with one artifact each, or none where no earlier span was accepted.
        """
        candidate = input_dict[CANDIDATE]
        if not candidate:
            return {CANDIDATE: [], STATISTICS: [], REPORT: []}
        span = read_span(candidate[0])
        reports = {
            report.get_int_custom_property(STATISTICS_ID_KEY): report
            for report in sorted(input_dict[REPORT], key=lambda report: int(report.id))
            if report.has_custom_property(DATA_SPAN_KEY)
            and report.get_int_custom_property(DATA_SPAN_KEY) < span
        }
        earlier = [statistics for statistics in input_dict[STATISTICS] if statistics.id in reports]
        if not earlier:
            return {CANDIDATE: candidate, STATISTICS: [], REPORT: []}
        # Of two readings of one span the later counts, because it is from newer code.
        latest = max(
            earlier, key=lambda statistics: (_span_of(reports[statistics.id]), int(statistics.id))
        )
        return {CANDIDATE: candidate, STATISTICS: [latest], REPORT: [reports[latest.id]]}


class AcceptedEarlierDataStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the statistics of the data that the gate accepted last before the candidate.

    For data without spans. The order in which examples were written decides, so an unchanged run
    gets the same answer. Data that were accepted with their drift are compared with nothing again.
    """

    def resolve_artifacts(
        self,
        store: object,  # noqa: ARG002 - the interface's
        input_dict: dict[str, list[Artifact]],
    ) -> dict[str, list[Artifact]]:
        """Returns the candidate with the earlier statistics and the report that accepted them.

        Args:
            store: The metadata store; unused.
            input_dict: Lists of artifacts under `candidate` (the new examples), `statistics` and
                `report`.

        Returns:
            The same keys with one artifact each. Without statistics where no earlier data were
            accepted; the report alone where the candidate itself was accepted with its drift.
        """
        candidate = input_dict[CANDIDATE]
        nothing: dict[str, list[Artifact]] = {CANDIDATE: candidate, STATISTICS: [], REPORT: []}
        if not candidate:
            return nothing
        by_examples = {
            report.get_int_custom_property(EXAMPLES_ID_KEY): report
            for report in sorted(input_dict[REPORT], key=lambda report: int(report.id))
            if report.has_custom_property(STATISTICS_ID_KEY)
            and not report.has_custom_property(DATA_SPAN_KEY)
        }
        own = by_examples.get(candidate[0].id)
        if own is not None and own.get_int_custom_property(DRIFTED_KEY):
            return nothing | {REPORT: [own]}
        statistics = {artifact.id: artifact for artifact in input_dict[STATISTICS]}
        earlier = [
            report
            for examples_id, report in by_examples.items()
            if examples_id < candidate[0].id
            and report.get_int_custom_property(STATISTICS_ID_KEY) in statistics
        ]
        if not earlier:
            return nothing
        report = max(earlier, key=lambda report: report.get_int_custom_property(EXAMPLES_ID_KEY))
        return {
            CANDIDATE: candidate,
            STATISTICS: [statistics[report.get_int_custom_property(STATISTICS_ID_KEY)]],
            REPORT: [report],
        }


def read_span(examples: Artifact) -> int:
    """Returns the latest span in examples, which TFX's driver records as a custom property."""
    return int(examples.get_custom_property(utils.SPAN_PROPERTY_NAME) or 0)


def _span_of(report: Artifact) -> int:
    return int(report.get_int_custom_property(DATA_SPAN_KEY))
