"""Two models on the same examples: the gate's comparison and that of `runs compare`."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import expit

from benchmarks.statistics.gate.groups import COST
from benchmarks.statistics.gate.unmet import HEALTHY_PER_FAULT, SHIFT
from benchmarks.statistics.tables import range_cell, share_cell
from measuring.answers import Answers, in_order, make_answers
from measuring.bootstrap import PR_AUC, change_interval, differences, resample
from measuring.intervals import UNKNOWN, Interval
from measuring.scores import probability_metrics
from pipeline.comparing.paired import judge
from pipeline.comparing.paired_verdict import NEITHER, PairedVerdict
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import MeasureOptions, measure

# Faults below which the change of before was unknown.
_FEWEST_BEFORE, _CONFIDENCE = 11, 0.95


def lossy_pair(random: np.random.Generator, faults: int, lost: float) -> Answers:
    """Returns two models whose scores correlate by 0.95; the candidate loses a share of faults."""
    labels = np.repeat([0, 1], [HEALTHY_PER_FAULT * faults, faults])
    noise, other = random.normal(size=(2, labels.size))
    is_lost = (random.random(labels.size) < lost) & (labels == 1)
    before = noise + SHIFT * labels
    now = np.where(is_lost, other, 0.95 * noise + np.sqrt(1 - 0.95**2) * other + SHIFT * labels)
    pairs = {CANDIDATE: now, BASELINE: before}
    return make_answers(labels, {name: (expit(s), s > 2) for name, s in pairs.items()})


def change_before(answers: Answers) -> Interval:
    """The interval of the change of PR-AUC before: from -1 on below 11 faults, else resampled."""
    drawn = differences(resample(in_order(answers)), CANDIDATE, BASELINE)[PR_AUC]
    now, before = (
        probability_metrics(answers.labels, answers.of(model)[0])[PR_AUC]
        for model in (CANDIDATE, BASELINE)
    )
    faults = int(answers.labels.sum())
    lower, upper = change_interval(drawn, now - before, faults, _CONFIDENCE)
    return (-1.0 if faults < _FEWEST_BEFORE else lower), upper


def change_now(answers: Answers) -> Interval:
    """The gate's interval of the change of PR-AUC."""
    change = measure(answers, MeasureOptions()).differences["probability"][PR_AUC]
    return change.interval or UNKNOWN


def lost_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often a candidate that lost a share of faults for good is blessed."""
    for faults, lost in ((11, 0.2), (30, 0.1), (30, 0.07), (100, 0.07), (100, 0.0), (300, 0.0)):
        large = lossy_pair(np.random.default_rng(0), 30_000, lost)
        now, before = (
            probability_metrics(large.labels, large.of(model)[0])[PR_AUC]
            for model in (CANDIDATE, BASELINE)
        )
        random = np.random.default_rng(5)
        pairs = [lossy_pair(random, faults, lost) for _ in range(num_sets)]
        for when, find_limits in (("before", change_before), ("now", change_now)):
            limits = np.array([find_limits(pair) for pair in pairs])
            yield [
                str(faults),
                f"{lost:.0%}".replace("%", " %"),
                f"{now - before:+.3f}",
                when,
                *(share_cell(limits[:, 0] >= bar) for bar in (-0.05, now - before)),
                range_cell(limits[:, 1] - limits[:, 0]),
            ]


def equal_pair(random: np.random.Generator, faults: int, *, further: float = 0.0) -> Answers:
    """Returns two models whose scores correlate by 0.9; equal, or the second sees faults further.

    Args:
        random: The generator.
        faults: Faults in the split.
        further: What the second adds to the distance of the classes.
    """
    labels = np.repeat([0, 1], [HEALTHY_PER_FAULT * faults, faults])
    common, first, second = random.normal(size=(3, labels.size))
    scores = {
        BASELINE: np.sqrt(0.9) * common + np.sqrt(0.1) * first + SHIFT * labels,
        CANDIDATE: np.sqrt(0.9) * common + np.sqrt(0.1) * second + (SHIFT + further) * labels,
    }
    return make_answers(labels, {name: (expit(s), s > 2) for name, s in scores.items()})


def better_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often `runs compare` calls a model better on any of its lines."""
    cases = [(faults, 0.0, prices) for faults in (11, 30, 100) for prices in (None, COST)]
    for faults, further, prices in (*cases, (100, 0.5, None)):
        options, random = MeasureOptions(cost=prices), np.random.default_rng(faults)
        verdicts = [
            judge(equal_pair(random, faults, further=further), options) for _ in range(num_sets)
        ]
        yield [
            str(faults),
            "equal" if not further else f"second: d {SHIFT + further:g}",
            "yes" if prices else "no",
            share_cell(np.array([_any_alone(one) for one in verdicts])),
            share_cell(np.array([_any_better(one) for one in verdicts])),
        ]


def _any_alone(verdict: PairedVerdict) -> bool:
    """Whether any line differs by its own interval or test, as before."""
    intervals = [metric.interval for metric in verdict.metrics.values()]
    by_decisions = verdict.judged_by == "decisions" and verdict.mcnemar_p < 1 - verdict.confidence
    return by_decisions or any(lower > 0 or upper < 0 for lower, upper in intervals)


def _any_better(verdict: PairedVerdict) -> bool:
    sides = [metric.better for metric in verdict.metrics.values()]
    return any(side != NEITHER for side in (*sides, verdict.better))
