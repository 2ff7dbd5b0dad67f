"""The metrics of each model with their intervals, and the differences between two models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from common.config_values import JsonValue
from measuring.answers import Answers, in_order, num_units
from measuring.bootstrap import (
    BRIER,
    COST,
    PR_AUC,
    ROC_AUC,
    UNMET,
    change_interval,
    differences,
    percentile_interval,
    resample,
)
from measuring.events.scores import event_scores
from measuring.intervals import (
    UNKNOWN,
    Interval,
    effective_trials,
    proportion_interval,
    roc_auc_interval,
    score_interval,
    sum_interval,
    widest,
)
from measuring.scores import areas_by_fault, decision_metrics, probability_metrics
from models.probabilities.cost import Cost, decision_costs
from pipeline.components.evaluation.eval_config import (
    ANCHOR,
    BASELINE,
    CANDIDATE,
    DECISION,
    PROBABILITY,
)
from pipeline.config import Config

# Counts of decisions in which the candidate differs from the baseline.
LOST, GAINED = "faults_lost", "faults_gained"
ADDED, REMOVED = "false_alarms_added", "false_alarms_removed"
CHANGES = (LOST, GAINED, ADDED, REMOVED)
# Metrics whose change has an interval.
COMPARED = (PR_AUC, ROC_AUC, BRIER, COST)
# Suffixes of the changes from the last blessed model, as TFMA has them, and from the anchor.
FROM_BASELINE, FROM_ANCHOR = "_diff", "_from_anchor"

_FALL_OUT = "false_alarm_rate"

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@checked_dataclass(frozen=True, kw_only=True)
class MeasureOptions(JsonValue):
    """Confidence, prices and groups of the measurement.

    Attributes:
        confidence: Two-sided confidence of every interval, in [0.5, 1).
        cost: Prices; None without `cost` in the config.
        group: Column whose equal values are not independent examples, or None.
    """

    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    cost: Cost | None = None
    group: str | None = None


def measure_options(config: Config) -> MeasureOptions:
    """Returns the options of a use case."""
    return MeasureOptions(
        confidence=config.evaluation.confidence,
        cost=config.cost,
        group=config.split.dependent_by,
    )


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its interval.

    Attributes:
        value: The value; NaN if it is undefined.
        interval: Lower and upper limit; None for a count, NaN if unknown.
    """

    value: float
    interval: Interval | None = None


Estimates = Mapping[str, Estimate]


@dataclass(frozen=True)
class Measured:
    """The measurements of one slice.

    Attributes:
        models: Model to output to metric.
        differences: Output to metric: candidate minus baseline, on the same examples.
        from_anchor: The same: candidate minus anchor.
    """

    models: Mapping[str, Mapping[str, Estimates]]
    differences: Mapping[str, Estimates] = field(default_factory=dict)
    from_anchor: Mapping[str, Estimates] = field(default_factory=dict)


def measure(answers: Answers, options: MeasureOptions) -> Measured:
    """Returns the metrics of every model and the paired differences from baseline and anchor."""
    answers = in_order(answers)
    costs = None if options.cost is None else example_costs(answers, options.cost)
    resampled = resample(answers, costs)
    models = {
        model: _measure_model(answers, model, resampled[model], options) for model in answers.models
    }
    if BASELINE not in answers.models:
        return Measured(models)
    counts = _changed_decisions(answers, BASELINE)
    models[CANDIDATE][DECISION] |= {
        name: Estimate(float(mask.sum())) for name, (_, mask) in counts.items()
    }
    from_baseline, from_anchor = (
        _differences(answers, models, resampled, options, other) if other in models else {}
        for other in (BASELINE, ANCHOR)
    )
    return Measured(models, from_baseline, from_anchor)


def example_costs(answers: Answers, cost: Cost) -> NDArray[np.float64]:
    """Returns what each model's decision on each example costs, float64 `[n, models]`."""
    return decision_costs(answers.labels[:, None], answers.decisions, cost)


