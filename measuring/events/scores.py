"""Metrics by event with intervals that count events and alarms, not windows."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from measuring.events.timeline import Alarms, Timeline, match_alarms
from measuring.intervals import UNKNOWN, Interval, proportion_interval

EVENT_RECALL = "event_recall"
ALARMS_PER_HOUR, ALARMS_PER_DAY = "false_alarms_per_hour", "false_alarms_per_day"
DELAY, DELAY_P95 = "delay_s", "delay_p95_s"
NUM_EVENTS, NUM_FOUND = "num_events", "events_found"
NUM_FALSE, HEALTHY_HOURS = "num_false_alarms", "healthy_hours"
METRICS = (
    *(EVENT_RECALL, ALARMS_PER_HOUR, ALARMS_PER_DAY, DELAY, DELAY_P95),
    *(NUM_EVENTS, NUM_FOUND, NUM_FALSE, HEALTHY_HOURS),
)

Floats = NDArray[np.float64]
_HOUR_S, _HOURS_PER_DAY = 3_600, 24


def event_scores(
    timeline: Timeline, decisions: NDArray[Any], confidence: float
) -> dict[str, tuple[float, Interval | None]]:
    """Returns each metric by event with its interval; None for the interval of a count.

    `delay_s` is the median and `delay_p95_s` the 95 % quantile over the events that are found;
    those that are missed are in `event_recall`. Intervals take events as independent.

    Args:
        timeline: The windows, n.
        decisions: `[n]` of 0 and 1, the model's own.
        confidence: Two-sided confidence of the intervals.
    """
    alarms = match_alarms(timeline, decisions)
    is_found = np.isfinite(alarms.delays_s)
    num_events, num_found = is_found.size, int(is_found.sum())
    num_false, hours = int(alarms.false_alarms.sum()), float(alarms.healthy_s.sum()) / _HOUR_S
    rate, limits = num_false / hours if hours else math.nan, _rate_limits(alarms, confidence)
    delays = alarms.delays_s[is_found]
    return {
        EVENT_RECALL: (
            num_found / num_events if num_events else math.nan,
            proportion_interval(num_found, num_events, confidence),
        ),
        ALARMS_PER_HOUR: (rate, limits),
        ALARMS_PER_DAY: (
            rate * _HOURS_PER_DAY,
            (limits[0] * _HOURS_PER_DAY, limits[1] * _HOURS_PER_DAY),
        ),
        DELAY: _delay(delays, 0.5, confidence),
        DELAY_P95: _delay(delays, 0.95, confidence),
        NUM_EVENTS: (float(num_events), None),
        NUM_FOUND: (float(num_found), None),
        NUM_FALSE: (float(num_false), None),
        HEALTHY_HOURS: (hours, None),
    }


def rate_interval(count: float, exposure: float, confidence: float) -> Interval:
    """Returns the exact interval of a Poisson rate; unknown without exposure.

    >>> lower, upper = rate_interval(0, 10.0, 0.95)  # the upper limit is -ln(0.025) / 10
    >>> f"{lower:.3f} to {upper:.3f}"
    '0.000 to 0.369'

    Args:
        count: Events counted; fractional if the exposure is an effective one.
        exposure: Time in which they were counted, in the unit of the rate.
        confidence: Two-sided confidence, in (0, 1).

    References:
        Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28, in the form of
        chi-squared quantiles.
    """
    if exposure <= 0:
        return UNKNOWN
    tail = (1 - confidence) / 2
    lower = stats.chi2.ppf(tail, 2 * count) / 2 if count > 0 else 0.0
    return float(lower / exposure), float(stats.chi2.ppf(1 - tail, 2 * count + 2) / 2 / exposure)


def dispersion(counts: NDArray[np.int64], exposures: Floats) -> float:
    """Returns how much more counts vary between streams than those of a Poisson process, >= 1.

    >>> dispersion(np.array([9, 1]), np.array([1.0, 1.0]))  # (4^2 + 4^2) / 5 / (2 - 1)
    6.4

    Args:
        counts: int64 `[streams]`.
        exposures: float64 `[streams]`, time of each.

    References:
        McCullagh & Nelder (1989), Generalized Linear Models, section 6.2.3: Pearson's chi-squared
        over its degrees of freedom.
    """
    held = exposures > 0
    counts, exposures = counts[held], exposures[held]
    total = float(counts.sum())
    if counts.size < 2 or not total:
        return 1.0
    expected = total * exposures / exposures.sum()
    return max(1.0, float(((counts - expected) ** 2 / expected).sum()) / (counts.size - 1))


def quantile_interval(values: Floats, quantile: float, confidence: float) -> Interval:
    """Returns the interval of a quantile of non-negative values, by order statistics.

    It holds for every distribution. A limit that no value reaches is 0 or infinity: the median of
    five values has no upper limit at 95 %.

    >>> quantile_interval(np.arange(1.0, 11.0), 0.5, 0.95)  # P(Bin(10, 1/2) <= 1) = 0.011
    (2.0, 9.0)

    Args:
        values: float64 `[n]`.
        quantile: In (0, 1).
        confidence: Two-sided confidence, in (0, 1).

    References:
        David & Nagaraja (2003), Order Statistics, section 7.1.
    """
    if not values.size:
        return UNKNOWN
    ordered, tail = np.sort(values), (1 - confidence) / 2
    lower = int(stats.binom.ppf(tail, values.size, quantile))
    upper = int(stats.binom.ppf(1 - tail, values.size, quantile)) + 1
    return (
        float(ordered[lower - 1]) if lower else 0.0,
        float(ordered[upper - 1]) if upper <= values.size else math.inf,
    )


def _rate_limits(alarms: Alarms, confidence: float) -> Interval:
    """The limits of the false alarms an hour; alarms that cluster in streams count as fewer."""
    spread = dispersion(alarms.false_alarms, alarms.healthy_s)
    hours = float(alarms.healthy_s.sum()) / _HOUR_S
    return rate_interval(float(alarms.false_alarms.sum()) / spread, hours / spread, confidence)


def _delay(delays: Floats, quantile: float, confidence: float) -> tuple[float, Interval]:
    if not delays.size:
        return math.nan, UNKNOWN
    value = np.median(delays) if quantile == 0.5 else _upper_quantile(delays, quantile)
    return float(value), quantile_interval(delays, quantile, confidence)


def _upper_quantile(values: Floats, quantile: float) -> float:
    """The smallest value that is at or above this share of all."""
    return float(np.quantile(values, quantile, method="inverted_cdf"))
