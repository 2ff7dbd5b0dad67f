"""Intervals where examples come in groups."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from benchmarks.statistics.tables import range_cell, share_cell
from measuring.answers import Answers, make_answers
from measuring.bootstrap import BRIER, PR_AUC, ROC_AUC
from measuring.intervals import UNKNOWN, Interval, effective_trials, proportion_interval
from measuring.scores import probability_metrics
from models.probabilities.cost import Cost
from pipeline.components.evaluation.measurement import MeasureOptions, example_costs, measure
from pipeline.components.model_gate.bars import compare

Floats = NDArray[np.float64]
# Draws successes and trials of each group.
Groups = Callable[[np.random.Generator], tuple[Floats, Floats]]
COST = Cost(missed_fault=100, false_alarm=5, inspection=1)
_CONFIDENCE = 0.95


def korn_graubard_trials(successes: Floats, trials: Floats) -> float:
    """The effective trials before: linearised variance, as many degrees of freedom as groups."""
    held = trials > 0
    successes, trials = successes[held], trials[held]
    share, groups = successes.sum() / trials.sum(), trials.size
    residuals = successes - share * trials
    variance = groups / (groups - 1) * (residuals @ residuals) / trials.sum() ** 2
    if not 0 < share < 1 or not variance:
        return float(groups)
    few = stats.t.ppf(0.975, trials.sum() - 1) / stats.t.ppf(0.975, groups - 1)
    return float(min(trials.sum(), share * (1 - share) / variance * few**2))


def pareto_sizes(random: np.random.Generator, groups: int) -> NDArray[np.int64]:
    """Returns sizes of which a few are far larger than the others."""
    return np.minimum(np.ceil(5 * (1 + random.pareto(1.1, groups))), 2_000).astype(np.int64)


def _around(
    share: float, likeness: float, sizes: Callable[[np.random.Generator], NDArray[np.int64]]
) -> Groups:
    scale = (1 - likeness) / likeness

    def draw(random: np.random.Generator) -> tuple[Floats, Floats]:
        trials = sizes(random)
        own = random.beta(share * scale, (1 - share) * scale, trials.size)
        return random.binomial(trials, own).astype(float), trials.astype(float)

    return draw


def _blind(random: np.random.Generator) -> tuple[Floats, Floats]:
    trials = random.binomial(pareto_sizes(random, 40), 0.1).astype(float)
    return np.where(random.random(40) > 0.2, trials, 0), trials


def _prone(random: np.random.Generator) -> NDArray[np.int64]:
    return random.binomial(20, random.beta(0.3, 2.7, 40))


_TWO = np.array([190, 190] + 38 * [10])
_GROUPS: Sequence[tuple[str, float, Groups]] = (
    ("precision, 40 unequal groups", 0.9, _around(0.9, 0.1, lambda r: pareto_sizes(r, 40))),
    ("precision, 100 unequal groups", 0.9, _around(0.9, 0.1, lambda r: pareto_sizes(r, 100))),
    ("precision, 15 equal groups", 0.9, _around(0.9, 0.1, lambda _: np.full(15, 20))),
    ("precision, 40 equal groups", 0.9, _around(0.9, 0.1, lambda _: np.full(40, 20))),
    ("precision, 8 equal groups", 0.9, _around(0.9, 0.1, lambda _: np.full(8, 40))),
    ("precision, 2 of 40 groups hold half of the alarms", 0.9, _around(0.9, 0.1, lambda _: _TWO)),
    ("precision, 40 groups, alarms in few", 0.9, _around(0.9, 0.1, _prone)),
    ("recall, 40 unequal groups", 0.8, _around(0.8, 0.2, lambda r: pareto_sizes(r, 40))),
    ("recall, 40 groups, faults in few", 0.8, _around(0.8, 0.2, _prone)),
    ("recall, a fifth of 40 unequal groups blind", 0.8, _blind),
)


def share_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often the interval of a share clears a bar at the truth, before and now."""
    for name, truth, draw in _GROUPS:
        random = np.random.default_rng(1)
        limits = np.array([_share_limits(*draw(random)) for _ in range(num_sets)])
        cleared = limits[:, :, 0] >= truth
        widths = limits[:, :, 1] - limits[:, :, 0]
        yield [
            name,
            *(share_cell(cleared[:, place]) for place in (0, 1)),
            *(range_cell(widths[:, place]) for place in (0, 1)),
        ]


