"""Samples of one quantity, told from the columns of a table of examples."""

import numpy as np
from numpy.typing import NDArray

MIN_SAMPLES = 8
_MIN_NOISE = 32  # samples of a recording that is not smooth
_SMOOTH_RATIO, _MAX_SCALE_RATIO = 0.5, 20.0
_SMOOTH_MEANS_RATIO = 0.2  # 0.5 if one column is larger than all others, and the first or last
_CLEAR_RATIO = 4.0  # of the roughness along the two axes of a square array
_EQUAL = 1e-6  # mean square of differences between samples that are the same


def are_samples(values: NDArray[np.float32]) -> bool:
    """Tells samples of one quantity from columns of a table of examples without a header.

    Neighbouring samples of a smooth signal differ less than others, also in units of each sample's
    own mean and spread: columns whose means increase are not smooth. Long ones may be the same
    smooth signal with noise. Noise and vibration are long and have one scale.

    Args:
        values: float32 [recordings, samples].
    """
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    values = values[:, ~np.isnan(values).all(axis=0)]
    if values.shape[1] < MIN_SAMPLES:
        return False
    means, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    own = ((values - means) / np.where(spread > 0, spread, 1))[:, spread > 0]
    is_smooth = _is_smooth(own, _SMOOTH_RATIO)
    if len(means) >= _MIN_NOISE and _is_smooth(means[None], _SMOOTH_MEANS_RATIO):
        is_smooth = True
    known = spread[spread > 0]
    has_one_scale = len(known) > 0 and known.max() <= _MAX_SCALE_RATIO * np.median(known)
    has_one_level = np.ptp(means) <= _MAX_SCALE_RATIO * np.median(spread)
    return is_smooth or bool(len(means) >= _MIN_NOISE and has_one_scale and has_one_level)


def smoother_axis(values: NDArray[np.float64]) -> int | None:
    """Returns along which axis of a matrix neighbours are alike; None if that is not clear.

    Means of rows and columns are left out: recordings may be sorted by their level.

    Args:
        values: float64 [rows, columns].
    """
    known = np.ma.masked_invalid(values)
    if known.count() == 0:
        return None
    means = [known.mean(axis=axis, keepdims=True) for axis in (0, 1)]
    own = (known - means[0] - means[1] + known.mean()).filled(np.nan)
    if _mean_square(own) <= _EQUAL * _mean_square(known.filled(np.nan)):
        return None  # the same in all rows, except for its level
    rough = [_roughness(own.T), _roughness(own)]
    axis = int(rough[1] < rough[0])
    is_clear = rough[axis] <= _SMOOTH_RATIO and rough[axis] * _CLEAR_RATIO <= rough[1 - axis]
    return axis if is_clear else None


def _roughness(values: NDArray[np.float64]) -> float:
    """Mean square of differences of neighbouring columns, in units of that of any two."""
    shuffled = values[:, np.random.default_rng(0).permutation(values.shape[1])]
    near, far = (_mean_square(np.diff(one, axis=1)) for one in (values, shuffled))
    return near / far if 0 < far < np.inf else 1.0


def _is_smooth(values: NDArray[np.float64], ratio: float) -> bool:
    """Tells whether neighbouring columns differ less than others, by the ratio of their squares."""
    shuffled = values[:, np.random.default_rng(0).permutation(values.shape[1])]
    near, far = (_mean_square(np.diff(one, axis=1)) for one in (values, shuffled))
    return bool(near <= max(ratio * far, _EQUAL))


def _mean_square(values: NDArray[np.float64]) -> float:
    squares = values[np.isfinite(values)] ** 2
    return float(squares.mean()) if squares.size else np.inf
