"""Size of the test split that a conclusive answer needs."""

import math
from collections.abc import Callable

from measuring.intervals import Interval, proportion_interval, score_interval

_MOST = 1e9


def growth_of_share(share: float, interval: Interval, bar: float, confidence: float) -> float:
    """Returns the factor by which the examples must grow until a share's interval excludes the bar.

    The share is assumed to stay constant. The current number of independent examples is derived
    from the interval, so that examples in groups count as their effective number.

    Args:
        share: The measured share, such as recall.
        interval: Its exact interval, which contains `bar`.
        bar: The bar.
        confidence: Two-sided confidence of the interval.

    Returns:
        The factor, > 1; infinite if the share equals the bar.
    """
    if share == bar:
        return math.inf
    side = 0 if share > bar else 1
    # A limit of 0 or 1 does not determine the number; the other one does.
    which_limit = 0 if interval[0] > 0 else 1

    def limit(trials: float, which: int) -> float:
        return proportion_interval(share * trials, trials, confidence)[which]

    def apart(trials: float, which: int, value: float) -> bool:
        """Whether with so many trials the limit is closer to the share than a value."""
        return limit(trials, which) >= value if which == 0 else limit(trials, which) <= value

    now = _smallest(lambda trials: apart(trials, which_limit, interval[which_limit]))
    needed = _smallest(lambda trials: apart(trials, side, bar))
    return max(needed / now, 1.0)


def growth_of_mean(value: float, interval: Interval, bar: float) -> float:
    """Returns the same for a mean, an area or a difference, whose error falls as 1 / sqrt(n).

    The half-width of the interval on the bar's side, h, must shrink to the distance d: (h / d)^2.
    """
    distance = abs(value - bar)
    half = value - interval[0] if value > bar else interval[1] - value
    return (half / distance) ** 2 if distance else math.inf


def fewest_for_share(bar: float, confidence: float) -> int:
    """Returns the fewest examples, all of them right, that show a share above a bar.

    With all of n right, the lower limit is tail^(1/n), so n = ln(tail) / ln(bar).
    """
    return math.ceil(math.log((1 - confidence) / 2) / math.log(bar) - 1e-9)


def fewest_for_area(bar: float, confidence: float) -> int:
    """Returns the same for PR-AUC, whose interval for an area of 1 is Wilson's."""
    return math.ceil(_smallest(lambda n: score_interval(1.0, n, confidence)[0] >= bar) - 1e-6)


def _smallest(enough: Callable[[float], bool]) -> float:
    """The smallest sufficient number, by bisection; 1e9 if no smaller one suffices."""
    low, high = 0.0, 1.0
    while not enough(high) and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
