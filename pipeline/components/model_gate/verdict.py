"""The verdict on a model, from its metrics and those of the model blessed before it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.config import Gate

# One-sided 95 % quantile of the standard normal distribution.
_Z95 = 1.6449

Metrics = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One bar and whether the model clears it.

    Attributes:
        metric: Name of the metric.
        value: The model's value.
        bar: What the value is compared with.
        passed: Whether it clears the bar; never with a value that is not a number.
        text: The same in a sentence.
    """

    metric: str
    value: float
    bar: float
    passed: bool
    text: str


@dataclass(frozen=True)
class Verdict:
    """The verdict: blessed if every bar is cleared.

    Attributes:
        reasons: Each bar.
    """

    reasons: tuple[Reason, ...]

    @property
    def blessed(self) -> bool:
        """Whether every bar is cleared."""
        return all(reason.passed for reason in self.reasons)

    @property
    def word(self) -> str:
        """`BLESSED` or `REJECTED`."""
        return "BLESSED" if self.blessed else "REJECTED"

    def reasons_json(self) -> list[dict[str, Any]]:
        """Returns the reasons as JSON values."""
        return [
            asdict(reason) | numbers_json({"value": reason.value, "bar": reason.bar})
            for reason in self.reasons
        ]


def numbers_json(values: Metrics) -> dict[str, float | None]:
    """Returns the values with None for what is not a number, for which JSON has no word."""
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def judge(metrics: Metrics, blessed_before: Metrics | None, gate: Gate) -> Verdict:
    """Judges a model on the test split.

    A model of a label that is pure noise can still clear the bars: in eight simulated cases of
    1,000 models each, 0 to 3.6 % were blessed. The bound on ROC-AUC alone lets about 5 % pass.

    Args:
        metrics: Its metrics; see `pipeline.components.evaluation.eval_config`.
        blessed_before: The same of the latest blessed model on the same examples, or None.
        gate: The bars.
    """
    reasons = [*_better_than_never(metrics), *_better_than_prior(metrics, gate)]
    if blessed_before is not None:
        reasons.append(_not_worse(metrics, blessed_before, gate))
    return Verdict(tuple(reasons))


def _better_than_never(metrics: Metrics) -> Iterator[Reason]:
    """The model that always answers "healthy" finds nothing, however accurate it is."""
    positives = metrics["true_positives"] + metrics["false_negatives"]
    found, alarms = (
        metrics["true_positives"],
        metrics["true_positives"] + metrics["false_positives"],
    )
    yield Reason(
        metric="recall",
        value=metrics["recall"],
        bar=0.0,
        passed=found > 0,
        text=f"finds {found:.0f} of {positives:.0f} positives with {alarms:.0f} alarms "
        "(always answering negative finds none)",
    )
    yield Reason(
        metric="precision",
        value=metrics["precision"],
        bar=metrics["prevalence"],
        passed=metrics["precision"] > metrics["prevalence"],
        text=f"precision {_figure(metrics['precision'])} against {metrics['prevalence']:.3f} of an "
        "alarm at random",
    )


def _better_than_prior(metrics: Metrics, gate: Gate) -> Iterator[Reason]:
    """The model that always answers the prevalence has PR-AUC p, ROC-AUC 1/2, Brier p (1 - p)."""
    prevalence = metrics["prevalence"]
    bar = prevalence + gate.min_pr_auc_gain * (1 - prevalence)
    yield Reason(
        metric="pr_auc",
        value=metrics["pr_auc"],
        bar=bar,
        passed=metrics["pr_auc"] > bar,
        text=f"PR-AUC {_figure(metrics['pr_auc'])} against {bar:.3f} "
        f"(prevalence {prevalence:.3f} and {gate.min_pr_auc_gain:.0%} of the way to 1)",
    )
    lower = roc_auc_lower_bound(metrics)
    yield Reason(
        metric="roc_auc",
        value=metrics["roc_auc"],
        bar=0.5,
        passed=lower > 0.5,
        text=f"ROC-AUC {_figure(metrics['roc_auc'])}, at least {_figure(lower)} with 95 % "
        "confidence, against 0.500 of chance",
    )
    prior_brier = prevalence * (1 - prevalence)
    yield Reason(
        metric="brier",
        value=metrics["brier"],
        bar=prior_brier,
        passed=metrics["brier"] < prior_brier,
        text=f"Brier score {_figure(metrics['brier'], 4)} against {prior_brier:.4f} of always "
        "answering the prevalence",
    )


def _not_worse(metrics: Metrics, before: Metrics, gate: Gate) -> Reason:
    bar = before["pr_auc"] - gate.max_pr_auc_drop
    return Reason(
        metric="pr_auc",
        value=metrics["pr_auc"],
        bar=bar,
        passed=metrics["pr_auc"] >= bar,
        text=f"PR-AUC {_figure(metrics['pr_auc'])} against {before['pr_auc']:.3f} of the model "
        f"blessed before (may be {gate.max_pr_auc_drop} lower)",
    )


def roc_auc_lower_bound(metrics: Metrics) -> float:
    """Returns the one-sided 95 % lower bound of ROC-AUC; NaN where a class is missing.

    The standard error is taken at chance: the question is whether a model without any skill would
    show this ROC-AUC, and for a perfect score the error at the observed value would be 0.

    References:
        Hanley & McNeil (1982), The meaning and use of the area under a ROC curve, Radiology 143,
        with A = 1/2: Q1 = Q2 = 1/3, so SE^2 = (n+ + n- + 1) / (12 n+ n-), as in the rank sum test.
    """
    positives = metrics["true_positives"] + metrics["false_negatives"]
    negatives = metrics["true_negatives"] + metrics["false_positives"]
    if not positives or not negatives:
        return math.nan
    error = math.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    return metrics["roc_auc"] - _Z95 * error


def _figure(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "without a value"
