"""Joint drift: a classifier that tells training from production."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from measuring.scores import roc_auc

Floats = NDArray[np.float64]
Blocks = NDArray[np.generic]

_SEED = 20_261_129
_NUM_FOLDS = 2
# More rows than this of a side make the classifier slower, hardly better.
_MAX_ROWS = 10_000
# Of 5,100 rows against 300, these find as much as 60 trees of 255 bins, in half the time.
_NUM_TREES, _LEARNING_RATE, _NUM_LEAVES, _NUM_BINS = 30, 0.2, 8, 64
# Blocks of a side up to which the exact distribution is used.
_MOST_EXACT = 8
# Each feature is shuffled over these rows; fewer of many features keep the time linear in them.
_MAX_SHUFFLED_ROWS, _MAX_SHUFFLED_VALUES = 4_000, 200_000


@dataclass(frozen=True, kw_only=True)
class JointDrift:
    """Whether a classifier tells production from training.

    Attributes:
        p_value: Probability of held-out scores so different if nothing changed, in [0, 1].
        roc_auc: Area under the ROC curve on held-out rows: 0.5 if they cannot be told apart.
        num_blocks: Blocks of training and of production.
        measure_losses: Returns the losses; most of the time of a comparison goes into them.
    """

    p_value: float
    roc_auc: float
    num_blocks: tuple[int, int]
    measure_losses: Callable[[], dict[str, float]] = field(repr=False, compare=False)

    @cached_property
    def losses(self) -> dict[str, float]:
        """Feature to how much of the area is lost without it, the largest first.

        Features that say the same as others lose little.
        """
        return self.measure_losses()


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Rows of one side.

    Attributes:
        values: float64 `[n, features]`; NaN is no value, categories are numbers.
        blocks: `[n]`, equal for dependent rows: recordings, or rows in order cut into blocks
            (`dependence.choose_block_length`).
    """

    values: Floats
    blocks: Blocks


def joint_drift(training: Sample, production: Sample, names: Sequence[str]) -> JointDrift:
    """Tells production from training by gradient-boosted trees, cross-fitted over whole blocks.

    Blocks are divided into two folds. The trees of one fold score the other. There, the mean scores
    of the blocks of both sides are compared by Mann and Whitney's test, which is a permutation test
    of whole blocks: if nothing changed, blocks are exchangeable given the trees. The p-value is
    twice the smaller one of both folds (Bonferroni).

    Args:
        training: The reference.
        production: The chunk.
        names: Name of each feature.

    Returns:
        The result; its p-value is 1 and its area NaN with less than two blocks on a side.

    References:
        Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, ICLR. Kim, Ramdas, Singh &
        Wasserman (2021), Classification accuracy as a proxy for two-sample testing, Annals of
        Statistics 49. Mann & Whitney (1947), Annals of Mathematical Statistics 18.
    """
    rng = np.random.default_rng(_SEED)
    sides = [_thin(sample, rng) for sample in (training, production)]
    folds = [_folds(sample.blocks, rng) for sample in sides]
    counts = (len(np.unique(sides[0].blocks)), len(np.unique(sides[1].blocks)))
    if min(counts) < _NUM_FOLDS:
        return JointDrift(p_value=1.0, roc_auc=math.nan, num_blocks=counts, measure_losses=dict)
    with _one_thread():
        scored = [_score_fold(sides, folds, held_out) for held_out in range(_NUM_FOLDS)]

    def measure_losses() -> dict[str, float]:
        with _one_thread():
            mean = np.mean([_losses(fold.model, fold.sides, rng) for fold in scored], axis=0)
        return {names[i]: float(mean[i]) for i in np.argsort(-mean, kind="stable")}

    return JointDrift(
        p_value=min(1.0, _NUM_FOLDS * min(fold.p_value for fold in scored)),
        roc_auc=float(np.mean([fold.roc_auc for fold in scored])),
        num_blocks=counts,
        measure_losses=measure_losses,
    )


def _one_thread() -> threadpool_limits:
    """Keeps OpenMP to the calling thread.

    The trees are so small that its other threads mostly wait for work, and they wait busily: on two
    cores in use by other processes, 2.9 CPU seconds a comparison instead of 0.12, with the same
    result.
    """
    return threadpool_limits(limits=1, user_api="openmp")


