"""Distances between two samples of one column, and whether they are more than chance.

A distance counts only where it exceeds both a floor, the smallest difference that matters, and the
differences that two samples of these sizes from one distribution show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

# False alarms of a column between two samples of one distribution, over all its tests.
FALSE_ALARM_RATE = 1e-3
# A share this small matters if it halves or doubles, even where the difference is below the floor.
_RELATIVE_FLOOR = 0.5
# Values that are rarer than this in both samples are compared together.
_RARE_SHARE = 0.01
_RARE = "rare values"
_NEAR_POWER = 0.1  # decades between a ratio and a power of 1,000


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A distance between two samples.

    Attributes:
        value: The distance, in [0, 1].
        floor: The smallest distance that matters.
        p_value: Probability of such a distance between samples of one distribution; an upper bound.
        where: The category that differs most, for categories.
    """

    value: float
    floor: float
    p_value: float
    where: str = ""

    def is_alarm(self, num_tests: int = 1) -> bool:
        """Whether the distance matters and is more than chance.

        Args:
            num_tests: Number of tests of the same column, which share its false-alarm rate.
        """
        return self.value >= self.floor and self.p_value * num_tests < FALSE_ALARM_RATE


def number_distance(
    now: Sequence[float],
    num_now: int,
    then: Sequence[float],
    num_then: int,
    *,
    floor: float,
) -> Distance:
    """Returns the Kolmogorov-Smirnov distance of two samples of numbers.

    Args:
        now: Quantiles of a sample at equidistant probabilities from 0 to 1, or the sample itself.
        num_now: Its size.
        then: Quantiles of the other sample, or that sample.
        num_then: Its size.
        floor: The smallest distance that matters.

    References:
        Smirnov, Table for estimating the goodness of fit of empirical distributions, Annals of
        Mathematical Statistics 19, 1948 (the limit distribution, whose first term bounds it).
    """
    a, b = np.sort(np.asarray(now, float)), np.sort(np.asarray(then, float))
    points = np.union1d(a, b)
    gaps = _distribution(a, points) - _distribution(b, points)
    distance = float(np.abs(gaps).max(initial=0.0))
    harmonic = num_now * num_then / (num_now + num_then)
    p_value = min(1.0, 2 * float(np.exp(-2 * harmonic * distance**2)))
    return Distance(value=distance, floor=floor, p_value=p_value)


def _distribution(ordered: Floats, points: Floats) -> Floats:
    below = np.searchsorted(ordered, points, side="right")
    return np.asarray(below / len(ordered), np.float64)


def share_distance(
    now: int, num_now: int, then: int, num_then: int, *, floor: float, relative: bool
) -> Distance:
    """Returns the difference of two shares, with Fisher's exact test.

    Args:
        now: Successes of a sample.
        num_now: Its size, > 0.
        then: Successes of the other sample.
        num_then: Its size, > 0.
        floor: The smallest difference that matters.
        relative: Whether half of the larger share matters too where that is below the floor.

    References:
        Fisher, The logic of inductive inference, Journal of the Royal Statistical Society 98, 1935.
    """
    shares = now / num_now, then / num_then
    least = min(floor, _RELATIVE_FLOOR * max(shares)) if relative else floor
    [p_value] = _p_values(np.array([now]), num_now, np.array([then]), num_then)
    return Distance(value=abs(shares[0] - shares[1]), floor=least, p_value=float(p_value))


def _p_values(now: Counts, num_now: int, then: Counts, num_then: int) -> Floats:
    """Fisher's exact test of several shares: twice the smaller tail, at most 1."""
    margins = (num_now + num_then, now + then, num_now)
    tails = np.minimum(stats.hypergeom.cdf(now, *margins), stats.hypergeom.sf(now - 1, *margins))
    return np.asarray(np.minimum(1.0, 2 * tails), np.float64)


def category_distance(
    now: Mapping[str, int], then: Mapping[str, int], *, floor: float
) -> Distance | None:
    """Returns the largest change of a category's share; None if a sample is empty.

    The p-value is that of the category's exact test times the number of categories (Bonferroni).

    Args:
        now: Count of each category in a sample.
        then: Count of each category in the other sample.
        floor: The smallest difference that matters.
    """
    num_now, num_then = sum(now.values()), sum(then.values())
    if not num_now or not num_then:
        return None
    pairs = _pool_rare(now, then, num_now, num_then)
    names, counts = list(pairs), np.array(list(pairs.values()))
    shares = counts / [num_now, num_then]
    values = np.abs(shares[:, 0] - shares[:, 1])
    relative = np.where(np.array(names) == _RARE, floor, _RELATIVE_FLOOR * shares.max(axis=1))
    floors = np.minimum(floor, relative)
    p_values = _p_values(counts[:, 0], num_now, counts[:, 1], num_then)
    # The category nearest to an alarm, not the largest change: a rare one has a lower floor.
    place = np.lexsort((-values, p_values, values < floors))[0]
    return Distance(
        value=float(values[place]),
        floor=float(floors[place]),
        p_value=min(1.0, float(p_values[place]) * len(names)),
        where=names[place],
    )


def _pool_rare(
    now: Mapping[str, int], then: Mapping[str, int], num_now: int, num_then: int
) -> dict[str, tuple[int, int]]:
    pairs: dict[str, tuple[int, int]] = {}
    for name in sorted({*now, *then}):
        a, b = now.get(name, 0), then.get(name, 0)
        key = name if max(a / num_now, b / num_then) >= _RARE_SHARE else _RARE
        before = pairs.get(key, (0, 0))
        pairs[key] = (before[0] + a, before[1] + b)
    return pairs


def thousands_text(now: float, then: float) -> str:
    """Returns a remark if a typical value is about 1,000 or 1,000,000 times what it was.

    >>> thousands_text(72_470.0, 75.1), thousands_text(1.2, 1.1)
    ('; about 1,000 times: check the decimal mark and the unit', '')

    Args:
        now: Mean or median of the values.
        then: The same of the earlier values.
    """
    if not now * then > 0:
        return ""
    decades = math.log10(now / then)
    power = round(decades / 3)
    if not power or abs(decades - 3 * power) > _NEAR_POWER:
        return ""
    factor = f"{1000 ** abs(power):,}"
    share = f"{factor} times" if power > 0 else f"one part in {factor}"
    return f"; about {share}: check the decimal mark and the unit"
