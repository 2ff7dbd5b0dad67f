"""Finds recording troubles in signals: noise, gaps, bias, a wrong sampling rate.

Each detector compares a recording with the others of the same batch by robust statistics (median
and median absolute deviation, Hampel 1974), so that no detector needs to be told what is normal.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TROUBLES = ("noise", "gap", "bias", "wrong sampling")
# The standard deviation of a normal distribution over its median absolute deviation.
_MAD_TO_SD = 1.4826
_NOISE_RATIO = 2.2
_BIAS_SDS = 12.0
_TAIL_SHARE = 0.15
_RATE_TOLERANCE = 0.01


def find_gaps(signal: Floats) -> Flags:
    """Returns which recordings have a sample that is not a finite number.

    Args:
        signal: `[n, samples]`.
    """
    return np.asarray(~np.isfinite(signal).all(axis=1))


def noise_level(signal: Floats) -> Floats:
    """Returns each recording's noise as a standard deviation, in the signal's unit, `[n]`.

    Second differences leave of a smooth course next to nothing, and of white noise of standard
    deviation s a standard deviation of s times the square root of 6.

    Args:
        signal: `[n, samples]`; NaN where samples are missing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a recording without three samples
        usual = np.nanmedian(np.abs(np.diff(signal, n=2, axis=1)), axis=1)
    return np.asarray(_MAD_TO_SD * usual / np.sqrt(6))


def find_noise(signal: Floats) -> Flags:
    """Returns which recordings are noisier than the median recording by a factor of 2.2.

    Args:
        signal: `[n, samples]`.
    """
    level = noise_level(signal)
    usual = np.nanmedian(level) if np.isfinite(level).any() else np.nan
    return np.asarray(level > _NOISE_RATIO * usual)


def find_bias(signal: Floats) -> Flags:
    """Returns which recordings do not come to rest where the others do.

    A recording's end (its last 15 %) is compared with the median of all ends, in robust standard
    deviations of these.

    Args:
        signal: `[n, samples]`.
    """
    tail = signal[:, -max(1, int(signal.shape[1] * _TAIL_SHARE)) :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an end that is all gap
        rest = np.nanmedian(tail, axis=1)
        usual = np.nanmedian(rest)
        spread = _MAD_TO_SD * np.nanmedian(np.abs(rest - usual))
    return np.asarray(np.abs(rest - usual) > _BIAS_SDS * spread)


def find_wrong_rate(rate_hz: Floats, nominal_hz: float) -> Flags:
    """Returns which recordings were sampled at a rate that is off by more than 1 %.

    Args:
        rate_hz: `[n]` rates in Hz; NaN where a recording does not tell.
        nominal_hz: What the rate should be, in Hz.
    """
    return np.asarray(np.abs(rate_hz / nominal_hz - 1) > _RATE_TOLERANCE)
