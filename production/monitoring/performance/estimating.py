"""Performance of a chunk without labels, and what a change costs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from measuring.intervals import Interval, effective_trials, proportion_interval, sum_interval
from measuring.monitoring.estimated import METRICS, Estimate, estimate_performance
from measuring.monitoring.priors import PriorShift, ScoreBins, estimate_prior
from models.probabilities.cost import Cost
from production.monitoring.performance.answers import Answers, Floats
from production.monitoring.report import CONFIDENCE, UNKNOWN, Figure

_LESS_THAN_A_ROW = 0.5
_Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """What a chunk says of the model without labels.

    Attributes:
        figures: Metric to value and 95 % interval: those of `METRICS` and `alarm_rate`; `cost` is
            per row.
        prevalence_has_moved: Whether the interval of the prevalence excludes that of training.
        cost_error: Standard error of the cost per row: of labels, prevalence and rows.
        all_are_faults: Whether the scores imply that not one row is healthy. The limits are then
            those with and without the correction, whichever is further away.
    """

    figures: dict[str, Figure]
    prevalence_has_moved: bool
    cost_error: float
    all_are_faults: bool = False


def estimate(answers: Answers, *, prevalence: float, cost: Cost) -> Estimated:
    """Estimates recall, precision, PR-AUC, cost and prevalence of a chunk without labels.

    The probabilities are corrected for the prevalence that they themselves imply. If that leaves
    not one healthy row, all probabilities become 1, and the intervals nothing: a chunk of faults
    gives such scores, and so do features that have moved. The limits then cover both. Concept drift
    is invisible here: see `measuring.monitoring.estimated`.

    Args:
        answers: The answers, at least one with a probability.
        prevalence: That for which the probabilities are calibrated, in (0, 1).
        cost: The prices.
    """
    alarms = alarm_rate(answers)
    answers = answers.rows(answers.has_probability)
    bins = ScoreBins.of(answers.probabilities, answers.decisions)
    shift = estimate_prior(bins, prevalence, confidence=CONFIDENCE)
    estimates = _performance(bins, cost, shift)
    all_are_faults = (1 - shift.prior) * answers.num_rows < _LESS_THAN_A_ROW
    if all_are_faults:
        estimates = _with_limits_of(estimates, _performance(bins, cost, None))
    inspected = cost.inspection * float(alarms[0] or 0.0)
    figures = {name: figure_of(estimates[name]) for name in METRICS}
    figures["cost"] = _moved(figures["cost"], inspected)
    # Not the interval of the maximum, but that of the labels which is in `estimates`.
    return Estimated(
        figures={**figures, "alarm_rate": alarms},
        prevalence_has_moved=shift.has_moved,
        cost_error=_cost_error(answers, estimates["cost"], cost),
        all_are_faults=all_are_faults,
    )


def _performance(bins: ScoreBins, cost: Cost, shift: PriorShift | None) -> dict[str, Estimate]:
    return estimate_performance(
        bins,
        miss=cost.missed_fault,
        false_alarm=cost.false_alarm,
        shift=shift,
        confidence=CONFIDENCE,
    )


def _with_limits_of(
    estimates: Mapping[str, Estimate], others: Mapping[str, Estimate]
) -> dict[str, Estimate]:
    """Returns estimates whose intervals contain those of others too; unknown limits stay so."""
    return {
        name: Estimate(
            value=one.value,
            lower=min(one.lower, others[name].lower),
            upper=max(one.upper, others[name].upper),
        )
        for name, one in estimates.items()
    }


def estimate_notes(estimated: Estimated) -> list[str]:
    """Returns what a reader must know of estimates, in sentences."""
    if not estimated.prevalence_has_moved:
        return []
    if estimated.all_are_faults:
        return [
            "The scores imply that every row is a fault. Changed features give such scores too, "
            "and the intervals allow for both."
        ]
    return [
        f"The scores imply a prevalence of {estimated.figures['prevalence'][0]:.3%}, not that of "
        "training; the estimates take it into account."
    ]


def alarm_rate(answers: Answers) -> Figure:
    """Returns the share of alarms, with its exact interval for blocks of rows."""
    blocks = np.arange(answers.num_rows) // answers.block_length
    alarms = np.bincount(blocks, answers.decisions == 1).astype(np.float64)
    return share_figure(alarms, np.bincount(blocks).astype(np.float64))


def share_figure(successes: Floats, trials: Floats) -> Figure:
    """Returns a share over blocks and its exact interval; unknown without trials.

    Args:
        successes: float64 `[blocks]`.
        trials: float64 `[blocks]`.
    """
    total = float(trials.sum())
    if not total:
        return UNKNOWN
    share = float(successes.sum()) / total
    worth = effective_trials(successes, trials, CONFIDENCE) if len(trials) > 1 else total
    lower, upper = proportion_interval(share * worth, worth, CONFIDENCE)
    return share, lower, upper


def figure_of(estimate: Estimate) -> Figure:
    """Returns an estimate as value and limits, None for what is unknown."""
    return finite(estimate.value, (estimate.lower, estimate.upper))


def finite(value: float, interval: Interval) -> Figure:
    """Returns value and limits, None for what is not finite."""
    known = [float(x) if math.isfinite(x) else None for x in (value, *interval)]
    return known[0], known[1], known[2]


def as_estimate(figure: Figure) -> Estimate:
    """Returns value and limits as an estimate, NaN for what is unknown."""
    value, lower, upper = (math.nan if x is None else x for x in figure)
    return Estimate(value=value, lower=lower, upper=upper)


def _moved(figure: Figure, by: float) -> Figure:
    value, lower, upper = (None if x is None else x + by for x in figure)
    return value, lower, upper


def _cost_error(answers: Answers, estimate: Estimate, cost: Cost) -> float:
    p, alarm = answers.probabilities, answers.decisions == 1
    expected = np.where(alarm, cost.inspection + (1 - p) * cost.false_alarm, p * cost.missed_fault)
    rows = answers.mean(expected)
    of_labels = (estimate.upper - estimate.lower) / (2 * _Z)
    return math.hypot(of_labels, math.sqrt(float(rows.variance[0]) / rows.num_rows))


def cost_p_value(estimated: Estimated, promised: Figure) -> float:
    """Returns the p-value of an estimated cost against the upper limit of what the gate measured.

    Args:
        estimated: The estimate of the chunk.
        promised: Cost per row that the gate measured.

    Returns:
        The one-sided p-value; 1 if either is unknown.
    """
    value, limit = estimated.figures["cost"][0], promised[2]
    if value is None or limit is None:
        return 1.0
    excess = value - limit
    if not estimated.cost_error:
        return 1.0 if excess <= 0 else 0.0
    return float(special.ndtr(-excess / estimated.cost_error))


@dataclass(frozen=True, kw_only=True)
class Change:
    """The difference from what the gate measured.

    Attributes:
        recall_points: Change of the recall in points of 100, negative for a loss.
        cost_per_day: Rise of the cost a day.
    """

    recall_points: Figure
    cost_per_day: Figure


def change(
    figures: Mapping[str, Figure], promised: Mapping[str, Figure], *, rows_per_day: float
) -> Change:
    """Returns how figures differ from what the gate measured, with intervals.

    Args:
        figures: Figures of a chunk, estimated or measured.
        promised: Those that the gate measured, `cost` per row.
        rows_per_day: Rows that are answered in a day.
    """
    recall = difference(figures["recall"], promised["recall"], 100.0)
    cost = difference(figures["cost"], promised["cost"], rows_per_day)
    return Change(recall_points=recall, cost_per_day=cost)


def difference(now: Figure, then: Figure, factor: float) -> Figure:
    """Returns the difference of two independent figures times a factor."""
    if now[0] is None or then[0] is None:
        return UNKNOWN
    value = factor * (now[0] - then[0])
    parts = [(factor, *_part(now)), (-factor, *_part(then))]
    return finite(value, sum_interval(value, parts))


def _part(figure: Figure) -> tuple[float, Interval]:
    known = as_estimate(figure)
    return known.value, (known.lower, known.upper)
