"""Rule for choosing the threshold of a model."""

from typing import Literal

from pydantic.dataclasses import dataclass

# Rules that promise a rate on new examples.
PromisedRate = Literal["recall_at_false_alarm_rate", "precision_at_recall"]


@dataclass(frozen=True, kw_only=True)
class ThresholdRule:
    """Rule for the alarm threshold.

    Attributes:
        kind: `best_f1`, `given` (by the costs: nothing to choose), or a rule that promises a rate:
            `recall_at_false_alarm_rate`, `precision_at_recall`; or, for windows of streams, the
            number of alarms in time, `false_alarms_per_day`.
        value: The threshold itself, the highest rate of false alarms, the least recall, or the most
            false alarms a day.
        confidence: Probability that the promised rate holds on new examples, in (0, 1).
    """

    kind: Literal["best_f1", "given", "false_alarms_per_day"] | PromisedRate = "best_f1"
    value: float = 0.0
    confidence: float = 0.9
