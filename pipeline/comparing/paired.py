"""Paired comparison of two models on the same examples."""

from dataclasses import replace

from measuring.answers import Answers
from measuring.intervals import mcnemar_p_value, widest
from pipeline.comparing.paired_verdict import (
    DECISIONS,
    FIRST,
    NEITHER,
    SECOND,
    Interval,
    PairedMetric,
    PairedVerdict,
)
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE, DECISION, PROBABILITY
from pipeline.components.evaluation.measurement import (
    ADDED,
    GAINED,
    LOST,
    REMOVED,
    Estimate,
    MeasureOptions,
    measure,
)
from pipeline.components.names import COST

# Lower is better.
_LOSSES = ("brier", COST)


def judge(answers: Answers, options: MeasureOptions) -> PairedVerdict:
    """Returns the verdict on the predictions of two models.

    With prices the expected cost decides, without them McNemar's test of the decisions.

    The intervals are those of the gate, applied in both directions: the gate's own is wider towards
    a worse candidate, whereas here neither model bears the burden of proof.

    Args:
        answers: The first run's model is the baseline, the second's the candidate.
        options: Confidence, costs, and the grouping of examples.
    """
    measured = measure(answers, options)
    turned = measure(_turned(answers), options)
    counts = measured.models[CANDIDATE][DECISION]
    only_first = int(counts[LOST].value + counts[ADDED].value)
    only_second = int(counts[GAINED].value + counts[REMOVED].value)
    metrics = {}
    for output in (PROBABILITY, DECISION):
        for name, change in measured.differences[output].items():
            first, second = (
                measured.models[model][output][name].value for model in (BASELINE, CANDIDATE)
            )
            lower, upper = _limits(turned.differences[output][name])
            interval = widest(_limits(change), (-upper, -lower))
            metrics[name] = _metric(name, first, second, interval)
    p_value = mcnemar(only_first, only_second)
    # McNemar's test takes a missed fault for as bad as a false alarm; prices say otherwise.
    is_unequal = COST not in metrics and p_value < 1 - options.confidence
    more_often_right = _side(only_second > only_first) if is_unequal else NEITHER
    return PairedVerdict(
        num_examples=int(answers.labels.size),
        num_positives=int(answers.labels.sum()),
        confidence=options.confidence,
        metrics=metrics,
        only_first_right=only_first,
        only_second_right=only_second,
        mcnemar_p=p_value,
        judged_by=COST if COST in metrics else DECISIONS,
        better=metrics[COST].better if COST in metrics else more_often_right,
    )


def _turned(answers: Answers) -> Answers:
    """Returns the predictions with the two models swapped."""
    return replace(
        answers,
        probabilities=answers.probabilities[:, ::-1],
        decisions=answers.decisions[:, ::-1],
    )


def _limits(change: Estimate) -> Interval:
    return change.interval or (change.value, change.value)


def _metric(name: str, first: float, second: float, interval: Interval) -> PairedMetric:
    lower, upper = interval
    shown = lower > 0 or upper < 0
    better = _side((lower > 0) != (name in _LOSSES)) if shown else NEITHER
    return PairedMetric(
        first=first, second=second, change=second - first, interval=interval, better=better
    )


def _side(second: bool) -> str:
    return SECOND if second else FIRST


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns the two-sided exact p value of McNemar's test: twice the smaller tail, at most 1."""
    tails = (mcnemar_p_value(only_first, only_second), mcnemar_p_value(only_second, only_first))
    return min(1.0, 2 * min(tails))
