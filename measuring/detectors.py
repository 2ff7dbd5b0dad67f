"""Detectors of recording troubles in signals: noise, gaps, bias, a wrong sampling rate.

Each detector compares a recording with the others by robust statistics (median and median absolute
deviation, Hampel 1974), so no detector needs a definition of normal. It compares one or two numbers
of each recording, which can be computed in parts before the usual values are derived from all.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The standard deviation of a normal distribution over its median absolute deviation.
_MAD_TO_SD = 1.4826
_NOISE_RATIO = 2.2
_BIAS_SDS = 12.0
_TAIL_SHARE = 0.15
_RATE_TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Usual values of one signal's recordings, in its unit; NaN if no recording has a value.

    Attributes:
        noise: The median noise level.
        rest: The median resting level.
        spread: Robust standard deviation of the resting levels.
    """

    noise: float
    rest: float
    spread: float

    @classmethod
    def of(cls, noise: Floats, rest: Floats) -> "Usual":
        """Returns the usual values of recordings.

        Args:
            noise: `[n]`, from `noise_level`.
            rest: `[n]`, from `resting_level`.
        """
        usual = _median(rest)
        return cls(
            noise=_median(noise), rest=usual, spread=_MAD_TO_SD * _median(np.abs(rest - usual))
        )


def _median(values: Floats) -> float:
    present = values[~np.isnan(values)]
    return float(np.median(present)) if present.size else np.nan


def find_gaps(signal: Floats, *, is_padded: bool = False) -> Flags:
    """Returns which recordings have a sample that is not a finite number.

    Args:
        signal: `[n, samples]`.
        is_padded: What follows the last finite sample is padding and no gap.
    """
    finite = np.isfinite(signal)
    if not is_padded:
        return np.asarray(~finite.all(axis=1))
    has_later = np.logical_or.accumulate(finite[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((~finite & has_later).any(axis=1) | ~finite.any(axis=1))


def noise_level(signal: Floats) -> Floats:
    """Returns each recording's noise as a standard deviation, in the signal's unit, `[n]`.

    Second differences remove a smooth signal almost entirely; they turn white noise of standard
    deviation s into noise of standard deviation s times the square root of 6.

    Args:
        signal: `[n, samples]`; NaN where samples are missing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a recording without three samples
        usual = np.nanmedian(np.abs(np.diff(signal, n=2, axis=1)), axis=1)
    return np.asarray(_MAD_TO_SD * usual / np.sqrt(6))


def resting_level(signal: Floats) -> Floats:
    """Returns the resting level of each recording: the median of its last 15 %, `[n]`.

    Args:
        signal: `[n, samples]`; NaN where samples are missing.
    """
    tail = signal[:, -max(1, int(signal.shape[1] * _TAIL_SHARE)) :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an end that is all gap
        return np.asarray(np.nanmedian(tail, axis=1))


def find_noise(noise: Floats, usual: Usual) -> Flags:
    """Returns which recordings are noisier than the median recording by a factor of 2.2.

    Args:
        noise: `[n]`, from `noise_level`.
        usual: The usual values of all recordings.
    """
    return np.asarray(noise > _NOISE_RATIO * usual.noise)


def find_bias(rest: Floats, usual: Usual) -> Flags:
    """Returns which recordings have an unusual resting level.

    Args:
        rest: `[n]`, from `resting_level`.
        usual: The usual values of all recordings; a distance of more than 12 spreads is a bias.
    """
    return np.asarray(np.abs(rest - usual.rest) > _BIAS_SDS * usual.spread)


def find_wrong_rate(rate_hz: Floats, nominal_hz: float) -> Flags:
    """Returns which recordings were sampled at a rate that is off by more than 1 %.

    Args:
        rate_hz: `[n]` rates in Hz; NaN for a recording without a rate.
        nominal_hz: The declared rate, in Hz.
    """
    return np.asarray(np.abs(rate_hz / nominal_hz - 1) > _RATE_TOLERANCE)