@dataclass(frozen=True, kw_only=True, eq=False)
class _ScoredFold:
    """A held-out fold, the trees of the other one, and how well they tell its sides apart."""

    sides: Sequence[Sample]
    model: HistGradientBoostingClassifier
    p_value: float
    roc_auc: float


def _score_fold(
    sides: Sequence[Sample], folds: Sequence[NDArray[np.int64]], held_out: int
) -> _ScoredFold:
    """Scores a fold by trees of the other one."""
    held = [fold == held_out for fold in folds]
    values, labels = _joined(
        [side.values[~is_held] for side, is_held in zip(sides, held, strict=True)]
    )
    model = HistGradientBoostingClassifier(
        max_iter=_NUM_TREES,
        learning_rate=_LEARNING_RATE,
        max_leaf_nodes=_NUM_LEAVES,
        max_bins=_NUM_BINS,
        class_weight="balanced",
        early_stopping=False,
        random_state=0,
    ).fit(values, labels)
    tests = [
        Sample(values=side.values[is_held], blocks=side.blocks[is_held])
        for side, is_held in zip(sides, held, strict=True)
    ]
    scores = [model.predict_proba(test.values)[:, 1] for test in tests]
    all_scores, labels = _joined(scores)
    return _ScoredFold(
        sides=tests,
        model=model,
        p_value=_p_value(tests, scores),
        roc_auc=roc_auc(labels, all_scores),
    )


def _thin(sample: Sample, rng: np.random.Generator) -> Sample:
    """At most `_MAX_ROWS` of the rows, drawn from all blocks."""
    n = len(sample.values)
    if n <= _MAX_ROWS:
        return sample
    chosen = np.sort(rng.choice(n, _MAX_ROWS, replace=False))
    return Sample(values=sample.values[chosen], blocks=sample.blocks[chosen])


def _folds(blocks: Blocks, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each row: as many blocks in each as can be."""
    unique, places = np.unique(blocks, return_inverse=True)
    return np.asarray(rng.permutation(np.arange(len(unique)) % _NUM_FOLDS)[places], np.int64)


def _joined(sides: Sequence[Floats]) -> tuple[Floats, NDArray[np.int64]]:
    return np.concatenate(sides), np.repeat([0, 1], [len(side) for side in sides])


def _p_value(sides: Sequence[Sample], scores: Sequence[Floats]) -> float:
    """Mann and Whitney's one-sided p-value: production's blocks have higher scores.

    The normal approximation is wrong with few blocks, and the exact distribution knows no ties. So
    these are broken at random, which keeps blocks exchangeable.
    """
    means = []
    for side, score in zip(sides, scores, strict=True):
        _, places = np.unique(side.blocks, return_inverse=True)
        means.append(np.bincount(places, score) / np.bincount(places))
    sizes = [len(mean) for mean in means]
    if min(sizes) > _MOST_EXACT:
        return float(stats.mannwhitneyu(means[1], means[0], alternative="greater").pvalue)
    # Rounded, since equal scores of blocks of different sizes differ in their last bits.
    joined = np.concatenate(means).round(12)
    order = np.lexsort((np.random.default_rng(_SEED).random(len(joined)), joined))
    ranks = np.argsort(order)
    result = stats.mannwhitneyu(
        ranks[sizes[0] :], ranks[: sizes[0]], alternative="greater", method="exact"
    )
    return float(result.pvalue)


def _losses(
    model: HistGradientBoostingClassifier, sides: Sequence[Sample], rng: np.random.Generator
) -> Floats:
    """What the area loses if a feature is shuffled over the held-out rows, float64 `[features]`.

    References:
        Breiman (2001), Random forests, Machine Learning 45: permutation importance.
    """
    values, labels = _joined([side.values for side in sides])
    num_rows = min(_MAX_SHUFFLED_ROWS, max(_MAX_SHUFFLED_VALUES // values.shape[1], 200))
    chosen = rng.permutation(len(values))[:num_rows]
    values, labels = values[chosen], labels[chosen]
    area = roc_auc(labels, model.predict_proba(values)[:, 1])
    losses = np.zeros(values.shape[1])
    for place in range(values.shape[1]):
        shuffled = values.copy()
        shuffled[:, place] = rng.permutation(shuffled[:, place])
        losses[place] = area - roc_auc(labels, model.predict_proba(shuffled)[:, 1])
    return losses
