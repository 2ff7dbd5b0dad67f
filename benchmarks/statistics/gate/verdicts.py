"""Verdicts on bars, on slices and on models without skill; the advice where it is inconclusive."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.statistics.gate.coverage import PREVALENCE, labels_of
from benchmarks.statistics.tables import range_cell, share_cell
from measuring.answers import Answers, make_answers
from measuring.intervals import Interval, holm_rejected, proportion_interval
from pipeline.components.evaluation.eval_config import CANDIDATE
from pipeline.components.evaluation.measurement import (
    FROM_ANCHOR,
    FROM_BASELINE,
    Estimate,
    Estimates,
    Measured,
    MeasureOptions,
    measure,
)
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import compare
from pipeline.components.model_gate.more_data import need_of_share
from pipeline.components.model_gate.verdict import Terms, judge

# Faults in all that an inconclusive share needs, from the share, the faults and the interval.
Advice = Callable[[float, int, Interval], float]
_CONFIDENCE, _BAR, _FAULTS = 0.95, 0.8, 30
_MOST = 1_000_000


def bar_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields the verdicts on a recall bar of 0.9, by true recall and number of faults."""
    for recall in (0.80, 0.90, 0.95, 0.99):
        for num_faults in (11, 30, 100, 300, 1_000):
            random = np.random.default_rng(num_faults)
            words = np.array(
                [
                    compare(proportion_interval(int(hits), num_faults, _CONFIDENCE), 0.9)
                    for hits in random.binomial(num_faults, recall, num_sets)
                ]
            )
            shares = [share_cell(words == w) for w in ("BLESSED", "INCONCLUSIVE", "REJECTED")]
            yield [f"{recall:.2f}", f"{num_faults:,}", *shares]


def slice_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often any slice at the bar is rejected, each alone and together."""
    for num_slices in (5, 20):
        random = np.random.default_rng(4)
        hits = random.binomial(100, 0.8, (num_sets, num_slices))
        p_values = stats.binom.cdf(hits, 100, 0.8)
        together = [any(holm_rejected(row, 0.025, num_tests=num_slices)) for row in p_values]
        alone = (p_values <= 0.025).any(axis=1)
        yield [str(num_slices), share_cell(alone), share_cell(np.array(together))]


def advice_before(share: float, num_faults: int, _interval: Interval) -> float:
    """The advice before: the faults at which the interval excludes the bar at the same share."""
    if share == _BAR:
        return math.inf
    side = 0 if share > _BAR else 1
    low, high = num_faults, 2 * num_faults

    def excludes(number: int) -> bool:
        limit = proportion_interval(share * number, number, _CONFIDENCE)[side]
        return limit >= _BAR if side == 0 else limit < _BAR

    while not excludes(high) and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if excludes(middle) else (middle, high)
    return high


def advice_now(share: float, num_faults: int, interval: Interval) -> float:
    """The gate's advice."""
    need = need_of_share(share, interval, _BAR, _CONFIDENCE)
    return math.ceil(num_faults * need.growth - 1e-6)


def advice_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often an answer comes if the advice on more faults is followed.

    No advice, where a million faults are too few, counts as no answer.
    """
    for recall in (0.75, 0.85, 0.9, None):
        for when, advise in (("before", advice_before), ("now", advice_now)):
            answers, totals = _follow(advise, recall, num_sets)
            name = "drawn from Jeffreys' prior" if recall is None else f"{recall:.2f}"
            yield [name, when, share_cell(answers), range_cell(totals, digits=0)]


def _follow(
    advise: Advice, recall: float | None, num_sets: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Whether an answer came, and the faults it took, in splits that were inconclusive."""
    random = np.random.default_rng(3)
    answers: list[bool] = []
    totals: list[float] = []
    while len(answers) < num_sets:
        truth = random.beta(0.5, 0.5) if recall is None else recall
        hits = int(random.binomial(_FAULTS, truth))
        interval = proportion_interval(hits, _FAULTS, _CONFIDENCE)
        if compare(interval, _BAR) != "INCONCLUSIVE":
            continue
        total = advise(hits / _FAULTS, _FAULTS, interval)
        if total >= _MOST:
            answers.append(False)
            continue
        totals.append(total)
        final = hits + random.binomial(int(total) - _FAULTS, truth)
        word = compare(proportion_interval(final, total, _CONFIDENCE), _BAR)
        answers.append(word != "INCONCLUSIVE")
    return np.array(answers), np.array(totals)


def noise_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields the default gate's verdicts on labels that have nothing to do with the scores."""
    for num_faults, spread, alarms in (
        (11, 0.05, 0.02),
        (11, 0.2, 0.1),
        (11, 0.5, 0.3),
        (30, 0.2, 0.1),
    ):
        random = np.random.default_rng(3)
        labels = labels_of(num_faults)
        words = np.array([_noise_verdict(random, labels, spread, alarms) for _ in range(num_sets)])
        shares = [share_cell(words == word) for word in ("BLESSED", "INCONCLUSIVE")]
        yield [str(num_faults), f"{spread}", f"{alarms:.0%}", *shares]


def _noise_verdict(
    random: np.random.Generator, labels: NDArray[np.int64], spread: float, alarms: float
) -> str:
    odds = PREVALENCE / (1 - PREVALENCE) * np.exp(spread * random.normal(size=labels.size))
    probability = odds / (1 + odds)
    decision = probability >= np.quantile(probability, 1 - alarms)
    return verdict_of(make_answers(labels, {"": (probability, decision)}))


def verdict_of(answers: Answers) -> str:
    """Returns the default gate's verdict on the answers of one model, named ``."""
    return judge(evaluation_of(measure(answers, MeasureOptions()), ""), [], Terms()).word


def evaluation_of(measured: Measured, model: str) -> Evaluation:
    """Returns what the gate reads of a model; of the candidate, also its changes."""
    estimates = _joined(measured.models[model])
    if model == CANDIDATE:
        changes = {FROM_BASELINE: measured.differences, FROM_ANCHOR: measured.from_anchor}
        for suffix, outputs in changes.items():
            estimates |= {f"{name}{suffix}": one for name, one in _joined(outputs).items()}
    values = {name: one.value for name, one in estimates.items()}
    limits = {name: one.interval for name, one in estimates.items() if one.interval is not None}
    return Evaluation(values, {}, {(): limits})


def _joined(outputs: Mapping[str, Estimates]) -> dict[str, Estimate]:
    return {name: one for metrics in outputs.values() for name, one in metrics.items()}
