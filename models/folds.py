"""Folds of a split for predictions of examples by models that were not trained on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.model_spec import FoldRule

Ints = NDArray[np.int64]
# Numbers of folds: there are never many, and there is one for each example.
_Numbers = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Fold:
    """A training and the examples that it predicts.

    Attributes:
        train: Places of the examples that are trained on, ascending.
        held_out: Places of the examples that are predicted, ascending.
    """

    train: Ints
    held_out: Ints


def deal_folds(
    rule: FoldRule, keys: Ints, labels: NDArray[np.float32], num_folds: int
) -> list[Fold]:
    """Deals examples to folds as the split's strategy asks.

    `stratified` deals the examples of each class in turn, in the order of their keys. `group` and
    `blocks` deal whole groups, the largest first, each to the fold that has the fewest of its
    faults, then of its rows. `time` trains on the past only: of `num_folds` + 1 periods with equal
    numbers of faults, each but the first is predicted by a model of those before it.

    The folds do not depend on the order of the examples, but for equal keys.

    Args:
        rule: The strategy.
        keys: int64 `[n]`: hashes of the examples' content, of their groups, or times.
        labels: float32 `[n]` of 0 and 1.
        num_folds: Number of folds, at least 2.

    Returns:
        The folds in which both parts have both classes; fewer than `num_folds` where faults or
        groups are too few.

    References:
        Stone (1974), Cross-validatory choice and assessment of statistical predictions. Tashman
        (2000), Out-of-sample tests of forecasting accuracy, for the rolling origin.
    """
    return [
        Fold(np.flatnonzero(train), np.flatnonzero(held_out))
        for train, held_out in _parts(rule, keys, labels, num_folds)
    ]


def last_fold(
    rule: FoldRule, keys: Ints, labels: NDArray[np.float32], num_folds: int
) -> Fold | None:
    """Returns the last of the folds that `deal_folds` returns; None if there are fewer than two.

    The places of the others are never in memory.
    """
    parts = list(_parts(rule, keys, labels, num_folds))
    if len(parts) < 2:
        return None
    train, held_out = parts[-1]
    return Fold(np.flatnonzero(train), np.flatnonzero(held_out))


def thinned(fold: Fold, labels: NDArray[np.float32], *, most: int, positives: int) -> Fold:
    """Returns a fold with every k-th example of each class, the first ones of k.

    Args:
        fold: The fold.
        labels: float32 `[n]` of 0 and 1, of all examples.
        most: k is the least that leaves at most about so many examples.
        positives: k is smaller where it would leave fewer positive examples than about so many.
    """
    places = np.concatenate([fold.train, fold.held_out])
    step = min(-(-places.size // most), int(labels[places].sum()) // positives)

    def part(own: Ints) -> Ints:
        by_class = (own[labels[own] == 1], own[labels[own] != 1])
        return np.sort(np.concatenate([one[:: max(1, step)] for one in by_class]))

    return Fold(part(fold.train), part(fold.held_out))


def held_out_places(folds: Sequence[Fold]) -> Ints:
    """Returns the places of all examples that a fold predicts, ascending."""
    return np.sort(np.concatenate([fold.held_out for fold in folds]))


def _parts(
    rule: FoldRule, keys: Ints, labels: NDArray[np.float32], num_folds: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which examples are trained on and which are held out, where both have both classes."""
    positive = labels > 0.5
    is_time = rule.strategy == "time"
    if is_time:
        numbers = _periods(keys, positive, num_folds + 1)
    else:
        deal = _deal_rows if rule.strategy == "stratified" else _deal_groups
        numbers = deal(keys, positive, num_folds)
    for number in range(1, num_folds + 1) if is_time else range(num_folds):
        train = numbers < number if is_time else numbers != number
        held_out = numbers == number
        if _has_both(positive[train]) and _has_both(positive[held_out]):
            yield train, held_out


def _has_both(positive: NDArray[np.bool_]) -> bool:
    return bool(0 < positive.sum() < positive.size)


def _deal_rows(keys: Ints, positive: NDArray[np.bool_], num_folds: int) -> _Numbers:
    numbers = np.empty(keys.size, np.int16)
    for label in (True, False):
        own = np.flatnonzero(positive == label)
        numbers[own[np.argsort(keys[own], kind="stable")]] = np.arange(own.size) % num_folds
    return numbers


def _deal_groups(keys: Ints, positive: NDArray[np.bool_], num_folds: int) -> _Numbers:
    _, groups = np.unique(keys, return_inverse=True)
    faults = np.bincount(groups, weights=positive)
    sizes = np.bincount(groups)
    loads = np.zeros((num_folds, 2))
    fold_of = np.empty(sizes.size, np.int16)
    # The group's key breaks ties, as `np.unique` has sorted them.
    for group in np.lexsort((-sizes, -faults)):
        # What counts is what the group has: a group without faults goes where rows are fewest.
        order = (loads[:, 1], loads[:, 0]) if faults[group] else (loads[:, 0], loads[:, 1])
        fold = int(np.lexsort(order)[0])
        fold_of[group] = fold
        loads[fold] += faults[group], sizes[group]
    return fold_of[groups]


def _periods(times: Ints, positive: NDArray[np.bool_], num_periods: int) -> _Numbers:
    """The period of each example; equal times are in one period."""
    moments, places = np.unique(times, return_inverse=True)
    before = np.cumsum(np.bincount(places, weights=positive, minlength=moments.size))
    # The first times have no fault before them; the last fault belongs to the last period.
    share = np.minimum((before - 0.5).clip(0) / before[-1], 1 - 1e-9) if before[-1] else before * 0
    return (share * num_periods).astype(np.int16)[places]
