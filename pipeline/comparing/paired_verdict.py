"""Result of a paired comparison of two models, without TensorFlow."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NEITHER, FIRST, SECOND = "neither", "first", "second"
DECISIONS = "decisions"
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class PairedMetric:
    """A metric of both models on the same examples.

    Attributes:
        first: Value for the first run.
        second: Value for the second run.
        change: The second value minus the first.
        interval: Limits of the change; NaN if unknown.
        better: `first`, `second`, or `neither` if the change is not shown among all metrics: some
            intervals that exclude 0 do so by chance.
    """

    first: float
    second: float
    change: float
    interval: Interval
    better: str


@dataclass(frozen=True, kw_only=True)
class PairedVerdict:
    """Result of comparing two models on the same examples.

    Attributes:
        num_examples: Number of examples.
        num_positives: Number of positive examples.
        confidence: Confidence of the intervals and of the verdict on decisions.
        metrics: Metrics by name.
        only_first_right: Examples that only the first run's model classifies correctly.
        only_second_right: Examples that only the second run's model classifies correctly.
        mcnemar_p: Probability of counts at least this unequal if both models were equally good.
        judged_by: What decides: `expected_cost` where there are prices, else `decisions`.
        better: The better model by what decides: `first`, `second` or `neither`.
    """

    num_examples: int
    num_positives: int
    confidence: float
    metrics: Mapping[str, PairedMetric]
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    judged_by: str
    better: str

    def to_json(self) -> dict[str, Any]:
        """Returns the result as a JSON object."""
        return dataclasses.asdict(self)
