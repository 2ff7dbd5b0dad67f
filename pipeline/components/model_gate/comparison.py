"""Comparison with earlier models on the same examples: the last blessed one and the anchor."""

from collections.abc import Iterator
from dataclasses import dataclass

from measuring.bootstrap import COST, PR_AUC
from measuring.intervals import UNKNOWN, mcnemar_p_value
from models.probabilities.cost import Cost
from pipeline.components.evaluation.measurement import FROM_ANCHOR, FROM_BASELINE, GAINED, LOST
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import compare, more_needed
from pipeline.components.model_gate.figures import figure
from pipeline.components.model_gate.more_data import fewest_for_share, need_of_mean
from pipeline.components.model_gate.reasons import (
    INCONCLUSIVE,
    Reason,
    num_faults,
    two_valued,
)
from pipeline.config import Gate
from pipeline.counting import count


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """An earlier model on the candidate's examples.

    Attributes:
        evaluation: Its metrics.
        suffix: Of the names of the candidate's changes from it.
        name: The model in words.
        since: The run of an anchor; empty for the last blessed model.
        num_models: The models blessed since then, the candidate included.
    """

    evaluation: Evaluation
    suffix: str = FROM_BASELINE
    name: str = "the model blessed before"
    since: str = ""
    num_models: int = 1

    @classmethod
    def anchor(cls, evaluation: Evaluation, since: str, num_models: int) -> "Earlier":
        """Returns the anchor."""
        return cls(
            evaluation=evaluation,
            suffix=FROM_ANCHOR,
            name="the anchor",
            since=since,
            num_models=num_models,
        )

    def change_text(self, change: str, limits: str) -> str:
        """Returns the change with its limits and, for the anchor, since when."""
        if not self.since:
            return f"{self.name}: {change} [{limits}]"
        models = count(self.num_models, "model")
        return f"{self.name}, since {self.since}: {change} [{limits}] in {models}"


def not_worse(
    measured: Evaluation, before: Earlier, gate: Gate, cost: Cost | None, confidence: float
) -> Iterator[Reason]:
    """Yields the reasons of the comparison.

    With prices, the cost alone decides. Without them PR-AUC decides, and a model that finds
    significantly fewer faults than the last blessed one is refused whatever its PR-AUC.
    """
    if cost is not None:
        yield _cost(measured, before, gate, cost, confidence)
        return
    yield _pr_auc(measured, before, gate, confidence)
    if not before.since:
        yield _found_faults(measured, before.evaluation, confidence)


def _pr_auc(measured: Evaluation, before: Earlier, gate: Gate, confidence: float) -> Reason:
    name = f"{PR_AUC}{before.suffix}"
    metrics, change = measured.overall, measured.overall[name]
    interval = measured.intervals[()].get(name, UNKNOWN)
    earlier = before.evaluation.overall[PR_AUC]
    # A model without skill has the prevalence as its PR-AUC: a drop counts as a share of the gain.
    drop = gate.max_pr_auc_drop * max(earlier - metrics["prevalence"], 0.0)
    verdict = compare(interval, -drop)
    change_text = before.change_text(
        f"{change:+.3f}", ", ".join(f"{limit:+.3f}" for limit in interval)
    )
    text = (
        f"PR-AUC {metrics[PR_AUC]:.3f} against {earlier:.3f} of {change_text}, "
        f"may be {drop:.3f} lower ({gate.max_pr_auc_drop:.2g} of its gain over the prevalence)"
    )
    if verdict == INCONCLUSIVE:
        faults = num_faults(metrics)
        least = fewest_for_share(1 - drop, confidence) if 0 < drop < 1 else 1
        if faults < least:
            text += f": too small, {count(faults, 'fault')}; a comparison needs {least}"
        else:
            text += f": {more_needed(need_of_mean(change, interval, -drop, confidence), metrics)}"
    return Reason(
        metric=PR_AUC, value=metrics[PR_AUC], bar=earlier - drop, verdict=verdict, text=text
    )


def _cost(
    measured: Evaluation, before: Earlier, gate: Gate, cost: Cost, confidence: float
) -> Reason:
    name = f"{COST}{before.suffix}"
    metrics, change = measured.overall, measured.overall[name]
    interval = measured.intervals[()].get(name, UNKNOWN)
    earlier = before.evaluation.overall[COST]
    rise = gate.max_cost_rise * earlier
    verdict = compare(interval, rise, lower_is_better=True)
    change_text = before.change_text(_signed(change), ", ".join(map(_signed, interval)))
    text = (
        f"costs {figure(COST, metrics[COST])} {cost.unit} per 1,000 examples against "
        f"{figure(COST, earlier)} of {change_text}, may be {figure(COST, rise)} higher"
    ).replace("  ", " ")
    if verdict == INCONCLUSIVE:
        need = need_of_mean(change, interval, rise, confidence, lower_is_better=True)
        text += f": {more_needed(need, metrics)}"
    return Reason(metric=COST, value=metrics[COST], bar=earlier + rise, verdict=verdict, text=text)


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
