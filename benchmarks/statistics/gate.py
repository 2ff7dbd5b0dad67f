"""The model gate: how often an interval clears a bar at the truth, in designs that are not kind."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from benchmarks.statistics.tables import Table, range_cell, share_cell
from measuring.answers import Answers, make_answers
from measuring.bootstrap import PR_AUC, ROC_AUC, percentile_interval, resample
from measuring.intervals import (
    Interval,
    effective_trials,
    holm_rejected,
    proportion_interval,
    roc_auc_interval,
    score_interval,
    widest,
)
from measuring.scores import probability_metrics
from models.probabilities.cost import Cost
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import MeasureOptions, example_costs, measure
from pipeline.components.model_gate.bars import compare
from pipeline.components.model_gate.more_data import need_of_share

Floats = NDArray[np.float64]
# Draws successes and trials of each group.
Groups = Callable[[np.random.Generator], tuple[Floats, Floats]]
COST = Cost(missed_fault=100, false_alarm=5, inspection=1)
_CONFIDENCE, _HEALTHY_PER_FAULT, _SHIFT = 0.95, 28, 3.0
_HEAD = ("false BLESSED before", "false BLESSED", "width before", "width")


def tables(num_sets: int) -> Iterator[Table]:
    """Yields the tables of the section."""
    yield Table(title="Shares in groups.", head=("design", *_HEAD), rows=_group_rows(num_sets))
    yield Table(
        title="Expected cost in groups.",
        head=("design", "false BLESSED", "false REJECTED"),
        rows=_cost_rows(num_sets),
    )
    yield Table(
        title="What the split does not hold.",
        head=("design", "metric", "faults", *_HEAD[:2], "lower limit before", "lower limit"),
        rows=_unmet_rows(num_sets),
    )
    yield Table(
        title="The candidate loses a share of faults for good.",
        head=("faults", "lost", "true change", "BLESSED at -0.05", "BLESSED at the truth", "width"),
        rows=_lost_rows(num_sets),
    )
    yield Table(
        title="Slices of 100 faults with a recall at the bar of 0.8: any REJECTED.",
        head=("slices", "each alone", "Holm"),
        rows=_slice_rows(10 * num_sets),
    )
    yield Table(
        title="Recall bar 0.8, 30 faults: the advice is followed.",
        head=("true recall", "answer", "faults in all"),
        rows=_advice_rows(num_sets),
    )


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


def _pareto(random: np.random.Generator, groups: int) -> NDArray[np.int64]:
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
    trials = random.binomial(_pareto(random, 40), 0.1).astype(float)
    return np.where(random.random(40) > 0.2, trials, 0), trials


def _prone(random: np.random.Generator) -> NDArray[np.int64]:
    return random.binomial(20, random.beta(0.3, 2.7, 40))


_GROUPS: Sequence[tuple[str, float, Groups]] = (
    ("precision, 40 unequal groups", 0.9, _around(0.9, 0.1, lambda r: _pareto(r, 40))),
    ("precision, 100 unequal groups", 0.9, _around(0.9, 0.1, lambda r: _pareto(r, 100))),
    ("precision, 15 equal groups", 0.9, _around(0.9, 0.1, lambda _: np.full(15, 20))),
    ("precision, 40 equal groups", 0.9, _around(0.9, 0.1, lambda _: np.full(40, 20))),
    ("recall, 40 groups, faults in few", 0.8, _around(0.8, 0.2, _prone)),
    ("recall, a fifth of 40 unequal groups blind", 0.8, _blind),
)


def _group_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for name, truth, draw in _GROUPS:
        random = np.random.default_rng(1)
        limits = np.array([_group_limits(*draw(random)) for _ in range(num_sets)])
        cleared = limits[:, :, 0] >= truth
        widths = limits[:, :, 1] - limits[:, :, 0]
        yield [
            name,
            *(share_cell(cleared[:, place]) for place in (0, 1)),
            *(range_cell(widths[:, place]) for place in (0, 1)),
        ]


def _group_limits(successes: Floats, trials: Floats) -> list[Interval]:
    share = successes.sum() / trials.sum()
    numbers = (
        korn_graubard_trials(successes, trials),
        effective_trials(successes, trials, _CONFIDENCE),
    )
    return [proportion_interval(share * number, number, _CONFIDENCE) for number in numbers]


def _recordings(random: np.random.Generator, sizes: NDArray[np.int64], *, prone: bool) -> Answers:
    """Groups that shift all their scores; in prone ones the share of faults differs by group."""
    groups = np.repeat(np.arange(sizes.size, dtype=np.uint64), sizes)
    rates = random.beta(0.5, 4.5, sizes.size) if prone else np.full(sizes.size, 0.1)
    labels = (random.random(groups.size) < np.repeat(rates, sizes)).astype(np.int64)
    shifts = np.repeat(random.normal(0, 0.8, sizes.size), sizes)
    score = random.normal(0, 0.6, groups.size) + shifts + 2.5 * labels
    return make_answers(labels, {"": (expit(score), score >= 1.5)}, groups)


def _cost_rows(num_sets: int) -> Iterator[Sequence[str]]:
    cases = [(kind, prone) for kind in ("equal", "unequal") for prone in (False, True)]
    for kind, prone in cases:
        truth = _true_cost(kind, prone=prone)
        random, words = np.random.default_rng(5), []
        for _ in range(num_sets):
            answers = _recordings(random, _sizes(random, kind, 40), prone=prone)
            decided = measure(answers, MeasureOptions(cost=COST)).models[""]["decision"]
            limits = decided["expected_cost"].interval or (0.0, 0.0)
            words.append(compare(limits, truth, lower_is_better=True))
        given = np.array(words)
        name = f"40 {kind} groups{', faults in few' if prone else ''}"
        yield [name, share_cell(given == "BLESSED"), share_cell(given == "REJECTED")]


def _sizes(random: np.random.Generator, kind: str, groups: int) -> NDArray[np.int64]:
    return np.full(groups, 20) if kind == "equal" else np.minimum(_pareto(random, groups), 300)


def _true_cost(kind: str, *, prone: bool) -> float:
    random = np.random.default_rng(11)
    answers = _recordings(random, _sizes(random, kind, 30_000), prone=prone)
    return float(1_000 * example_costs(answers, COST).mean())


def _split(random: np.random.Generator, faults: int, *, above: float, invisible: float) -> Answers:
    """A share of healthy examples above all others, a share of faults that looks healthy."""
    labels = np.repeat([0, 1], [_HEALTHY_PER_FAULT * faults, faults])
    draw = random.random(labels.size)
    score = random.normal(size=labels.size)
    score += _SHIFT * (labels & (draw >= invisible)) + 20 * ((draw < above) & (labels == 0))
    return make_answers(labels, {"": (expit(score), score > 2)})


def _unmet_rows(num_sets: int) -> Iterator[Sequence[str]]:
    cases = [
        *(("0.03 % of healthy above all faults", PR_AUC, 3e-4, 0.0, n) for n in (30, 100, 300)),
        *(("0.1 % of healthy above all faults", PR_AUC, 1e-3, 0.0, n) for n in (11, 30, 300)),
        *(("20 % of faults invisible", ROC_AUC, 0.0, 0.2, n) for n in (11, 30, 100)),
        *(
            ("none of these", name, 0.0, 0.0, n)
            for name in (PR_AUC, ROC_AUC)
            for n in (11, 30, 100)
        ),
    ]
    for title, name, above, invisible, faults in cases:
        large = _split(np.random.default_rng(0), 30_000, above=above, invisible=invisible)
        truth = probability_metrics(large.labels, large.of("")[0])[name]
        random = np.random.default_rng(3)
        lower = np.array(
            [
                _lower_limits(_split(random, faults, above=above, invisible=invisible), name)
                for _ in range(num_sets)
            ]
        )
        shares = [share_cell(limits >= truth) for limits in lower.T]
        medians = [f"{np.median(limits):.3f}" for limits in lower.T]
        yield [f"{title} (truth {truth:.3f})", name, str(faults), *shares, *medians]


def _lower_limits(answers: Answers, name: str) -> tuple[float, float]:
    """The lower limit from the examples alone, as before, and the gate's."""
    faults = int(answers.labels.sum())
    estimate = measure(answers, MeasureOptions()).models[""]["probability"][name]
    exact = (
        score_interval(estimate.value, faults, _CONFIDENCE)
        if name == PR_AUC
        else roc_auc_interval(estimate.value, faults, answers.labels.size - faults, _CONFIDENCE)
    )
    drawn = percentile_interval(resample(answers)[""][name], faults, _CONFIDENCE)
    return widest(drawn, exact)[0], (estimate.interval or (np.nan, np.nan))[0]


