"""Bars that a model with no skill does not clear.

They have only two answers: a model that does not show skill is refused.
"""

import math
from collections.abc import Iterator, Mapping

from scipy import stats

from measuring.intervals import UNKNOWN, Interval, roc_auc_interval
from models.probabilities.cost import Cost, trivial_costs
from pipeline.components.model_gate.figures import figure
from pipeline.components.model_gate.reasons import (
    INCONCLUSIVE,
    Metrics,
    Reason,
    num_faults,
    two_valued,
    with_interval,
)
from pipeline.config import Gate
from pipeline.counting import count

_CHANCE = 0.5  # ROC-AUC of a model without skill


def better_than_never(metrics: Metrics) -> Iterator[Reason]:
    """Compares with always answering "healthy", which is accurate but finds no fault."""
    hits = metrics["true_positives"]
    alarms = hits + metrics["false_positives"]
    yield Reason(
        metric="recall",
        value=metrics["recall"],
        bar=0.0,
        verdict=two_valued(hits > 0),
        text=f"finds {hits:.0f} of {count(num_faults(metrics), 'positive')} with "
        f"{count(round(alarms), 'alarm')} "
        "(always answering negative finds none)",
    )
    yield Reason(
        metric="precision",
        value=metrics["precision"],
        bar=metrics["prevalence"],
        verdict=two_valued(metrics["precision"] > metrics["prevalence"]),
        text=f"precision {figure('precision', metrics['precision'])} against "
        f"{metrics['prevalence']:.3f} of an alarm at random",
    )


def better_than_prior(
    metrics: Metrics, intervals: Mapping[str, Interval], gate: Gate, confidence: float
) -> Iterator[Reason]:
    """Compares with always answering the prevalence p: PR-AUC p, ROC-AUC 1/2, Brier p (1 - p)."""
    prevalence = metrics["prevalence"]
    bar = prevalence + gate.min_pr_auc_gain * (1 - prevalence)
    yield Reason(
        metric="pr_auc",
        value=metrics["pr_auc"],
        bar=bar,
        verdict=two_valued(metrics["pr_auc"] > bar),
        text=f"PR-AUC {figure('pr_auc', metrics['pr_auc'])} against {bar:.3f} "
        f"(prevalence {prevalence:.3f} and {gate.min_pr_auc_gain:.0%} of the way to 1)",
    )
    yield _better_than_chance(metrics, intervals, confidence)
    prior_brier = prevalence * (1 - prevalence)
    yield Reason(
        metric="brier",
        value=metrics["brier"],
        bar=prior_brier,
        verdict=two_valued(metrics["brier"] < prior_brier),
        text=f"Brier score {figure('brier', metrics['brier'])} against {prior_brier:.4f} of always "
        "answering the prevalence",
    )


def _better_than_chance(
    metrics: Metrics, intervals: Mapping[str, Interval], confidence: float
) -> Reason:
    value, interval = metrics["roc_auc"], intervals.get("roc_auc", UNKNOWN)
    bar = roc_auc_of_chance(metrics, confidence)
    text = (
        f"ROC-AUC {with_interval('roc_auc', value, interval)} against {figure('roc_auc', bar)}, "
        f"which a model without skill exceeds in {(1 - confidence) / 2:.1%} of test splits"
    )
    # With examples in groups, the interval is the stricter of the two conditions.
    has_skill = value > bar and not interval[0] <= _CHANCE
    verdict = two_valued(has_skill)
    if value > bar and not has_skill:
        text += "; the interval reaches down to chance, 0.500"
    if not math.isnan(bar) and not math.isnan(value) and _too_few_for_chance(metrics, confidence):
        verdict = INCONCLUSIVE
        text += (
            "; too few examples; even a perfect ranking of "
            f"{count(num_faults(metrics), 'fault')} would not differ from chance"
        )
    return Reason(metric="roc_auc", value=value, bar=bar, verdict=verdict, text=text)


def _too_few_for_chance(metrics: Metrics, confidence: float) -> bool:
    positives = num_faults(metrics)
    negatives = metrics["num_examples"] - positives
    lowest = roc_auc_interval(1.0, positives, negatives, confidence)[0]
    return roc_auc_of_chance(metrics, confidence) >= 1.0 or lowest <= _CHANCE


def roc_auc_of_chance(metrics: Metrics, confidence: float) -> float:
    """Returns the highest ROC-AUC that chance explains; NaN where a class is missing.

    The standard error is taken at chance: the question is whether a model without any skill would
    show this ROC-AUC, and at a perfect score the error at the observed value would be 0.

    Args:
        metrics: A model's metrics.
        confidence: Two-sided confidence; chance exceeds the value with half of the rest.

    References:
        Hanley & McNeil (1982), The meaning and use of the area under a ROC curve, Radiology 143,
        with A = 1/2: Q1 = Q2 = 1/3, so SE^2 = (n+ + n- + 1) / (12 n+ n-), as in the rank sum test.
    """
    positives = metrics["true_positives"] + metrics["false_negatives"]
    negatives = metrics["true_negatives"] + metrics["false_positives"]
    if not positives or not negatives:
        return math.nan
    error = math.sqrt((positives + negatives + 1) / (12 * positives * negatives))
    return _CHANCE + float(stats.norm.ppf((1 + confidence) / 2)) * error


def anchor_score(
    metrics: Metrics, intervals: Mapping[str, Interval], cost: Cost | None
) -> float | None:
    """Returns how good the model surely is: 0 without skill, 1 perfect; None if unknown.

    It is the limit of PR-AUC or, with prices, of the cost, as a share of the way from a model
    without skill to a perfect one, so that splits of unequal prevalence compare.
    """
    prevalence = metrics["prevalence"]
    if cost is None:
        trivial, perfect = prevalence, 1.0
        limit = intervals.get("pr_auc", UNKNOWN)[0]
    else:
        trivial, perfect = (
            min(trivial_costs(prevalence, cost)),
            1_000 * prevalence * cost.inspection,
        )
        limit = intervals.get("expected_cost", UNKNOWN)[1]
    if not math.isfinite(limit) or trivial == perfect:
        return None
    return (limit - trivial) / (perfect - trivial)


def cheaper_than_trivial(metrics: Metrics, cost: Cost) -> Reason:
    """Compares with no alarm at all and with an alarm for every example, whichever is cheaper."""
    never, always = trivial_costs(metrics["prevalence"], cost)
    words = "never raising an alarm" if never <= always else "an alarm for everything"
    value, bar = metrics["expected_cost"], min(never, always)
    return Reason(
        metric="expected_cost",
        value=value,
        bar=bar,
        verdict=two_valued(value < bar),
        text=f"costs {figure('expected_cost', value)} {cost.unit} per 1,000 examples against "
        f"{figure('expected_cost', bar)} of {words}".replace("  ", " "),
    )
