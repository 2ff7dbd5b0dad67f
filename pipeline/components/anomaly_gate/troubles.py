"""Troubles of a column's recordings, sounds or pictures, and when they stop the run."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.components.anomaly_gate.findings import Finding


class Trouble(NamedTuple):
    """Something that is wrong with some rows of a column.

    Attributes:
        num: Rows with the trouble.
        what: The trouble as a predicate, such as `are missing`.
        expected: The expectation of the config.
        advice: How to correct the data or the config.
        limit: Largest share of such rows with which the run goes on; 1 for a mere warning.
    """

    num: int
    what: str
    expected: str
    advice: str
    limit: float = 1.0


def trouble_findings(
    troubles: Iterable[Trouble], *, column: str, split: str, total: int, noun: str
) -> Iterator[Finding]:
    """Yields a finding for each trouble that a row has; within its limit it is a warning.

    Args:
        troubles: The troubles of a column.
        column: The column.
        split: The split.
        total: Rows of the split.
        noun: What a row has, in the plural, such as `sounds`.
    """
    for trouble in troubles:
        if trouble.num:
            share = trouble.num / total
            yield Finding(
                column=column,
                split=split,
                found=f"{trouble.num:,} of {total:,} {noun} ({share:.1%}) {trouble.what}",
                expected=trouble.expected,
                advice=trouble.advice,
                stops=share > trouble.limit,
            )
