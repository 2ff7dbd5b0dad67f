"""Exact assignment of rows to splits at any scale.

Each row has a 64-bit key: the hash of its content (`stratified`), of its group (`group`) or block
(`blocks`), or its time (`time`). Rows are counted by key and class in arrays of bounded size,
however many rows there are; cuts through the ordered keys make the splits. The order of
keys does not depend on the order of rows or on their files, except for `blocks`, which uses both.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline.reading import hashing

Keys = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
SplitIds = npt.NDArray[np.int8]

NUM_SPLITS = 3
_KEY_BITS = 64
# Rows are counted in this many buckets of their hash; only the buckets that a cut goes through are
# looked at row by row.
BUCKET_BITS = 16
# Groups and times are counted one by one up to this many, then in ranges of neighbouring keys. What
# travels from worker to driver is bounded by it (1.6 MB), however many rows there are.
MAX_UNITS = 1 << 16


def largest_remainder(total: int, shares: Sequence[float]) -> list[int]:
    """Returns how many of `total` each split gets: the share, rounded by the largest remainder.

    Every split gets at least one where there are enough; the largest gives it.

    Args:
        total: Number of things to deal.
        shares: Shares that sum to 1.

    References:
        Balinski and Young, Fair Representation, 1982, on Hamilton's method.
    """
    # Rounded, for 0.15 * 160 must be 24 and not a hair less.
    exact = np.round(np.asarray(shares, np.float64) * total, 9)
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: total - int(counts.sum())]] += 1
    while total >= len(counts) and counts.min() == 0:
        counts[int(counts.argmax())] -= 1
        counts[int(counts.argmin())] += 1
    return [int(count) for count in counts]


@dataclass(kw_only=True)
class KeyCounts:
    """Rows counted by key and class; at most `limit` keys, by merging neighbours where needed.

    The result does not depend on the order in which rows are added or counts are merged.

    Attributes:
        shift: Low bits of the keys that are not distinguished.
        limit: Most distinct keys that are kept.
        keys: uint64 [units], ascending, shifted right by `shift`.
        counts: int64 [units, 2], negative and positive rows.
    """

    shift: int = 0
    limit: int = MAX_UNITS
    keys: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))
    counts: Ints = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def add(self, keys: Keys, positive: npt.NDArray[np.bool_]) -> None:
        """Counts rows with these keys."""
        classes = np.stack([~positive, positive], axis=1).astype(np.int64)
        self._add(keys >> np.uint64(self.shift), classes)

    def merge(self, other: "KeyCounts") -> None:
        """Adds the rows that another has counted."""
        shift = max(self.shift, other.shift)
        self._coarsen(shift)
        self._add(other.keys >> np.uint64(shift - other.shift), other.counts)

    def _add(self, keys: Keys, classes: Ints) -> None:
        self.keys, places = np.unique(np.concatenate([self.keys, keys]), return_inverse=True)
        classes = np.concatenate([self.counts, classes])
        sums = [np.bincount(places, classes[:, label], len(self.keys)) for label in (0, 1)]
        self.counts = np.stack(sums, axis=1).astype(np.int64)
        if len(self.keys) > self.limit:
            self._coarsen(self.shift + self._excess_bits())

    def _excess_bits(self) -> int:
        """The fewest low bits that must go so that the keys keep to the limit."""
        # Two neighbours become one when all bits in which they differ are gone.
        differences = np.sort(self.keys[1:] ^ self.keys[:-1])
        ends = np.searchsorted(differences, np.uint64(1) << np.arange(_KEY_BITS, dtype=np.uint64))
        return int(np.argmax(1 + len(differences) - ends <= self.limit))

    def _coarsen(self, shift: int) -> None:
        if shift <= self.shift or not len(self.keys):
            self.shift = max(shift, self.shift)
            return
        keys = self.keys >> np.uint64(shift - self.shift)
        firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        self.keys, self.shift = keys[firsts], shift
        self.counts = np.add.reduceat(self.counts, firsts, axis=0)


def bucket_counts() -> KeyCounts:
    """Returns an empty count of rows by the bucket of their hash, for `stratified`."""
    return KeyCounts(shift=_KEY_BITS - BUCKET_BITS, limit=1 << BUCKET_BITS)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The boundary of one class between two splits: after some rows of one bucket.

    Attributes:
        label: 0 or 1.
        boundary: 0 between train and eval, 1 between eval and test.
        bucket: The bucket that the cut goes through.
        take: How many of its rows, in order, lie before the cut.
    """

    label: int
    boundary: int
    bucket: int
    take: int