def _share_limits(successes: Floats, trials: Floats) -> list[Interval]:
    share = successes.sum() / trials.sum()
    numbers = (
        korn_graubard_trials(successes, trials),
        effective_trials(successes, trials, _CONFIDENCE),
    )
    return [proportion_interval(share * number, number, _CONFIDENCE) for number in numbers]


def recordings(random: np.random.Generator, sizes: NDArray[np.int64], *, prone: bool) -> Answers:
    """Returns groups that shift all their scores; in prone ones the share of faults differs."""
    groups = np.repeat(np.arange(sizes.size, dtype=np.uint64), sizes)
    rates = random.beta(0.5, 4.5, sizes.size) if prone else np.full(sizes.size, 0.1)
    labels = (random.random(groups.size) < np.repeat(rates, sizes)).astype(np.int64)
    shifts = np.repeat(random.normal(0, 0.8, sizes.size), sizes)
    score = random.normal(0, 0.6, groups.size) + shifts + 2.5 * labels
    return make_answers(labels, {"": (expit(score), score >= 1.5)}, groups)


def cost_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields how often the interval of the expected cost is on one side of the truth."""
    cases = [(kind, prone) for kind in ("equal", "unequal") for prone in (False, True)]
    for kind, prone in cases:
        large = large_split(kind, prone=prone)
        truth = float(1_000 * example_costs(large, COST).mean())
        random = np.random.default_rng(5)
        splits = (split_of_groups(random, kind, prone=prone) for _ in range(num_sets))
        words = [compare(cost_interval(one), truth, lower_is_better=True) for one in splits]
        given = np.array(words)
        name = f"40 {kind} groups{', faults in few' if prone else ''}"
        yield [name, share_cell(given == "BLESSED"), share_cell(given == "REJECTED")]


def cost_interval(answers: Answers) -> Interval:
    """Returns the gate's interval of the expected cost of the model ``."""
    decided = measure(answers, MeasureOptions(cost=COST)).models[""]["decision"]
    return decided["expected_cost"].interval or UNKNOWN


def area_rows(num_sets: int) -> Iterator[Sequence[str]]:
    """Yields the same for metrics of the probabilities, in groups and as if independent."""
    names = (PR_AUC, ROC_AUC, BRIER)
    large = large_split("equal", prone=True)
    truth = probability_metrics(large.labels, large.of("")[0])
    for title, is_grouped in (("by group", True), ("as if independent", False)):
        random = np.random.default_rng(7)
        words: dict[str, list[str]] = {name: [] for name in names}
        for _ in range(num_sets):
            answers = split_of_groups(random, "equal", prone=True)
            if not is_grouped:
                answers = replace(answers, groups=None)
            measured = measure(answers, MeasureOptions()).models[""]["probability"]
            for name in names:
                limits = measured[name].interval or (0.0, 0.0)
                words[name].append(compare(limits, truth[name], lower_is_better=name == BRIER))
        for name in names:
            given = np.array(words[name])
            cells = [share_cell(given == word) for word in ("BLESSED", "REJECTED")]
            yield [title, name, f"{truth[name]:.3f}", *cells]


def _sizes(random: np.random.Generator, kind: str, groups: int) -> NDArray[np.int64]:
    if kind == "equal":
        return np.full(groups, 20)
    return np.minimum(pareto_sizes(random, groups), 300)


def split_of_groups(random: np.random.Generator, kind: str, *, prone: bool) -> Answers:
    """Returns a split of 40 groups, equal or unequal."""
    return recordings(random, _sizes(random, kind, 40), prone=prone)


def large_split(kind: str, *, prone: bool) -> Answers:
    """Returns 30,000 groups, for the truth."""
    random = np.random.default_rng(11)
    return recordings(random, _sizes(random, kind, 30_000), prone=prone)
