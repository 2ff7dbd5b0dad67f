"""Finds recording troubles in signals: noise, gaps, bias, a wrong sampling rate.

Each detector compares a recording with the others by robust statistics (median and median absolute
deviation, Hampel 1974), so that no detector needs to be told what is normal. What is compared is
one or two figures a recording: they can be taken of parts, and what is usual told of them all.
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
    """What is usual among recordings of one signal, in its unit; NaN where none tells.

    Attributes:
        noise: The median noise level.
        rest: The median of where recordings come to rest.
        spread: Robust standard deviation of that.
    """

    noise: float
    rest: float
    spread: float

    @classmethod
    def of(cls, noise: Floats, rest: Floats) -> "Usual":
        """Returns what is usual among recordings.

        Args:
            noise: `[n]`, what `noise_level` returned.
            rest: `[n]`, what `resting_level` returned.
        """
        usual = _median(rest)
        return cls(
            noise=_median(noise), rest=usual, spread=_MAD_TO_SD * _median(np.abs(rest - usual))
        )


def _median(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else np.nan


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


def resting_level(signal: Floats) -> Floats:
    """Returns where each recording comes to rest, the median of its last 15 %, `[n]`.

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
        noise: `[n]`, what `noise_level` returned.
        usual: What is usual among all recordings.
    """
    return np.asarray(noise > _NOISE_RATIO * usual.noise)


def find_bias(rest: Floats, usual: Usual) -> Flags:
    """Returns which recordings do not come to rest where the others do.

    Args:
        rest: `[n]`, what `resting_level` returned.
        usual: What is usual among all recordings; 12 of its robust standard deviations are a bias.
    """
    return np.asarray(np.abs(rest - usual.rest) > _BIAS_SDS * usual.spread)


def find_wrong_rate(rate_hz: Floats, nominal_hz: float) -> Flags:
    """Returns which recordings were sampled at a rate that is off by more than 1 %.

    Args:
        rate_hz: `[n]` rates in Hz; NaN where a recording does not tell.
        nominal_hz: What the rate should be, in Hz.
    """
    return np.asarray(np.abs(rate_hz / nominal_hz - 1) > _RATE_TOLERANCE)