def _pair(random: np.random.Generator, faults: int, lost: float) -> Answers:
    """Two models whose scores correlate by 0.95; the candidate loses a share of faults."""
    labels = np.repeat([0, 1], [_HEALTHY_PER_FAULT * faults, faults])
    noise, other = random.normal(size=(2, labels.size))
    is_lost = (random.random(labels.size) < lost) & (labels == 1)
    before = noise + _SHIFT * labels
    now = np.where(is_lost, other, 0.95 * noise + np.sqrt(1 - 0.95**2) * other + _SHIFT * labels)
    pairs = {CANDIDATE: now, BASELINE: before}
    return make_answers(labels, {name: (expit(s), s > 2) for name, s in pairs.items()})


def _lost_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for faults, lost in ((11, 0.2), (30, 0.1), (30, 0.07), (100, 0.07), (100, 0.0), (300, 0.0)):
        large = _pair(np.random.default_rng(0), 30_000, lost)
        now, before = (
            probability_metrics(large.labels, large.of(model)[0])[PR_AUC]
            for model in (CANDIDATE, BASELINE)
        )
        random = np.random.default_rng(5)
        changes = [
            measure(_pair(random, faults, lost), MeasureOptions()).differences["probability"]
            for _ in range(num_sets)
        ]
        limits = np.array([change[PR_AUC].interval for change in changes])
        yield [
            str(faults),
            f"{lost:.0%}",
            f"{now - before:+.3f}",
            *(share_cell(limits[:, 0] >= bar) for bar in (-0.05, now - before)),
            range_cell(limits[:, 1] - limits[:, 0]),
        ]


