"""Dealing whole groups or blocks so that each split gets its share of both classes."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.components.arrow_example_gen.splitting.splits import (
    Ints,
    KeyCounts,
    SplitIds,
    TablePlan,
)

Floats = npt.NDArray[np.float64]

# With more units, greedy dealing alone is exact to a fraction of a percent.
_MAX_SWAPPED_UNITS = 2_048
_NONE = 1e-12


def plan_groups(counts: KeyCounts, shares: Sequence[float]) -> TablePlan | None:
    """Returns the plan that keeps each group on one side.

    None where a split would miss a class, because too few groups contain it.

    Args:
        counts: Rows by the group's or block's hash; both classes occur.
        shares: Shares of the splits, which may be any number.
    """
    units = counts.counts / counts.counts.sum(axis=0)
    wanted = np.asarray(shares, np.float64)[:, np.newaxis]
    splits = _deal(units, wanted)
    if len(units) <= _MAX_SWAPPED_UNITS:
        _swap(units, wanted, splits)
    keys = counts.keys << np.uint64(counts.shift)
    return TablePlan.of(keys, splits, counts.counts, num_splits=len(shares))


def plan_test_groups(counts: KeyCounts, shares: Sequence[float]) -> TablePlan | None:
    """Returns the plan that gives whole groups to test; split 0 is the rest, split 1 is test.

    Args:
        counts: Rows by the group's hash; both classes occur.
        shares: Shares of train, eval and test.
    """
    return plan_groups(counts, (shares[0] + shares[1], shares[2]))


def shares_within(shares: Sequence[float]) -> tuple[float, float]:
    """Returns the shares of train and eval among the rows that are not in test."""
    rest = shares[0] + shares[1]
    return shares[0] / rest, shares[1] / rest


def _deal(units: Floats, wanted: Floats) -> SplitIds:
    """Deals units greedily, the largest first; equally large ones in the order of their hash.

    Each unit goes to the split that it brings nearest to its shares: the one in which
    sum over classes of (share dealt - share wanted)^2 / share wanted falls most. A class that is in
    no more units than there are splits without it goes to these splits.

    Args:
        units: float64 [units, classes], share of all rows of the class; in the order of their hash.
        wanted: float64 [splits, 1], shares of the splits.

    References:
        The greedy rule of scikit-learn's StratifiedGroupKFold, with the chi-square distance, which
        serves unequal shares. Graham, Bounds on multiprocessing timing anomalies, SIAM Journal on
        Applied Mathematics 17, 1969: the largest first bounds the error of greedy dealing.
    """
    dealt = np.zeros((len(wanted), units.shape[1]))
    num_left = (units > 0).sum(axis=0)
    splits = np.zeros(len(units), np.int8)
    for unit in np.argsort(-units.sum(axis=1), kind="stable"):
        share = units[unit]
        costs = (share * (2 * (dealt - wanted) + share) / wanted).sum(axis=1)
        lacks = dealt == 0
        if lacks.any():
            scarce = (share > 0) & (num_left <= lacks.sum(axis=0))
            split = int(np.lexsort((costs, -(lacks & scarce).sum(axis=1)))[0])
        else:
            split = int(costs.argmin())
        splits[unit] = split
        dealt[split] += share
        num_left -= share > 0
    return splits


def _swap(units: Floats, wanted: Floats, splits: SplitIds) -> None:
    """Swaps two units of different splits, or moves one, as long as that lowers the distance.

    The best swap comes first. No split loses its last unit of a class.
    """
    pairs = tuple(itertools.combinations(range(len(wanted)), 2))
    while True:
        swaps = [_best_swap(units, wanted, splits, pair) for pair in pairs]
        place = int(np.argmin([gain for gain, _, _ in swaps]))
        gain, left, right = swaps[place]
        if gain >= -_NONE:
            return
        first, second = pairs[place]
        splits[left], splits[right] = second, first


def _best_swap(
    units: Floats, wanted: Floats, splits: SplitIds, pair: tuple[int, int]
) -> tuple[float, Ints, Ints]:
    """Returns the change of the distance, and the units of the first and the second split.

    One of the two may be empty: then the other moves.
    """
    members = [np.flatnonzero(splits == split) for split in pair]
    left, right = (np.vstack([units[places], np.zeros(units.shape[1])]) for places in members)
    moved = right - left[:, np.newaxis]  # what the first split gains, [left, right, classes]
    cost = np.zeros(moved.shape[:2])
    for split, places, gained in zip(pair, members, (moved, -moved), strict=True):
        dealt = units[places].sum(axis=0)
        cost += (gained * (2 * (dealt - wanted[split]) + gained) / wanted[split]).sum(axis=2)
        cost[(dealt + gained < _NONE).any(axis=2)] = np.inf
    best = np.unravel_index(int(cost.argmin()), cost.shape)
    chosen = [places[at : at + 1] for places, at in zip(members, best, strict=True)]
    return float(cost[best]), chosen[0], chosen[1]
