"""Resolvers of the earlier data that new data are compared with."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence

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


class _AcceptedEarlierStrategy(ResolverStrategy):  # type: ignore[misc]
    """Resolves the statistics of earlier data that the gate accepted.

    AnomalyGate publishes a report for accepted data only, and the report names the statistics and
    their examples or span.
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
            The same keys with at most one artifact each: no statistics where no earlier data were
            accepted.
        """
        resolved: dict[str, list[Artifact]] = {
            CANDIDATE: input_dict[CANDIDATE],
            STATISTICS: [],
            REPORT: [],
        }
        if not input_dict[CANDIDATE]:
            return resolved
        statistics = {artifact.id: artifact for artifact in input_dict[STATISTICS]}
        reports = sorted(input_dict[REPORT], key=lambda report: int(report.id))
        return resolved | self.choose(input_dict[CANDIDATE][0], statistics, reports)

    @abstractmethod
    def choose(
        self, candidate: Artifact, statistics: Mapping[int, Artifact], reports: Sequence[Artifact]
    ) -> dict[str, list[Artifact]]:
        """Returns what to compare the candidate with, under `statistics` and `report`.

        Args:
            candidate: The new examples.
            statistics: All statistics, by id.
            reports: All reports, in the order of their ids.
        """


class AcceptedEarlierSpanStrategy(_AcceptedEarlierStrategy):
    """Resolves the statistics of the latest span before the candidate's that the gate accepted.

    The span's number decides, not the time of the run: a repeated run of a span is compared neither
    with itself nor with a later span, and gives the same answer every time.
    """

    def choose(
        self, candidate: Artifact, statistics: Mapping[int, Artifact], reports: Sequence[Artifact]
    ) -> dict[str, list[Artifact]]:
        """Returns the statistics of the latest earlier span with their report, or nothing."""
        span = read_span(candidate)
        # Of two reports on the same statistics the later counts.
        by_statistics = {
            report.get_int_custom_property(STATISTICS_ID_KEY): report
            for report in reports
            if report.has_custom_property(DATA_SPAN_KEY) and _span_of(report) < span
        }
        earlier = by_statistics.keys() & statistics.keys()
        if not earlier:
            return {}
        # Of two readings of one span the later counts, because it is from newer code.
        latest = max(earlier, key=lambda identity: (_span_of(by_statistics[identity]), identity))
        return {STATISTICS: [statistics[latest]], REPORT: [by_statistics[latest]]}


class AcceptedEarlierDataStrategy(_AcceptedEarlierStrategy):
    """Resolves the statistics of the data that the gate accepted last before the candidate.

    For data without spans. The order in which examples were written decides, so an unchanged run
    gets the same answer. Data that were accepted with their drift are compared with nothing again.
    """

    def choose(
        self, candidate: Artifact, statistics: Mapping[int, Artifact], reports: Sequence[Artifact]
    ) -> dict[str, list[Artifact]]:
        """Returns the latest earlier statistics with their report, or nothing.

        The report alone where the candidate itself was accepted with its drift.
        """
        by_examples = {
            report.get_int_custom_property(EXAMPLES_ID_KEY): report
            for report in reports
            if report.has_custom_property(STATISTICS_ID_KEY)
            and not report.has_custom_property(DATA_SPAN_KEY)
        }
        own = by_examples.get(candidate.id)
        if own is not None and own.get_int_custom_property(DRIFTED_KEY):
            return {REPORT: [own]}
        earlier = [
            examples_id
            for examples_id, report in by_examples.items()
            if examples_id < candidate.id
            and report.get_int_custom_property(STATISTICS_ID_KEY) in statistics
        ]
        if not earlier:
            return {}
        report = by_examples[max(earlier)]
        accepted = statistics[report.get_int_custom_property(STATISTICS_ID_KEY)]
        return {STATISTICS: [accepted], REPORT: [report]}


def read_span(examples: Artifact) -> int:
    """Returns the latest span in examples, which TFX's driver records as a custom property."""
    return int(examples.get_custom_property(utils.SPAN_PROPERTY_NAME) or 0)


def _span_of(report: Artifact) -> int:
    return int(report.get_int_custom_property(DATA_SPAN_KEY))