def _measure_model(
    answers: Answers, model: str, resampled: Mapping[str, Values], options: MeasureOptions
) -> dict[str, dict[str, Estimate]]:
    probabilities, decisions = answers.of(model)
    positives, negatives = num_units(answers)
    limits = {
        name: percentile_interval(values, positives, options.confidence)
        for name, values in resampled.items()
    }
    for name, unmet in UNMET.items():
        limits[name] = limits.pop(unmet)[0], limits[name][1]
    probability = probability_metrics(answers.labels, probabilities)
    pr_auc = score_interval(probability[PR_AUC], positives, options.confidence)
    roc_auc = roc_auc_interval(probability[ROC_AUC], positives, negatives, options.confidence)
    brier = _brier_limits(answers, model, probability[BRIER], options.confidence)
    for name, exact in ((PR_AUC, pr_auc), (ROC_AUC, roc_auc), (BRIER, brier)):
        limits[name] = widest(limits[name], exact)
    decision = decision_metrics(answers.labels, decisions)
    limits |= _decision_limits(answers, model, options.confidence)
    if options.cost is not None:
        decision[COST], exact = _expected_cost(answers, decision, limits, options.cost)
        by_group = UNKNOWN if answers.groups is None else _per_thousand(limits[COST])
        limits[COST] = widest(by_group, exact)
    estimates = {
        output: {name: Estimate(value, limits.get(name)) for name, value in values.items()}
        for output, values in ((PROBABILITY, probability), (DECISION, decision))
    }
    estimates[DECISION] |= _by_event(answers, decisions, options.confidence)
    return estimates


def _by_event(
    answers: Answers, decisions: NDArray[np.int8], confidence: float
) -> dict[str, Estimate]:
    """The metrics by event; none unless the examples are windows of streams."""
    if answers.timeline is None:
        return {}
    scores = event_scores(answers.timeline, decisions, confidence)
    return {name: Estimate(value, interval) for name, (value, interval) in scores.items()}


def _brier_limits(answers: Answers, model: str, value: float, confidence: float) -> Interval:
    """The limits of the Brier score from those of both classes' mean squares.

    A square in [0, 1] has at most the variance of a Bernoulli variable with the same mean, so the
    exact interval of a proportion is valid for it.
    """
    errors = np.abs(answers.probabilities[:, answers.models.index(model)] - answers.labels)
    if not np.isfinite(errors).all():
        return UNKNOWN
    total, parts = len(answers.labels), []
    for positive, units in zip((True, False), num_units(answers), strict=True):
        squares = errors[(answers.labels == 1) == positive] ** 2
        if squares.size:
            mean = float(squares.mean())
            limits = proportion_interval(mean * units, units, confidence)
            parts.append((squares.size / total, mean, limits))
    return sum_interval(value, parts)


def _decision_limits(answers: Answers, model: str, confidence: float) -> dict[str, Interval]:
    """The limits of recall, precision and the rate of false alarms, exact."""
    alarm = answers.decisions[:, answers.models.index(model)] == 1
    fault = answers.labels == 1
    return {
        name: _share_interval(answers, among, alarm & fault, confidence)
        for name, among in (("recall", fault), ("precision", alarm))
    } | {_FALL_OUT: _share_interval(answers, ~fault, alarm & ~fault, confidence)}


def _expected_cost(
    answers: Answers, decision: Mapping[str, float], limits: Mapping[str, Interval], cost: Cost
) -> tuple[float, Interval]:
    """Cost per 1,000 examples, with limits from those of recall and of false alarms."""
    costs = [cost.missed_fault, cost.inspection + cost.false_alarm, cost.inspection]
    counts = [decision[name] for name in ("false_negatives", "false_positives", "true_positives")]
    total = len(answers.labels)
    value = 1_000 * sum(price * count for price, count in zip(costs, counts, strict=True)) / total
    faults = int((answers.labels == 1).sum())
    false_rate = decision["false_positives"] / max(total - faults, 1)
    parts = [
        (-_weight(faults, total, cost.regret_of_miss), decision["recall"], limits["recall"]),
        (_weight(total - faults, total, cost.regret_of_alarm), false_rate, limits[_FALL_OUT]),
    ]
    return value, sum_interval(value, [part for part in parts if part[0]])


def _weight(count: int, total: int, price: float) -> float:
    """Cost per 1,000 examples of a share of `count` examples."""
    return 1_000 * count / total * price


def _changed_decisions(answers: Answers, other: str) -> dict[str, tuple[Mask, Mask]]:
    """By kind of change: the examples concerned, and those with a changed decision."""
    now, before = (answers.of(model)[1] == 1 for model in (CANDIDATE, other))
    fault = answers.labels == 1
    return {
        LOST: (fault, fault & before & ~now),
        GAINED: (fault, fault & now & ~before),
        ADDED: (~fault, ~fault & now & ~before),
        REMOVED: (~fault, ~fault & before & ~now),
    }


