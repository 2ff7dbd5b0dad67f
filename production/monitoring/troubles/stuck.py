"""Stuck sensors: a constant where there was noise."""

import math
from collections.abc import Iterator

import numpy as np

from models.features import Signal, of_kind
from production.monitoring.chunks.signals import CLIPPED, FLAT
from production.monitoring.troubles.case import BROKEN_SHARE, Case, Floats, Ints, percent
from production.monitoring.troubles.trouble import Trouble, TroubleKind

# A value that more training rows have may be a resting level.
_RARE = 0.01
# Without other rows to learn from, only values that hardly two training rows share are suspicious.
_UNIQUE = 1e-3
_FEWEST_NEIGHBOURS = 50
_FEWEST_ROWS = 10
# Of the samples of a recording, beyond the largest share in the training data.
_MORE = 0.1


def find_stuck(case: Case) -> Iterator[Trouble]:
    """Yields numbers that repeat one value far too often, and recordings that are flat or clipped.

    A number is stuck if it repeats a value, rare in the training data, in so many successive rows
    that chance explains none of these runs: n q^(r - 1) for r rows of n, where q is the probability
    that neighbours are equal, in the training data or outside of the longest run. With keys, the
    rows of each key are a sequence of their own.

    References:
        Feller (1968), An introduction to probability theory and its applications, volume 1, chapter
        13: runs of successes.
    """
    signals = of_kind(case.reference.features, Signal)
    for name, values in case.columns.numbers.items():
        if ": " not in name and name in case.reference.columns.numbers:
            yield from _stuck(case, name, values, case.training_values(name))
    for name in signals:
        yield from _recordings(case, name, FLAT, "does not change over much of the recording")
        yield from _recordings(case, name, CLIPPED, "is cut at its extremes")


def _stuck(case: Case, name: str, values: Floats, before: Floats) -> Iterator[Trouble]:
    order = case.by_key[np.isfinite(values[case.by_key])]
    if len(order) < _FEWEST_ROWS or len(before) < _FEWEST_ROWS:
        return
    starts, lengths = _runs(values[order], None if case.keys is None else case.keys[order])
    equal = _collisions(before)
    is_long = lengths >= _least_run(lengths, len(order), equal, case.level)
    starts, lengths = starts[is_long], lengths[is_long]
    is_rare = _share_of(values[order[starts]], before) <= _RARE
    if not is_rare.any():
        return
    starts, lengths = starts[is_rare], lengths[is_rare]
    first, longest = order[int(starts[np.argmax(lengths)])], int(lengths.max())
    share = float(lengths.sum()) / case.num_rows
    yield Trouble(
        kind=TroubleKind.STUCK,
        feature=name,
        share=share,
        words=f"`{name}` is stuck at {values[first]:.6g}, in up to {longest:,} successive rows"
        f"{case.key_words(first)}: such runs are {percent(share)} of the rows. In the "
        f"training data, {percent(equal)} of the pairs of rows are equal. Check the sensor.",
        is_broken=share >= BROKEN_SHARE,
    )


def _runs(values: Floats, keys: Ints | None) -> tuple[Ints, Ints]:
    """First place and length of each run of equal values, of one key."""
    breaks = np.diff(values) != 0
    if keys is not None:
        breaks |= np.diff(keys) != 0
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    return starts, np.diff(np.concatenate([starts, [len(values)]]))


def _least_run(lengths: Ints, num_rows: int, collisions: float, level: float) -> float:
    """Rows of a run that chance does not explain; infinite with too little evidence."""
    longest = int(lengths.max())
    num_others = num_rows - longest - (len(lengths) - 1)
    num_neighbours = num_rows - longest
    if num_neighbours >= _FEWEST_NEIGHBOURS:
        equal = max(collisions, (num_others + 1) / (num_neighbours + 2))
    elif collisions <= _UNIQUE:
        equal = _UNIQUE
    else:
        return math.inf
    least = 1 + math.log(level / num_rows) / math.log(min(equal, 1 - 1e-9))
    return max(float(_FEWEST_ROWS), least)


def _collisions(ordered: Floats) -> float:
    """Share of pairs of training rows with the same value."""
    sizes = np.unique(ordered, return_counts=True)[1].astype(np.float64)
    pairs = len(ordered) * (len(ordered) - 1.0)
    return float((sizes * (sizes - 1)).sum() / pairs)


def _share_of(values: Floats, ordered: Floats) -> Floats:
    """Share of training rows with each value."""
    sides = [np.searchsorted(ordered, values, side=side) for side in ("right", "left")]
    return np.asarray((sides[0] - sides[1]) / len(ordered), np.float64)


def _recordings(case: Case, name: str, number: str, what: str) -> Iterator[Trouble]:
    channel = f"{name}: {number}"
    now = case.columns.numbers.get(channel)
    before = case.reference.columns.numbers.get(channel)
    if now is None or before is None or not np.isfinite(before).any():
        return
    limit = float(np.nanmax(before)) + _MORE
    flags = np.nan_to_num(now) > limit
    if not case.exceeds(flags, 0, len(before)):
        return
    share = float(flags.mean())
    yield Trouble(
        kind=TroubleKind.STUCK,
        feature=name,
        share=share,
        words=f"`{name}` {what} in {percent(share)} of the rows: {number} over {percent(limit)}; "
        f"in the training data it is at most {percent(limit - _MORE)}. Check the sensor and its "
        "range.",
        is_broken=share >= BROKEN_SHARE,
    )
