"""Drift: false alarms between spans of one distribution, and changes that must be seen."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from benchmarks.statistics.tables import Table, share_cell
from measuring.drift import category_distance, number_distance, share_distance

_FLOOR = 0.1
_SIZES = (200, 2_000, 20_000)
# A column has at most three tests: two measures of a signal and its missing share.
_NUM_TESTS = 2
# Draws a pair of spans of a size and says whether there is an alarm.
Trial = Callable[[np.random.Generator, int], bool]


def _quantiles(values: np.ndarray) -> Sequence[float]:
    grid = np.linspace(0, 1, 257)
    return [float(value) for value in np.quantile(values, grid, method="inverted_cdf")]


def numbers(*, shift: float = 0.0, heavy: bool = False) -> Trial:
    """Numbers whose later span is shifted by so many standard deviations of the logarithm."""

    def trial(rng: np.random.Generator, size: int) -> bool:
        now, then = rng.normal(shift, size=size), rng.normal(size=size)
        if heavy:
            now, then = np.exp(now), np.exp(then)
        sampled = min(size, 4_096)  # as the pipeline's profiles
        distance = number_distance(
            _quantiles(now[:sampled]), sampled, _quantiles(then[:sampled]), sampled, floor=_FLOOR
        )
        return distance.is_alarm(_NUM_TESTS)

    return trial


def _counts(rng: np.random.Generator, size: int, shares: np.ndarray) -> Mapping[str, int]:
    drawn = rng.multinomial(size, shares / shares.sum())
    return {str(place): int(count) for place, count in enumerate(drawn) if count}


def categories(now: Sequence[float], then: Sequence[float], *, before: bool = False) -> Trial:
    """Categories with these shares; `before` is the largest difference against 0.3."""

    def trial(rng: np.random.Generator, size: int) -> bool:
        pair = [_counts(rng, size, np.array(shares, float)) for shares in (now, then)]
        if before:
            names = {*pair[0], *pair[1]}
            return max(abs(pair[0].get(n, 0) - pair[1].get(n, 0)) / size for n in names) > 0.3
        distance = category_distance(*pair, floor=_FLOOR)
        return distance is not None and distance.is_alarm(_NUM_TESTS)

    return trial


def shares(now: float, then: float, *, relative: bool) -> Trial:
    """A share of rows: of positives (relative floor) or of missing values."""

    def trial(rng: np.random.Generator, size: int) -> bool:
        pair = rng.binomial(size, [now, then])
        distance = share_distance(
            int(pair[0]), size, int(pair[1]), size, floor=_FLOOR, relative=relative
        )
        return distance.is_alarm(1 if relative else _NUM_TESTS)

    return trial


def rate(trial: Trial, size: int, num_sets: int) -> np.ndarray:
    """Returns whether each pair of spans raises an alarm, bool `[sets]`."""
    rng = np.random.default_rng(size)
    return np.array([trial(rng, size) for _ in range(num_sets)])


EQUAL = [1.0] * 8
UNCHANGED: Mapping[str, Trial] = {
    "normal": numbers(),
    "lognormal": numbers(heavy=True),
    "2 values": categories([1, 1], [1, 1]),
    "8 values": categories(EQUAL, EQUAL),
    "50 values": categories([1] * 50, [1] * 50),
    "share of faults 3.5 %": shares(0.035, 0.035, relative=True),
    "missing 10 %": shares(0.1, 0.1, relative=False),
}
CHANGED: Mapping[str, Trial] = {
    "8 values, one vanishes, before": categories([0, *EQUAL[1:]], EQUAL, before=True),
    "8 values, one vanishes": categories([0, *EQUAL[1:]], EQUAL),
    "8 values, one doubles": categories([2, *EQUAL[1:]], EQUAL),
    "50 values, half vanish": categories([0] * 25 + [1] * 25, [1] * 50),
    "33 to 60 %, before": categories([0.6, 0.4], [0.33, 0.67], before=True),
    "33 to 60 %": categories([0.6, 0.4], [0.33, 0.67]),
    "faults 3.5 to 20 %": shares(0.2, 0.035, relative=True),
    "missing 5 to 25 %": shares(0.25, 0.05, relative=False),
    "normal, shifted by 0.5 sd": numbers(shift=0.5),
    "normal, shifted by 1 sd": numbers(shift=1.0),
}


def _rows(trials: Mapping[str, Trial], num_sets: int) -> Iterator[Sequence[str]]:
    for name, trial in trials.items():
        yield [name, *(share_cell(rate(trial, size, num_sets)) for size in _SIZES)]


def tables(num_sets: int) -> Iterator[Table]:
    """Yields the share of pairs of spans with an alarm, without and with a change."""
    head = tuple(f"{size:,} rows" for size in _SIZES)
    yield Table(
        title="Alarms of a column between two spans of one distribution.",
        head=("column", *head),
        rows=_rows(UNCHANGED, 5 * num_sets),
    )
    yield Table(
        title="Alarms between two spans that differ.",
        head=("change", *head),
        rows=_rows(CHANGED, max(num_sets // 5, 20)),
    )
