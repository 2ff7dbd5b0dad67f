"""Equal periods whose times are rounded, such as those of 64 Hz in whole milliseconds."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_UNITS_S = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)
# With fewer times, or a coarser unit, rounded and unequal periods look alike.
_MIN_ROUNDED = 16
_MAX_ROUNDING = 1 / 3  # of a period


def rounding_s(times_s: Floats) -> float:
    """Returns the largest power of ten in s of which all times are multiples; 0 if none is.

    Args:
        times_s: float64 [samples], from the first one on.
    """
    since_s = times_s - times_s[0]
    limit = max(1e-9, 4 * float(np.spacing(np.abs(times_s).max())))
    for unit in _UNITS_S:
        if (np.abs(since_s - np.rint(since_s / unit) * unit) <= min(limit, unit / 100)).all():
            return unit
    return 0.0


def is_rounded(times_s: Floats, period_s: float, unit_s: float) -> bool:
    """Tells whether only rounding to a unit makes the periods unequal, as 15 and 16 ms at 64 Hz."""
    if len(times_s) < _MIN_ROUNDED or not 0 < unit_s <= _MAX_ROUNDING * period_s:
        return False
    equal_s = times_s[0] + np.arange(len(times_s)) * period_s
    return bool(np.abs(times_s - equal_s).max() <= 1.001 * unit_s)


def unrounded_period(steps_s: Floats, median_s: float, unit_s: float) -> float:
    """Returns the mean of the periods near the median, if rounding to a unit explains it."""
    near = steps_s[(steps_s > 0.5 * median_s) & (steps_s < 1.5 * median_s)]
    if len(near) < _MIN_ROUNDED or not 0 < unit_s <= _MAX_ROUNDING * median_s:
        return median_s
    mean_s = float(near.mean())
    if abs(mean_s - median_s) > unit_s:
        return median_s
    return short_period(mean_s, 2 * unit_s / float(near.sum()))


def short_period(period_s: float, error: float) -> float:
    """Returns the period that has, or whose rate has, the fewest digits within a relative error.

    >>> short_period(0.015625082, 1e-5), short_period(3.0002, 1e-3)
    (0.015625, 3.0)
    """
    for digits in range(1, 8):
        for near in (1 / float(f"{1 / period_s:.{digits}g}"), float(f"{period_s:.{digits}g}")):
            if abs(near / period_s - 1) <= error:
                return near
    return period_s
