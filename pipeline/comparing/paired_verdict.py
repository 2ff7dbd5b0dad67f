"""What the same test examples say of two models, as a value; needs no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NEITHER, FIRST, SECOND = "neither", "first", "second"
Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class PairedMetric:
    """A metric of both models on the same examples.

    Attributes:
        first: The first run's.
        second: The second run's.
        change: The second's less the first's.
        interval: Limits of the change; NaN where it is unknown.
        better: `first`, `second`, or `neither` where the interval holds 0 or is unknown.
    """

    first: float
    second: float
    change: float
    interval: Interval
    better: str


@dataclass(frozen=True, kw_only=True)
class PairedVerdict:
    """What the same examples say of two models.

    Attributes:
        num_examples: Examples that both were asked about.
        num_positives: Positive ones among them.
        confidence: Of intervals and of the word on decisions.
        metrics: By name.
        only_first_right: Examples that only the first run's model decides rightly.
        only_second_right: Examples that only the second run's model decides rightly.
        mcnemar_p: Chance of so unequal a pair of numbers if both were equally often right.
        better_decisions: `first`, `second` or `neither`.
    """

    num_examples: int
    num_positives: int
    confidence: float
    metrics: Mapping[str, PairedMetric]
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    better_decisions: str

    def to_json(self) -> dict[str, Any]:
        """Returns plain values for a JSON document."""
        return dataclasses.asdict(self)
