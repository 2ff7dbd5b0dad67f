"""Rule for choosing the threshold of a model."""

from typing import Literal

from pydantic.dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ThresholdRule:
    """How the threshold is found.

    Attributes:
        kind: `best_f1`, `given` (by prices: nothing to choose), or what is best on eval:
            `recall_at_false_alarm_rate`, `precision_at_recall`.
        value: The threshold itself, the highest rate of false alarms, or the least recall.
    """

    kind: Literal["best_f1", "given", "recall_at_false_alarm_rate", "precision_at_recall"] = (
        "best_f1"
    )
    value: float = 0.0
