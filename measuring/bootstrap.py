"""Bootstrap intervals: resampling of examples or groups.

Each resample weights every example by the number of times it is drawn. Metrics are computed for
many resamples at once: examples are ranked once, and only sums between positive examples matter.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring.answers import Answers
from measuring.intervals import UNKNOWN, Interval

Floats = NDArray[np.float64]

# Seed of the draws: the same answers give the same intervals.
_SEED = 20_251
_MAX_RESAMPLES, _MIN_RESAMPLES = 1_000, 400
# Maximum of all draws; more examples get fewer resamples, as their intervals are narrow.
_MAX_DRAWS = 20_000_000
# A change that touches three faults in ten goes unseen by 11 of them in 0.7^11 = 2 % of all splits.
FEWEST_UNITS = 11
_CHUNK_DRAWS = 4_000_000
_DRAW_BITS = 16

PR_AUC, ROC_AUC, BRIER, COST = "pr_auc", "roc_auc", "brier", "expected_cost"


def resample(answers: Answers, example_costs: Floats | None = None) -> dict[str, dict[str, Floats]]:
    """Returns each model's metrics in each resample.

    All models are measured on the same resamples, so that differences between them are paired.

    Args:
        answers: The answers, ordered by `in_order`.
        example_costs: float64 `[n, models]`, what each answer costs; None without prices.

    Returns:
        Model to metric to float64 `[resamples]`; NaN where a resample lacks a class.

    References:
        Efron (1979), Bootstrap methods: another look at the jackknife. Chamandy et al. (2012),
        Estimating uncertainty for massive data streams, for Poisson weights; a group is drawn
        whole, as in Field & Welsh (2007), Bootstrapping clustered data.
    """
    rankings = {
        model: _Ranking.of(answers.labels, answers.probabilities[:, place])
        for place, model in enumerate(answers.models)
    }
    squares = (answers.probabilities - answers.labels[:, None]) ** 2
    columns = [squares] if example_costs is None else [squares, example_costs]
    summed = np.concatenate([*columns, np.ones((len(answers.labels), 1))], axis=1)
    names = [BRIER] if example_costs is None else [BRIER, COST]
    parts: dict[str, dict[str, list[Floats]]] = {model: {} for model in answers.models}
    for weights in draw_weights(answers):
        sums = weights.astype(np.float64) @ summed
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums[:, :-1] / sums[:, -1:]
        for place, (model, ranking) in enumerate(rankings.items()):
            values = ranking.areas(weights)
            for number, name in enumerate(names):
                values[name] = means[:, number * len(rankings) + place]
            for name, value in values.items():
                parts[model].setdefault(name, []).append(value)
    return {
        model: {name: np.concatenate(chunks) for name, chunks in metrics.items()}
        for model, metrics in parts.items()
    }


def percentile_interval(values: Floats, num_units: int, confidence: float) -> Interval:
    """Returns the interval of resampled values, slightly wider with few units.

    Args:
        values: float64 `[resamples]`; values that are not finite are left out.
        num_units: Independent units of the rarer class, which determine the uncertainty.
        confidence: Two-sided confidence.

    References:
        Hesterberg (2015), What teachers should know about the bootstrap, The American Statistician
        69: the expanded percentile interval, with a t quantile and the factor sqrt(n / (n - 1)).
    """
    finite = values[np.isfinite(values)]
    if num_units < 1 or not finite.size:
        return UNKNOWN
    if num_units == 1:
        return float(finite.min()), float(finite.max())
    quantile = stats.t.ppf((1 + confidence) / 2, num_units - 1)
    tail = float(stats.norm.cdf(-math.sqrt(num_units / (num_units - 1)) * quantile))
    lower, upper = np.quantile(finite, [tail, 1 - tail])
    return float(lower), float(upper)


def change_interval(
    values: Floats, change: float, num_units: int, confidence: float, *, worst: float | None
) -> Interval:
    """Returns a conservative interval of the difference between two models.

    It contains the percentile interval and the symmetric interval with a t quantile: each alone
    blesses worse models slightly too often. With fewer than `FEWEST_UNITS` units it extends to the
    worst difference, because a change may have affected none of them.

    Args:
        values: float64 `[resamples]`.
        change: The difference that was measured.
        num_units: Independent units of the rarer class.
        confidence: Two-sided confidence.
        worst: The worst possible difference; None for models that answer alike.
    """
    finite = values[np.isfinite(values)]
    if worst is None:
        return 0.0, 0.0
    if num_units < 2 or not finite.size:
        return UNKNOWN
    lower, upper = percentile_interval(finite, num_units, confidence)
    reach = stats.t.ppf((1 + confidence) / 2, num_units - 1) * float(finite.std(ddof=1))
    reach *= math.sqrt(num_units / (num_units - 1))
    unseen = [worst] if num_units < FEWEST_UNITS else []
    return min(lower, change - reach, *unseen), max(upper, change + reach, *unseen)


def draw_weights(answers: Answers) -> Iterator[NDArray[np.uint8]]:
    """Yields uint8 `[some resamples, n]`: how often each example is drawn, the same each time."""
    random = np.random.default_rng(_SEED)
    size = len(answers.labels)
    total = int(np.clip(_MAX_DRAWS // max(size, 1), _MIN_RESAMPLES, _MAX_RESAMPLES))
    step = max(1, _CHUNK_DRAWS // max(size, 1))
    counts = _poisson_table()
    units, places = size, None
    if answers.groups is not None:
        groups, places = np.unique(answers.groups, return_inverse=True)
        units = len(groups)
    for start in range(0, total, step):
        shape = (min(step, total - start), units)
        drawn = counts[random.integers(0, 1 << _DRAW_BITS, shape, dtype=np.uint16)]
        yield drawn if places is None else np.take(drawn, places, axis=1)


@cache
def _poisson_table() -> NDArray[np.uint8]:
    """Poisson(1) counts for all 16-bit numbers: a draw is a look-up, exact to 1 in 65,536."""
    numbers = (np.arange(1 << _DRAW_BITS) + 0.5) / (1 << _DRAW_BITS)
    return np.asarray(stats.poisson.ppf(numbers, 1), np.uint8)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ranking:
    """Examples in descending order of score, with the ties of each positive example.

    Attributes:
        order: Indices of the examples.
        positives: Positions of the positive examples in `order`.
        cuts: Ascending positions in `order` where a tie of a positive example begins or ends.
        begins: For each positive example, the index in `cuts` where its tie begins.
        ends: The same for the end of its tie.
        known: Whether both classes have examples and every score is finite.
    """

    order: NDArray[np.int64]
    positives: NDArray[np.int64]
    cuts: NDArray[np.int64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    known: bool

    @classmethod
    def of(cls, labels: NDArray[np.int8], scores: Floats) -> "_Ranking":
        order = np.argsort(-scores, kind="stable")
        ranked = -scores[order]
        positives = np.flatnonzero(labels[order] == 1)
        first = np.searchsorted(ranked, ranked[positives], side="left")
        last = np.searchsorted(ranked, ranked[positives], side="right")
        cuts = np.unique(np.concatenate([first, last]))
        return cls(
            order=order,
            positives=positives,
            cuts=cuts,
            begins=np.searchsorted(cuts, first),
            ends=np.searchsorted(cuts, last),
            known=0 < positives.size < labels.size and bool(np.isfinite(scores).all()),
        )

    def areas(self, weights: NDArray[np.uint8]) -> dict[str, Floats]:
        """Returns `scores.average_precision` and `scores.roc_auc` for each row of weights.

        The values are scikit-learn's; a property test compares them. A resample of 3,242 examples
        takes 0.03 ms here and 3.7 ms in scikit-learn, 130 times as long; with 100,000 examples
        scikit-learn takes 25 times as long.

        Args:
            weights: uint8 `[resamples, n]`, how often each example is drawn.
        """
        if not self.known:
            unknown = np.full(len(weights), math.nan)
            return {PR_AUC: unknown, ROC_AUC: unknown}
        ranked = np.take(weights, self.order, axis=1)
        positive = ranked[:, self.positives].astype(np.int64)
        every = _sums_before(ranked, self.cuts)
        hits_before = np.cumsum(np.pad(positive, ((0, 0), (1, 0))), axis=1)
        hits_before = hits_before[:, np.searchsorted(self.positives, self.cuts)]
        false = every - hits_before
        alarms, hits = every[:, self.ends], hits_before[:, self.ends]
        total = positive.sum(axis=1)
        negatives = ranked.sum(axis=1, dtype=np.int64) - total
        above = false[:, self.begins] + false[:, self.ends]
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = hits / np.maximum(alarms, 1)
            return {
                PR_AUC: (positive * precision).sum(axis=1) / total,
                ROC_AUC: 1 - (positive * above).sum(axis=1) / (2 * total * negatives),
            }


def _sums_before(values: NDArray[np.uint8], cuts: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 `[rows, cuts]`: the sum of a row before each cut; cuts ascend and differ."""
    inner = cuts[cuts < values.shape[1]]
    starts = inner if inner.size and inner[0] == 0 else np.concatenate([[0], inner])
    pieces = np.add.reduceat(values, starts, axis=1, dtype=np.int64)
    sums = np.cumsum(np.pad(pieces, ((0, 0), (1, 0))), axis=1)
    offset = 0 if starts.size == inner.size else 1
    return sums[:, np.arange(cuts.size) + offset]


def differences(
    resampled: Mapping[str, Mapping[str, Floats]], candidate: str, baseline: str
) -> dict[str, Floats]:
    """Returns candidate less baseline for each metric and resample."""
    return {
        name: values - resampled[baseline][name] for name, values in resampled[candidate].items()
    }
