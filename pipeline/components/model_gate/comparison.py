"""Comparison with the previously blessed model on the same examples."""

from collections.abc import Iterator

from measuring.bootstrap import COST, FEWEST_UNITS, PR_AUC
from measuring.intervals import UNKNOWN, mcnemar_p_value
from models.probabilities.cost import Cost
from pipeline.components.evaluation.measurement import GAINED, LOST
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import compare, more_needed
from pipeline.components.model_gate.more_data import growth_of_mean
from pipeline.components.model_gate.reasons import (
    INCONCLUSIVE,
    Reason,
    figure,
    num_faults,
    two_valued,
)
from pipeline.config import Gate
from pipeline.counting import count


def not_worse(
    measured: Evaluation, before: Evaluation, gate: Gate, cost: Cost | None, confidence: float
) -> Iterator[Reason]:
    """Yields the reasons of the comparison.

    With prices, the cost alone decides. Without them PR-AUC decides, and a model that finds
    significantly fewer faults is refused whatever its PR-AUC.
    """
    if cost is not None:
        yield _cost(measured, before, gate, cost)
        return
    yield _pr_auc(measured, before, gate)
    yield _found_faults(measured, before, confidence)


def _pr_auc(measured: Evaluation, before: Evaluation, gate: Gate) -> Reason:
    metrics, change = measured.overall, measured.overall[f"{PR_AUC}_diff"]
    interval = measured.intervals[()].get(f"{PR_AUC}_diff", UNKNOWN)
    verdict = compare(interval, -gate.max_pr_auc_drop)
    limits = ", ".join(f"{limit:+.3f}" for limit in interval)
    text = (
        f"PR-AUC {metrics[PR_AUC]:.3f} against {before.overall[PR_AUC]:.3f} of the model blessed "
        f"before: {change:+.3f} [{limits}], may be {gate.max_pr_auc_drop:g} lower"
    )
    if verdict == INCONCLUSIVE and not interval[0] > -1:
        faults = count(num_faults(metrics), "fault")
        text = f"{text}: too small, {faults}; a comparison needs {FEWEST_UNITS}"
    elif verdict == INCONCLUSIVE:
        growth = growth_of_mean(change, interval, -gate.max_pr_auc_drop)
        text += f": {more_needed(growth, metrics)}"
    bar = before.overall[PR_AUC] - gate.max_pr_auc_drop
    return Reason(metric=PR_AUC, value=metrics[PR_AUC], bar=bar, verdict=verdict, text=text)


def _cost(measured: Evaluation, before: Evaluation, gate: Gate, cost: Cost) -> Reason:
    metrics, change = measured.overall, measured.overall[f"{COST}_diff"]
    interval = measured.intervals[()].get(f"{COST}_diff", UNKNOWN)
    rise = gate.max_cost_rise * before.overall[COST]
    verdict = compare(interval, rise, lower_is_better=True)
    limits = ", ".join(_signed(limit) for limit in interval)
    text = (
        f"costs {figure(COST, metrics[COST])} {cost.unit} per 1,000 examples against "
        f"{figure(COST, before.overall[COST])} of the model blessed before: {_signed(change)} "
        f"[{limits}], may be {figure(COST, rise)} higher"
    ).replace("  ", " ")
    if verdict == INCONCLUSIVE:
        text += f": {more_needed(growth_of_mean(change, interval, rise), metrics)}"
    bar = before.overall[COST] + rise
    return Reason(metric=COST, value=metrics[COST], bar=bar, verdict=verdict, text=text)


def _signed(value: float) -> str:
    return f"{value:+,.0f}" if abs(value) >= 100 else f"{value:+.3g}"


def _found_faults(measured: Evaluation, before: Evaluation, confidence: float) -> Reason:
    lost, gained = (int(measured.overall[name]) for name in (LOST, GAINED))
    p_value, min_p_value = mcnemar_p_value(lost, gained), (1 - confidence) / 2
    return Reason(
        metric="recall",
        value=measured.overall["recall"],
        bar=before.overall["recall"],
        verdict=two_valued(p_value > min_p_value),
        text=f"misses {count(lost, 'fault')} that the model blessed before finds, finds {gained} "
        f"that it misses (McNemar's exact test: p = {p_value:.2g})",
        p_value=p_value,
        min_p_value=min_p_value,
    )