def stratified_rows(counts: KeyCounts, shares: Sequence[float], *, in_window: bool = False) -> Ints:
    """Returns int64 [splits, classes], each split's exact share of the rows of each class.

    Of the ways to round the shares of the classes up or down, it is the one with the least squared
    deviations of the classes and of all rows together: 207 and 793 rows give 200, not 199, where
    the share is 0.2.

    In a window, positives so few that a split's share is less than one are dealt by a number that
    follows from these rows: each split gets its share in the mean over the spans. Otherwise all
    spans with one positive would give it to train, and `test` would have none.

    Args:
        counts: Rows by bucket.
        shares: Shares of the splits.
        in_window: Whether the rows are a span of a window.

    References:
        Madow and Madow, On the theory of systematic sampling, Annals of Mathematical Statistics
        15(1), 1944.
    """
    totals = counts.counts.sum(axis=0)
    exact = np.outer(shares, totals)
    start = _start(counts) if in_window else None
    ways = itertools.product(
        _roundings(int(totals[0]), shares, None), _roundings(int(totals[1]), shares, start)
    )

    def deviation(rows: Ints) -> float:
        off = rows - exact
        # Rounded, so that equal deviations are equal: the first way, by largest remainders, wins.
        return round(float(np.square(off).sum() + np.square(off.sum(axis=1)).sum()), 6)

    return min((np.array(way, np.int64).T for way in ways), key=deviation)


def _start(counts: KeyCounts) -> float:
    """A number in [0, 1) that follows from the positive rows and not from their order."""
    mixed = hashing.mix(counts.keys) * counts.counts[:, 1].astype(np.uint64)
    total = np.bitwise_xor.reduce(mixed, initial=np.uint64(0))
    return float(hashing.mix(np.array([total], np.uint64))[0] >> np.uint64(11)) / 2.0**53


def _roundings(total: int, shares: Sequence[float], start: float | None) -> list[list[int]]:
    """The ways to round shares of `total` up or down to whole rows, by largest remainder first."""
    first = largest_remainder(total, shares)
    floors = np.floor(np.round(np.asarray(shares, np.float64) * total, 9)).astype(np.int64)
    if floors.min() == 0 and start is not None:
        ends = np.floor(np.round(np.cumsum(shares) * total, 9) + start).astype(np.int64)
        ends[-1] = total
        return [[int(n) for n in np.diff(ends, prepend=0)]]
    if floors.min() == 0:
        return [first]
    extra = total - int(floors.sum())
    ups = itertools.combinations(range(len(floors)), extra)
    return [first, *([int(n) + (k in up) for k, n in enumerate(floors)] for up in ups)]


def stratified_cuts(
    counts: KeyCounts, shares: Sequence[float], *, in_window: bool = False
) -> list[Cut]:
    """Returns the cuts that give each split its exact share of each class.

    Two for each class, without those that no row lies beyond.

    Args:
        counts: Rows by bucket.
        shares: Shares of the splits.
        in_window: As for `stratified_rows`.
    """
    cuts = []
    rows = stratified_rows(counts, shares, in_window=in_window)
    for label in (0, 1):
        before = np.concatenate([[0], np.cumsum(counts.counts[:, label])])
        quotas = np.cumsum(rows[:, label])
        for boundary, quota in enumerate(quotas[:-1]):
            if quota == before[-1]:
                continue
            # The bucket with the first row that is beyond the quota.
            place = int(np.searchsorted(before, quota, side="right")) - 1
            cuts.append(
                Cut(
                    label=label,
                    boundary=boundary,
                    bucket=int(counts.keys[place]),
                    take=int(quota - before[place]),
                )
            )
    return cuts


@dataclass(kw_only=True)
class Rows:
    """Rows of some buckets, distinguished by hash, and equal ones by piece and row.

    Attributes:
        labels: bool [rows].
        keys: uint64 [rows].
        places: int64 [rows, 2], piece of the data and row in its file.
        content: uint64 [rows], the hash of the row's content; empty if nothing needs it.
    """

    labels: npt.NDArray[np.bool_]
    keys: Keys
    places: Ints
    content: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))

    def at_cuts(self, cuts: Sequence[Cut]) -> "CutCounts":
        """Counts the rows that lie in a bucket that a cut of their class goes through."""
        buckets = self.keys >> np.uint64(_KEY_BITS - BUCKET_BITS)
        wanted = np.zeros(len(self.keys), bool)
        for cut in cuts:
            wanted |= (buckets == cut.bucket) & (self.labels == bool(cut.label))
        inside = self.only(wanted)
        order = np.lexsort((inside.places[:, 0], inside.keys, inside.labels))
        labels, keys, pieces = (
            inside.labels[order],
            inside.keys[order],
            inside.places[order, 0],
        )
        differs = (
            (labels[1:] != labels[:-1]) | (keys[1:] != keys[:-1]) | (pieces[1:] != pieces[:-1])
        )
        firsts = np.flatnonzero(np.concatenate([[True], differs])[: len(keys)])
        counts = np.diff(np.append(firsts, len(keys)))
        return CutCounts(
            labels=labels[firsts], keys=keys[firsts], pieces=pieces[firsts], counts=counts
        )

    def only(self, wanted: npt.NDArray[np.bool_]) -> "Rows":
        """Returns the rows at which `wanted` is true."""
        return Rows(
            labels=self.labels[wanted],
            keys=self.keys[wanted],
            places=self.places[wanted],
            content=self.content[wanted] if len(self.content) else self.content,
        )

    def by_content(self) -> "Rows":
        """Returns the rows with the hash of their content as key."""
        return replace(self, keys=self.content)


