"""Power of a chunk: changes that it can show, and the size that a wanted change needs."""

import math
from functools import lru_cache

import numpy as np
from scipy import optimize, special, stats

from measuring.monitoring.alarms import log_e_values
from measuring.monitoring.two_sample import ASPECTS, LEAST_REFERENCE

# Asymptotic efficiency of a test of ranks for normal data.
_EFFICIENCY = 3 / math.pi
_MAX_POSITIVES = 1e7


def needed_p_value(*, threshold: float, num_channels: int, num_chunks: int = 3) -> float:
    """Returns the p-value that raises an alarm if one channel has it in each of some chunks.

    Only the detector of that channel is counted (see `alarms.DriftDetector`): with e-values e, it
    has e + e^2 + ... + e^k after k chunks and must reach 2 threshold num_channels.

    Args:
        threshold: Least expected number of chunks between false alarms, > 1.
        num_channels: Channels of the detector.
        num_chunks: Chunks until the alarm, k.
    """
    target = math.log(2 * threshold * num_channels)
    powers = np.arange(1, num_chunks + 1)

    def shortfall(u: float) -> float:
        return float(np.logaddexp.reduce(powers * log_e_values(math.exp(-u)))) - target

    return math.exp(-optimize.brentq(shortfall, 0.0, 600.0))


def detectable_shift(
    effective_rows: float, p_value: float, *, power: float = 0.8, reference_rows: float = math.inf
) -> float:
    """Returns the shift of a column of numbers that a chunk shows, in standard deviations.

    Args:
        effective_rows: Independent rows that the chunk is worth, > 0.
        p_value: The p-value it must reach (`needed_p_value`).
        power: Probability that it does.
        reference_rows: Independent rows that the reference is worth.

    References:
        Lehmann (1975), Nonparametrics: statistical methods based on ranks, chapter 2: power of the
        test of ranks for a normal shift.
    """
    scores = float(stats.norm.isf(p_value / (2 * len(ASPECTS))) + stats.norm.ppf(power))
    error = math.sqrt((1 / effective_rows + 1 / reference_rows) / _EFFICIENCY)
    # The mean rank moves by Phi(d / sqrt(2)) - 1/2, which is d / (2 sqrt(pi)) if d is small.
    above = 0.5 + scores * error / (2 * math.sqrt(math.pi))
    return math.sqrt(2) * float(special.ndtri(above)) if above < 1 else math.inf


def detectable_factor(expected: float, p_value: float, *, power: float = 0.8) -> float:
    """Returns the factor of a rare event's rate that a chunk shows, such as that of alarms.

    Args:
        expected: Events that a chunk has on average without a change; infinite factor for 0.
        p_value: The two-sided p-value it must reach (`needed_p_value`).
        power: Probability that it does.

    References:
        Przyborowski & Wilenski (1940), Homogeneity of results in testing samples from Poisson
        series, Biometrika 31; here one rate is known. P(Poisson(m) >= c) is the gamma distribution
        of shape c at m.
    """
    if expected <= 0:
        return math.inf
    least = float(stats.poisson.isf(p_value / 2, expected)) + 1
    return float(stats.gamma.ppf(power, least)) / expected


def rows_for_shift(shift: float, p_value: float, *, power: float = 0.8) -> int:
    """Returns how many independent rows a chunk needs to show a shift.

    The reference counts as ten times the chunk.

    Args:
        shift: In standard deviations, > 0.
        p_value: The p-value it must reach (`needed_p_value`).
        power: Probability that it does.
    """
    moved = 2 * math.sqrt(math.pi) * (float(special.ndtr(shift / math.sqrt(2))) - 0.5)
    scores = float(stats.norm.isf(p_value / (2 * len(ASPECTS))) + stats.norm.ppf(power))
    return math.ceil((1 + 1 / LEAST_REFERENCE) / _EFFICIENCY * (scores / moved) ** 2)


# A monitor asks for the same size at each chunk; the search takes milliseconds.
@lru_cache(maxsize=128)
def positives_for_factor(factor: float, p_value: float, *, power: float = 0.8) -> float:
    """Returns how many events a chunk must expect to show a factor of their rate.

    Rows of a chunk are this over the rate of events: the size to propose where events are rare.

    Args:
        factor: Factor of the rate, > 1.
        p_value: The two-sided p-value it must reach (`needed_p_value`).
        power: Probability that it does.

    Raises:
        ValueError: The factor is not above 1, or so near that no chunk shows it.
    """
    if not factor > 1:
        raise ValueError(f"factor must be > 1, got {factor}.")
    low, high = 1e-3, 1.0
    while detectable_factor(high, p_value, power=power) > factor:
        low, high = high, 2 * high
        if high > _MAX_POSITIVES:
            raise ValueError(f"No chunk shows a factor of {factor}. Ask for a larger change.")
    for _ in range(40):
        middle = math.sqrt(low * high)
        is_enough = detectable_factor(middle, p_value, power=power) <= factor
        low, high = (low, middle) if is_enough else (middle, high)
    return high