def _differences(
    answers: Answers,
    models: Mapping[str, Mapping[str, Estimates]],
    resampled: Mapping[str, Mapping[str, Values]],
    options: MeasureOptions,
    other: str,
) -> dict[str, dict[str, Estimate]]:
    """The candidate's changes from another model; none if both answer every example alike."""
    positives, _ = num_units(answers)
    now, before = answers.of(CANDIDATE), answers.of(other)
    alike = np.array_equal(now[0], before[0]) and np.array_equal(now[1], before[1])
    losses = {} if alike else _losses(answers, other)
    estimates: dict[str, dict[str, Estimate]] = {PROBABILITY: {}, DECISION: {}}
    for name, values in differences(resampled, CANDIDATE, other).items():
        output = DECISION if name == COST else PROBABILITY
        value = models[CANDIDATE][output][name].value - models[other][output][name].value
        if alike:
            limits = 0.0, 0.0
        elif name == COST and options.cost is not None:
            limits = percentile_interval(values, positives, options.confidence)
            exact = _cost_change(answers, other, value, options)
            limits = widest(_per_thousand(limits), exact)
        else:
            limits = change_interval(values, value, positives, options.confidence)
            limits = widest(limits, _change_bound(answers, losses[name], value, options))
        estimates[output][name] = Estimate(value, limits)
    return estimates


def _losses(answers: Answers, other: str) -> dict[str, Values]:
    """By metric: what the candidate adds to each example's part of it, in [-1, 1].

    NaN for examples that have no part in the metric: the areas are means over faults.
    """
    now, before = (answers.of(model)[0] for model in (CANDIDATE, other))
    fault = answers.labels == 1
    changes = {BRIER: (now - answers.labels) ** 2 - (before - answers.labels) ** 2}
    areas = [areas_by_fault(answers.labels, probabilities) for probabilities in (now, before)]
    for name in (PR_AUC, ROC_AUC):
        changes[name] = np.full(len(fault), np.nan)
        changes[name][fault] = areas[0][name] - areas[1][name]
    return changes


def _change_bound(
    answers: Answers, changes: Values, value: float, options: MeasureOptions
) -> Interval:
    """The limits of a mean change, from the exact limits of what was gained and lost.

    They allow for a change that has met no example of the split, as none of 30 faults is met by a
    change that affects 7 % of faults in 0.93^30 = 11 % of splits. A part in [0, 1] has at most the
    variance of a Bernoulli variable with the same mean.
    """
    has_part = np.isfinite(changes)
    total, parts = int(has_part.sum()), []
    for among in (has_part & (answers.labels == 1), has_part & (answers.labels != 1)):
        weight = float(among.sum()) / max(total, 1)
        for sign in (1, -1):
            part = np.where(among, np.maximum(sign * changes, 0), 0)
            limits = _share_interval(answers, among, part, options.confidence)
            parts.append((sign * weight, float(part.sum()) / max(among.sum(), 1), limits))
    return sum_interval(value, [part for part in parts if part[0]]) if total else UNKNOWN


def _cost_change(answers: Answers, other: str, value: float, options: MeasureOptions) -> Interval:
    """The limits of the change of cost, from the shares of changed decisions."""
    if options.cost is None:
        return UNKNOWN
    cost = options.cost
    prices = {
        LOST: cost.regret_of_miss,
        GAINED: -cost.regret_of_miss,
        ADDED: cost.regret_of_alarm,
        REMOVED: -cost.regret_of_alarm,
    }
    total, parts = len(answers.labels), []
    for name, (among, changed) in _changed_decisions(answers, other).items():
        count = int(among.sum())
        if count:
            limits = _share_interval(answers, among, changed, options.confidence)
            share = float(changed.sum()) / count
            parts.append((_weight(count, total, prices[name]), share, limits))
    return sum_interval(value, parts)


def _share_interval(
    answers: Answers, among: Mask, chosen: Mask | Values, confidence: float
) -> Interval:
    """The exact interval of a share; examples in groups count as their effective trials.

    Args:
        answers: The answers.
        among: bool `[n]`, the trials.
        chosen: `[n]` in [0, 1], the success of each trial.
        confidence: Two-sided confidence.
    """
    chosen = np.where(among, chosen, 0)
    trials, successes = float(among.sum()), float(chosen.sum())
    if answers.groups is None or not trials:
        return proportion_interval(successes, trials, confidence)
    groups, places = np.unique(answers.groups, return_inverse=True)
    hits, totals = (
        np.bincount(places, weights=mask, minlength=len(groups)).astype(np.float64)
        for mask in (chosen, among)
    )
    worth = effective_trials(hits, totals, confidence)
    return proportion_interval(successes * worth / trials, worth, confidence)


def _per_thousand(interval: Interval) -> Interval:
    return 1_000 * interval[0], 1_000 * interval[1]
