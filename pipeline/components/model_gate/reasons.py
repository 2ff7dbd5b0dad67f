"""Verdicts and their reasons: one reason for each bar, with one of three answers."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from measuring.intervals import UNKNOWN, Interval
from pipeline.components.model_gate.figures import figure

Word = Literal["BLESSED", "REJECTED", "INCONCLUSIVE"]
BLESSED: Word = "BLESSED"
REJECTED: Word = "REJECTED"
INCONCLUSIVE: Word = "INCONCLUSIVE"

Metrics = Mapping[str, float]

WORDS = {
    "recall": "recall",
    "precision": "precision",
    "pr_auc": "PR-AUC",
    "roc_auc": "ROC-AUC",
    "brier": "Brier score",
    "expected_cost": "cost per 1,000",
    "event_recall": "event recall",
    "false_alarms_per_hour": "false alarms an hour",
    "false_alarms_per_day": "false alarms a day",
    "delay_s": "median delay in s",
    "delay_p95_s": "95 % delay in s",
}
_LOW_BY_EVENT = {"false_alarms_per_hour", "false_alarms_per_day", "delay_s", "delay_p95_s"}
LOWER_IS_BETTER = frozenset({"brier", "expected_cost", *_LOW_BY_EVENT})


@dataclass(frozen=True, kw_only=True)
class Reason:
    """The result of one bar on the test split.

    Attributes:
        metric: Name of the metric.
        value: The model's value.
        bar: What the value is compared with, in the metric's unit.
        verdict: Whether the value clears the bar, fails it, or is inconclusive.
        text: The same in a sentence.
        slice: The slice as `column=value`, joined by commas; empty for the whole test split.
        p_value: Of the test that decides, in [0, 1]; None where an interval or the value decides.
        min_p_value: The smallest p-value that clears the bar; None without a test.
    """

    metric: str
    value: float
    bar: float
    verdict: Word
    text: str
    slice: str = ""
    p_value: float | None = None
    min_p_value: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the bar is cleared; NaN never clears it."""
        return self.verdict == BLESSED


@dataclass(frozen=True)
class Verdict:
    """The verdict, which is that of the worst reason.

    Attributes:
        reasons: Each bar.
    """

    reasons: tuple[Reason, ...]

    @property
    def blessed(self) -> bool:
        """Whether every bar is cleared."""
        return self.word == BLESSED

    @property
    def word(self) -> Word:
        """`REJECTED` if a bar is failed, else `INCONCLUSIVE` if one is inconclusive."""
        verdicts = {reason.verdict for reason in self.reasons}
        order: tuple[Word, ...] = (REJECTED, INCONCLUSIVE)
        return next((word for word in order if word in verdicts), BLESSED)

    def reasons_json(self) -> list[dict[str, Any]]:
        """Returns the reasons as JSON values."""
        return [
            asdict(reason)
            | numbers_json({"value": reason.value, "bar": reason.bar})
            | {"passed": reason.passed}
            for reason in self.reasons
        ]


def numbers_json(values: Metrics) -> dict[str, float | None]:
    """Returns the values with None for NaN and infinity, which JSON lacks."""
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def two_valued(passed: bool) -> Word:
    """The verdict of a bar without an inconclusive answer."""
    return BLESSED if passed else REJECTED


def num_faults(metrics: Metrics) -> int:
    """Returns the positive examples behind the metrics."""
    return int(metrics["true_positives"] + metrics["false_negatives"])


def with_interval(metric: str, value: float, interval: Interval = UNKNOWN) -> str:
    """Formats a value and its interval, such as `0.940 [0.791, 0.990]`."""
    lower, upper = interval
    if not math.isfinite(lower) or not math.isfinite(upper):
        return figure(metric, value)
    return f"{figure(metric, value)} [{figure(metric, lower)}, {figure(metric, upper)}]"
