"""Blur and exposure of pictures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.components.recording_troubles.pictures.picture_file import read_picture

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

# A picture is blurred whose sharpness is below this share of the median picture's.
_BLUR_SHARE = 0.25
# Intensities at the ends of the range.
_BLACK, _WHITE = 0.02, 0.98
# How much larger than the median picture's the share of such intensities must be.
_MIN_SHARE, _SPREADS = 0.02, 12.0
# The standard deviation of a normal distribution over its median absolute deviation.
_MAD_TO_SD = 1.4826
_MIN_SIDE = 6


def measure_pictures(contents: Iterable[bytes]) -> Floats:
    """Returns three measures of each picture, float64 `[n, 3]`; NaN where one is undefined.

    The sharpness, which is the variance of the Laplacian of means of 2 x 2 pixels, so that noise
    hardly counts; the share of pixels that are nearly black; and that of those nearly white.

    References:
        Pech-Pacheco, J. L., et al. (2000), "Diatom autofocusing in brightfield microscopy: a
        comparative study", ICPR, for the variance of the Laplacian.
    """
    rows = [_measure(content) for content in contents]
    return np.array(rows, np.float64).reshape(-1, 3)


def _measure(content: bytes) -> tuple[float, float, float]:
    try:
        grey = read_picture(content).grey
    except ValueError:
        return (np.nan, np.nan, np.nan)
    dark, bright = float((grey <= _BLACK).mean()), float((grey >= _WHITE).mean())
    if min(grey.shape) < _MIN_SIDE:
        return np.nan, dark, bright
    height, width = (side // 2 for side in grey.shape)
    means = grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
    middle = means[1:-1, 1:-1]
    around = means[:-2, 1:-1] + means[2:, 1:-1] + means[1:-1, :-2] + means[1:-1, 2:]
    return float((around - 4 * middle).var()), dark, bright


@dataclass(frozen=True, kw_only=True)
class UsualPicture:
    """Usual measures of a feature's pictures; NaN if no picture has one.

    Attributes:
        sharpness: The median sharpness.
        dark: Largest usual share of nearly black pixels.
        bright: Largest usual share of nearly white pixels.
    """

    sharpness: float
    dark: float
    bright: float

    @classmethod
    def of(cls, measures: Floats) -> "UsualPicture":
        """Returns the usual values of what `measure_pictures` returned for all pictures.

        A share is usual up to the median plus 12 robust standard deviations, at least plus 0.02.
        """
        sharpness, dark, bright = (values[~np.isnan(values)] for values in measures.T)
        return cls(sharpness=_median(sharpness), dark=_largest(dark), bright=_largest(bright))


def _median(values: Floats) -> float:
    return float(np.median(values)) if values.size else np.nan


def _largest(shares: Floats) -> float:
    usual = _median(shares)
    spread = _MAD_TO_SD * _median(np.abs(shares - usual))
    return usual + max(_MIN_SHARE, _SPREADS * spread)


def find_picture_troubles(measures: Floats, usual: UsualPicture) -> dict[str, Flags]:
    """Returns which pictures are blurred or wrongly exposed, by trouble.

    Args:
        measures: What `measure_pictures` returned, float64 `[n, 3]`.
        usual: The usual measures of all pictures; a sharpness below a quarter of the median is a
            blur.
    """
    sharpness, dark, bright = measures.T
    return {
        "blur": np.asarray(sharpness < _BLUR_SHARE * usual.sharpness),
        "underexposure": np.asarray(dark > usual.dark),
        "overexposure": np.asarray(bright > usual.bright),
    }
