"""Splits by time, from counts of bounded size that are refined at the cuts.

Times are counted in ranges of neighbouring keys where there are very many. If times crowd, one
range may hold most of the rows, and a cut at its end would be far from the shares. So the ranges
beside each cut are counted again by themselves, until the cuts lie between single times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.components.arrow_example_gen.splitting.splits import (
    Ints,
    KeyCounts,
    Keys,
    TablePlan,
    running_sums,
)

_MAX_RANGES = 4
# A round tells 14 bits of the 64 of a key apart, so five would do if no cut moved.
_MAX_ROUNDS = 16


@dataclass(frozen=True, kw_only=True)
class KeyRange:
    """Neighbouring keys: all that are `start` but for their `shift` low bits."""

    start: int
    shift: int


@dataclass(frozen=True, kw_only=True)
class Units:
    """Rows counted by ranges of keys, of which some are finer than others.

    Attributes:
        starts: uint64 [units], the first key of each, ascending.
        shifts: int64 [units], low bits of the keys that are not distinguished.
        counts: int64 [units, 2], negative and positive rows.
    """

    starts: Keys
    shifts: Ints
    counts: Ints

    @classmethod
    def of(cls, counts: KeyCounts) -> "Units":
        """Returns the units of evenly spaced counts."""
        return cls(
            starts=counts.keys << np.uint64(counts.shift),
            shifts=np.full(len(counts.keys), counts.shift, np.int64),
            counts=counts.counts,
        )

    def cuts(self, shares: Sequence[float]) -> tuple[int, int]:
        """Returns the first unit of eval and of test, or (-1, -1) where no cut serves."""
        negative, positive = self.counts[:, 0], self.counts[:, 1]
        return best_cuts(negative + positive, [negative, positive], shares)

    def coarse_ranges(self, shares: Sequence[float]) -> list[KeyRange]:
        """Returns the ranges that must be refined, none where the cuts are as good as they get.

        These are the ones beside the cuts; where no cut serves, those with the most rows.
        """
        first, second = self.cuts(shares)
        if first < 0:
            near = np.argsort(-self.counts.sum(axis=1) * (self.shifts > 0), kind="stable")
        else:
            near = np.unique([first - 1, first, second - 1, min(second, len(self.starts) - 1)])
        units = near[self.shifts[near] > 0][:_MAX_RANGES]
        return [KeyRange(start=int(self.starts[u]), shift=int(self.shifts[u])) for u in units]

    def refine(self, ranges: Sequence[KeyRange], finer: KeyCounts) -> "Units":
        """Returns these units with `ranges` replaced by a finer count of their rows."""
        kept = ~np.isin(self.starts, np.array([r.start for r in ranges], np.uint64))
        added = Units.of(finer)
        starts = np.concatenate([self.starts[kept], added.starts])
        order = np.argsort(starts, kind="stable")
        return Units(
            starts=starts[order],
            shifts=np.concatenate([self.shifts[kept], added.shifts])[order],
            counts=np.concatenate([self.counts[kept], added.counts])[order],
        )


def in_ranges(keys: Keys, ranges: Sequence[KeyRange]) -> npt.NDArray[np.bool_]:
    """Returns bool [keys], which lie in one of the ranges."""
    inside = np.zeros(len(keys), bool)
    for one in ranges:
        inside |= (keys >> np.uint64(one.shift)) == np.uint64(one.start >> one.shift)
    return inside


def refine_units(
    counts: KeyCounts,
    shares: Sequence[float],
    recount: Callable[[Sequence[KeyRange]], KeyCounts],
) -> Units:
    """Returns units that are single keys where the cuts go through.

    Args:
        counts: Rows by key.
        shares: Shares of the splits.
        recount: Counts the rows in some ranges by themselves.
    """
    units = Units.of(counts)
    for _ in range(_MAX_ROUNDS):
        ranges = units.coarse_ranges(shares)
        if not ranges:
            break
        units = units.refine(ranges, recount(ranges))
    return units


def plan_time(units: Units, shares: Sequence[float]) -> TablePlan | None:
    """Returns the plan that puts the oldest rows in train and the newest in test.

    Equal times stay on one side. None where no cut gives each split a row of each class.

    Args:
        units: Rows by time.
        shares: Shares of the splits.
    """
    first, second = units.cuts(shares)
    if first < 0:
        return None
    places = np.arange(len(units.starts))
    splits = (places >= first).astype(np.int8) + (places >= second).astype(np.int8)
    return TablePlan.of(units.starts, splits, units.counts)


def best_cuts(weights: Ints, needs: Sequence[Ints], shares: Sequence[float]) -> tuple[int, int]:
    """Returns where to cut a sequence in three so that the worst part is nearest its share.

    A part is as bad as the ratio of its weight to its share, or of its share to its weight. Where
    the worst parts are equally bad, the second worst decide.

    Args:
        weights: int64 [units].
        needs: Each int64 [units]; every part must hold at least one of each.
        shares: Shares of the three parts.

    Returns:
        The first unit of the second and of the third part, or (-1, -1) where no cut gives every
        part what it needs.
    """
    before = running_sums(weights)
    first, earliest, latest = _allowed_cuts(needs, len(weights))
    if not len(first):
        return -1, -1
    goals = np.asarray(shares, np.float64) * before[-1]
    # For a given first cut, the ratios of the other two parts are equal at this sum of weights;
    # the best second cut is beside it, or at the nearest allowed place.
    balance = before[first] + (before[-1] - before[first]) * goals[1] / (goals[1] + goals[2])
    beside = np.searchsorted(before, balance)
    firsts = np.tile(first, 2)
    seconds = np.clip(np.concatenate([beside - 1, beside]), np.tile(earliest, 2), latest)
    parts = np.stack(
        [before[firsts], before[seconds] - before[firsts], before[-1] - before[seconds]]
    )
    with np.errstate(divide="ignore"):
        ratios = np.abs(np.log(parts / goals[:, np.newaxis]))
    best = int(np.lexsort(np.sort(ratios, axis=0))[0])
    return int(firsts[best]), int(seconds[best])


def _allowed_cuts(needs: Sequence[Ints], num_units: int) -> tuple[Ints, Ints, int]:
    """Returns all possible first cuts, the earliest second cut of each, and the latest one."""
    first = np.arange(num_units + 1)
    earliest, latest = first.copy(), num_units
    allowed = np.ones(len(first), bool)
    for need in needs:
        running = running_sums(need)
        allowed &= running >= 1
        earliest = np.maximum(earliest, np.searchsorted(running, running + 1))
        latest = min(latest, int(np.searchsorted(running, running[-1] - 1, side="right")) - 1)
    allowed &= earliest <= latest
    return first[allowed], earliest[allowed], latest
