"""Size of the test split that a conclusive answer needs.

The needed size is that at which the answer, BLESSED or REJECTED, comes with a probability of 80 %,
given what the split has shown.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from measuring.bootstrap import PR_AUC, ROC_AUC, perfect_limits
from measuring.intervals import (
    Interval,
    proportion_interval,
    roc_auc_interval,
    score_interval,
)

ASSURANCE = 0.8
_MOST = 1e9
# Quantiles of what the true share may be.
_NUM_SHARES = 100


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a conclusive answer needs.

    Attributes:
        growth: The factor by which the examples must grow, > 1.
        chance: The probability that the truth clears the bar, which no number of examples raises.
    """

    growth: float
    chance: float


def need_of_share(share: float, interval: Interval, bar: float, confidence: float) -> Need:
    """Returns what a share needs whose interval contains the bar.

    The truth is Beta(k + 1/2, n - k + 1/2) after k of n successes. The number of independent
    examples is derived from the interval, so that examples in groups count as their effective
    number.

    Args:
        share: The measured share, such as recall.
        interval: Its exact interval, which contains `bar`.
        bar: The bar, in (0, 1).
        confidence: Two-sided confidence of the interval.

    References:
        Spiegelhalter & Freedman (1986), A predictive approach to selecting the size of a clinical
        trial, Statistics in Medicine 5, with the prior of Jeffreys.
    """
    trials = max(round(trials_of_share(share, interval, confidence)), 1)
    successes, tail = round(share * trials), (1 - confidence) / 2
    truth = stats.beta(successes + 0.5, trials - successes + 0.5)
    shares = truth.ppf((np.arange(_NUM_SHARES) + 0.5) / _NUM_SHARES)

    def answers(total: float) -> bool:
        number = math.ceil(total)
        clears = stats.binom.isf(tail, number, bar) + 1
        fails = stats.binom.ppf(tail, number, bar) - 1
        more = number - trials
        chances = stats.binom.sf(clears - successes - 1, more, shares)
        chances += stats.binom.cdf(fails - successes, more, shares)
        return more > 0 and float(chances.mean()) >= ASSURANCE

    return Need(growth=_smallest(answers, within=1e-3) / trials, chance=float(truth.sf(bar)))


def need_of_mean(
    value: float,
    interval: Interval,
    bar: float,
    confidence: float,
    *,
    lower_is_better: bool = False,
) -> Need:
    """Returns the same for a mean, an area or a difference, whose error falls as 1 / sqrt(n).

    The truth is normal around the value, with the error of the interval's half on the bar's side.

    References:
        As for `need_of_share`, with a flat prior.
    """
    half = value - interval[0] if value > bar else interval[1] - value
    z = float(stats.norm.ppf((1 + confidence) / 2))
    if half <= 0:
        return Need(growth=1.0, chance=1.0)
    # All in units of the standard error.
    distance = (value - bar) / (half / z)

    def answers(growth: float) -> bool:
        if growth <= 1:
            return False
        spread, reach = math.sqrt((growth - 1) / growth), z / math.sqrt(growth)
        sides = [(-reach - distance) / spread, (distance - reach) / spread]
        return float(stats.norm.cdf(sides).sum()) >= ASSURANCE

    chance = stats.norm.cdf(-distance if lower_is_better else distance)
    return Need(growth=_smallest(answers), chance=float(chance))


def trials_of_share(share: float, interval: Interval, confidence: float) -> float:
    """Returns the number of independent trials behind an exact interval of a share."""
    # A limit of 0 or 1 does not determine the number; the other one does.
    which = 0 if interval[0] > 0 else 1

    def as_near(trials: float) -> bool:
        limit = proportion_interval(share * trials, trials, confidence)[which]
        return limit >= interval[0] if which == 0 else limit <= interval[1]

    return _smallest(as_near)


def fewest_for_share(bar: float, confidence: float) -> int:
    """Returns the fewest examples, all of them right, that show a share above a bar.

    With all of n right, the lower limit is tail^(1/n), so n = ln(tail) / ln(bar).
    """
    return math.ceil(math.log((1 - confidence) / 2) / math.log(bar) - 1e-9)


def fewest_for_area(metric: str, bar: float, confidence: float, prevalence: float) -> int:
    """Returns the same for PR-AUC or ROC-AUC: the faults that show it with a perfect ranking.

    Args:
        metric: `pr_auc` or `roc_auc`.
        bar: The bar, in (0, 1).
        confidence: Two-sided confidence.
        prevalence: Share of faults among the examples, in (0, 1).
    """

    def shows(faults: float) -> bool:
        number = math.ceil(faults)
        exact = {
            PR_AUC: score_interval(1.0, number, confidence),
            ROC_AUC: roc_auc_interval(1.0, number, number / prevalence - number, confidence),
        }
        return min(perfect_limits(number, confidence)[metric], exact[metric][0]) >= bar

    return math.ceil(_smallest(shows, most=1e5, within=1e-4))


def _smallest(
    enough: Callable[[float], bool], *, most: float = _MOST, within: float = 1e-6
) -> float:
    """The smallest sufficient number, by bisection; `most` or more if no smaller one suffices."""
    low, high = 0.0, 1.0
    while not enough(high) and high < most:
        low, high = high, 2 * high
    while high - low > within * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