@dataclass(kw_only=True)
class CutCounts:
    """Rows in the buckets of cuts, counted by class, hash and piece: equal rows take one place.

    Attributes:
        labels: bool [entries].
        keys: uint64 [entries].
        pieces: int64 [entries].
        counts: int64 [entries], how many rows.
    """

    labels: npt.NDArray[np.bool_]
    keys: Keys
    pieces: Ints
    counts: Ints

    @staticmethod
    def concatenate(parts: Sequence["CutCounts"]) -> "CutCounts":
        """Returns the entries of all parts."""
        return CutCounts(
            labels=np.concatenate([part.labels for part in parts]),
            keys=np.concatenate([part.keys for part in parts]),
            pieces=np.concatenate([part.pieces for part in parts]),
            counts=np.concatenate([part.counts for part in parts]),
        )


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The first row of a class that lies beyond a boundary.

    Attributes:
        label: 0 or 1.
        key: Its hash.
        piece: Its piece.
        skip: How many rows of the piece with this hash and class come before it.
    """

    label: int
    key: int
    piece: int
    skip: int


def find_thresholds(cuts: Sequence[Cut], counts: CutCounts) -> list[Threshold]:
    """Returns the exact row at each cut, in the order of `cuts`.

    Args:
        cuts: The cuts.
        counts: All rows that lie in the buckets of the cuts.
    """
    buckets = counts.keys >> np.uint64(_KEY_BITS - BUCKET_BITS)
    thresholds = []
    for cut in cuts:
        inside = np.flatnonzero((buckets == cut.bucket) & (counts.labels == bool(cut.label)))
        order = inside[np.lexsort((counts.pieces[inside], counts.keys[inside]))]
        before = running_sums(counts.counts[order])
        place = int(np.searchsorted(before, cut.take, side="right")) - 1
        at = order[place]
        thresholds.append(
            Threshold(
                label=cut.label,
                key=int(counts.keys[at]),
                piece=int(counts.pieces[at]),
                skip=int(cut.take - before[place]),
            )
        )
    return thresholds


@dataclass(frozen=True, kw_only=True)
class StratifiedPlan:
    """Deals rows by the thresholds of `stratified`, at most two for each class."""

    thresholds: tuple[Threshold, ...]

    def assign(self, rows: Rows) -> SplitIds:
        """Returns int8 [rows]: 0 train, 1 eval, 2 test.

        Args:
            rows: All rows of their pieces: of equal ones it matters how many come before.
        """
        splits = np.zeros(len(rows.keys), np.int8)
        pieces, numbers = rows.places[:, 0], rows.places[:, 1]
        for threshold in self.thresholds:
            mine = rows.labels == bool(threshold.label)
            key = np.uint64(threshold.key)
            equal = mine & (rows.keys == key)
            splits += (mine & (rows.keys > key)).astype(np.int8)
            splits += (equal & (pieces > threshold.piece)).astype(np.int8)
            here = np.flatnonzero(equal & (pieces == threshold.piece))
            splits[here[np.argsort(numbers[here])][threshold.skip :]] += 1
        return splits


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """Deals rows by a table from key to split, for `group`, `blocks` and `time`.

    Attributes:
        keys: uint64 [units], the first key of each unit, ascending.
        splits: int8 [units].
        rows: int64 [splits, classes], the rows that each split gets.
    """

    keys: Keys
    splits: SplitIds
    rows: Ints

    @classmethod
    def of(
        cls, keys: Keys, splits: SplitIds, counts: Ints, *, num_splits: int = NUM_SPLITS
    ) -> "TablePlan | None":
        """Returns the plan, or None where a split would miss a class.

        Args:
            keys: uint64 [units], the first key of each unit, ascending.
            splits: int8 [units].
            counts: int64 [units, classes], rows.
            num_splits: Number of splits.
        """
        rows = np.stack([counts[splits == split].sum(axis=0) for split in range(num_splits)])
        return None if rows.min() == 0 else cls(keys=keys, splits=splits, rows=rows)

    def assign(self, rows: Rows) -> SplitIds:
        """Returns int8 [rows]: 0 train, 1 eval, 2 test."""
        return self.splits[np.searchsorted(self.keys, rows.keys, side="right") - 1]


@dataclass(frozen=True, kw_only=True)
class WithinGroupsPlan:
    """Deals whole groups to test, and the rows of the other groups to train and eval.

    Attributes:
        groups: The group's split: 0 for train and eval, 1 for test.
        within: Deals rows to train and eval by their content, stratified.
    """

    groups: TablePlan
    within: StratifiedPlan

    def assign(self, rows: Rows) -> SplitIds:
        """Returns int8 [rows]: 0 train, 1 eval, 2 test.

        Args:
            rows: All rows of their pieces, with their content.
        """
        is_test = self.groups.assign(rows) == 1
        splits = np.full(len(rows.keys), NUM_SPLITS - 1, np.int8)
        splits[~is_test] = self.within.assign(rows.only(~is_test).by_content())
        return splits


def running_sums(values: Ints) -> Ints:
    """Returns int64 [values + 1], the sum of the values before each place."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
