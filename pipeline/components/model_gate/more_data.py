"""How many more faults a test split would need for an answer."""

import math
from collections.abc import Callable

from measuring.intervals import Interval, proportion_interval, score_interval

_MOST = 1e9


def growth_of_share(share: float, interval: Interval, bar: float, confidence: float) -> float:
    """Returns by what factor the examples must grow until the interval of a share leaves the bar.

    The share is taken to stay as it is. How many independent examples there are now is read from
    the interval itself, so that examples in groups count for what they are worth.

    Args:
        share: The share that was measured, such as recall.
        interval: Its exact interval, which holds `bar`.
        bar: The bar.
        confidence: Two-sided confidence of the interval.

    Returns:
        The factor, > 1; infinite where the share is the bar itself.
    """
    if share == bar:
        return math.inf
    side = 0 if share > bar else 1
    # A limit of 0 or 1 tells nothing of the number; the other one does.
    told = 0 if interval[0] > 0 else 1

    def limit(trials: float, which: int) -> float:
        return proportion_interval(share * trials, trials, confidence)[which]

    def apart(trials: float, which: int, value: float) -> bool:
        """Whether with so many the limit lies nearer to the share than a value."""
        return limit(trials, which) >= value if which == 0 else limit(trials, which) <= value

    now = _smallest(lambda trials: apart(trials, told, interval[told]))
    needed = _smallest(lambda trials: apart(trials, side, bar))
    return max(needed / now, 1.0)


def growth_of_mean(value: float, interval: Interval, bar: float) -> float:
    """Returns the same for a mean, an area or a difference, whose error falls as 1 / sqrt(n).

    The half of the interval on the bar's side, h, must shrink to the distance d: (h / d)^2.
    """
    distance = abs(value - bar)
    half = value - interval[0] if value > bar else interval[1] - value
    return (half / distance) ** 2 if distance else math.inf


def fewest_for_share(bar: float, confidence: float) -> int:
    """Returns how many examples it takes at least, all of them right, for a share above a bar.

    All right of n leave a lower limit of tail^(1/n), so n = ln(tail) / ln(bar).
    """
    return math.ceil(math.log((1 - confidence) / 2) / math.log(bar) - 1e-9)


def fewest_for_area(bar: float, confidence: float) -> int:
    """Returns the same for PR-AUC, whose interval for an area of 1 is Wilson's."""
    return math.ceil(_smallest(lambda n: score_interval(1.0, n, confidence)[0] >= bar) - 1e-6)


def _smallest(enough: Callable[[float], bool]) -> float:
    """The smallest number that is enough, by halving; 1e9 where none below is."""
    low, high = 0.0, 1.0
    while not enough(high) and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