def _slice_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for num_slices in (5, 20):
        random = np.random.default_rng(4)
        found = random.binomial(100, 0.8, (num_sets, num_slices))
        p_values = stats.binom.cdf(found, 100, 0.8)
        together = [any(holm_rejected(row, 0.025, num_tests=num_slices)) for row in p_values]
        alone = (p_values <= 0.025).any(axis=1)
        yield [str(num_slices), share_cell(alone), share_cell(np.array(together))]


def _advice_rows(num_sets: int) -> Iterator[Sequence[str]]:
    for recall in (0.75, 0.85, 0.9, None):
        random = np.random.default_rng(3)
        answers: list[bool] = []
        totals: list[int] = []
        while len(answers) < num_sets:
            truth = random.beta(0.5, 0.5) if recall is None else recall
            found = int(random.binomial(30, truth))
            interval = proportion_interval(found, 30, _CONFIDENCE)
            if compare(interval, 0.8) != "INCONCLUSIVE":
                continue
            need = need_of_share(found / 30, interval, 0.8, _CONFIDENCE)
            total = int(np.ceil(30 * need.growth - 1e-6))
            final = found + random.binomial(total - 30, truth)
            word = compare(proportion_interval(final, total, _CONFIDENCE), 0.8)
            answers.append(word != "INCONCLUSIVE")
            totals.append(total)
        name = "drawn from Jeffreys' prior" if recall is None else f"{recall:.2f}"
        yield [name, share_cell(np.array(answers)), range_cell(np.array(totals, float), digits=0)]
