"""Paired comparison of two models on the same examples."""

from collections.abc import Mapping
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
    Measured,
    MeasureOptions,
    measure,
)
from pipeline.components.names import COST

# Lower is better.
_LOSSES = ("brier", COST)


def judge(answers: Answers, options: MeasureOptions) -> PairedVerdict:
    """Returns the verdict on the predictions of two models.

    With prices the expected cost decides, without them McNemar's test of the decisions.

    The intervals are those of the gate, applied in both directions, because neither model bears the
    burden of proof. Each interval alone has the confidence of the options. A line is "better" only
    if Holm's method shows it among all lines: of equal models, any line is better in at most
    1 - confidence of comparisons.

    Args:
        answers: The first run's model is the baseline, the second's the candidate.
        options: Confidence, costs, and the grouping of examples.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
        of Statistics 6.
    """
    measured = measure(answers, options)
    counts = measured.models[CANDIDATE][DECISION]
    only_first = int(counts[LOST].value + counts[ADDED].value)
    only_second = int(counts[GAINED].value + counts[REMOVED].value)
    p_value = mcnemar(only_first, only_second)
    intervals = _change_intervals(measured, answers, options)
    # McNemar's test takes a missed fault for as bad as a false alarm; prices say otherwise.
    p_values = {} if COST in intervals else {DECISIONS: p_value}
    shown = _shown_lines(intervals, p_values, answers, options)
    metrics = {}
    for output in (PROBABILITY, DECISION):
        for name in measured.differences[output]:
            first, second = (
                measured.models[model][output][name].value for model in (BASELINE, CANDIDATE)
            )
            metrics[name] = _metric(name, first, second, intervals[name], name in shown)
    more_often_right = _side(only_second > only_first) if DECISIONS in shown else NEITHER
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


def _shown_lines(
    intervals: Mapping[str, Interval],
    p_values: Mapping[str, float],
    answers: Answers,
    options: MeasureOptions,
) -> set[str]:
    """The lines that differ by Holm's method: the most significant at error / lines, and so on."""
    error, shown = 1 - options.confidence, set[str]()
    num_lines = len(intervals) + len(p_values)
    if not _significant(intervals, p_values, error):
        return shown
    while len(shown) < num_lines:
        level = error / (num_lines - len(shown))
        stricter = replace(options, confidence=1 - level)
        limits = _change_intervals(measure(answers, stricter), answers, stricter)
        more = _significant(limits, p_values, level)
        if more <= shown:
            break
        shown |= more
    return shown


def _significant(
    intervals: Mapping[str, Interval], p_values: Mapping[str, float], level: float
) -> set[str]:
    return {name for name, (lower, upper) in intervals.items() if lower > 0 or upper < 0} | {
        name for name, p_value in p_values.items() if p_value < level
    }


def _change_intervals(
    measured: Measured, answers: Answers, options: MeasureOptions
) -> dict[str, Interval]:
    """The interval of each metric's change, the same whichever model comes first."""
    turned = measure(_turned(answers), options)
    intervals = {}
    for output in (PROBABILITY, DECISION):
        for name, change in measured.differences[output].items():
            lower, upper = _limits(turned.differences[output][name])
            intervals[name] = widest(_limits(change), (-upper, -lower))
    return intervals


def _turned(answers: Answers) -> Answers:
    """Returns the predictions with the two models swapped."""
    return replace(
        answers,
        probabilities=answers.probabilities[:, ::-1],
        decisions=answers.decisions[:, ::-1],
    )


def _limits(change: Estimate) -> Interval:
    return change.interval or (change.value, change.value)


def _metric(
    name: str, first: float, second: float, interval: Interval, is_shown: bool
) -> PairedMetric:
    better = _side((interval[0] > 0) != (name in _LOSSES)) if is_shown else NEITHER
    return PairedMetric(
        first=first, second=second, change=second - first, interval=interval, better=better
    )


def _side(second: bool) -> str:
    return SECOND if second else FIRST


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns the two-sided exact p value of McNemar's test: twice the smaller tail, at most 1."""
    tails = (mcnemar_p_value(only_first, only_second), mcnemar_p_value(only_second, only_first))
    return min(1.0, 2 * min(tails))
