"""Likeness of neighbouring rows of one class: of recordings, and not of a file sorted by label."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipeline.onboarding.profile.table import Column

_ALIKE = 0.3  # correlation of neighbours, or their agreement corrected for chance
_MIN_ALIKE_SHARE = 0.3  # of the columns; a file may also be sorted by one or two of them
_MIN_MEASURED = 3  # columns; with fewer, categories count too
_MIN_PAIRS = 30

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def are_neighbours_alike(columns: Iterable[Column], sampled: Ints, positive: Bools) -> bool | None:
    """Tells whether neighbouring rows of one class are alike; None where that cannot be told.

    In a recording most columns of the next row are close to those of this one. In a file that
    somebody sorted by the label, rows of one class are in no order. Categories may still be the
    same for many rows, as where the file was put together from departments.

    Args:
        columns: Measurements and categories.
        sampled: int64 [sampled rows], their indices in the data.
        positive: bool [sampled rows], whether the label is positive.
    """
    adjacent = (np.diff(sampled) == 1) & (positive[1:] == positive[:-1])
    judged = [column for column in columns if len(column.sample) and column.num_distinct >= 2]
    measured = [column for column in judged if _is_measured(column)]
    judged = measured if len(measured) >= _MIN_MEASURED else judged
    if int(adjacent.sum()) < _MIN_PAIRS or not judged:
        return None
    alike = [
        (
            _correlation(column.sample, adjacent, positive)
            if _is_measured(column)
            else _agreement(column.codes, adjacent, positive)
        )
        >= _ALIKE
        for column in judged
    ]
    return float(np.mean(alike)) >= _MIN_ALIKE_SHARE


def _is_measured(column: Column) -> bool:
    return column.is_number and column.num_distinct > 2


def _correlation(numbers: Floats, adjacent: Bools, positive: Bools) -> float:
    """The correlation of the ranks of neighbours within their class, by von Neumann's ratio."""
    present = np.isfinite(numbers)
    ranks = np.full(len(numbers), np.nan)
    for side in (positive & present, ~positive & present):
        ranks[side] = stats.rankdata(numbers[side]) / max(1, int(side.sum())) - 0.5
    steps = np.diff(ranks)[adjacent]
    variance = float(np.nanvar(ranks)) if present.any() else 0.0
    steps = steps[np.isfinite(steps)]
    return 1 - float((steps**2).mean()) / (2 * variance) if variance and len(steps) else 0.0


def _agreement(codes: Ints, adjacent: Bools, positive: Bools) -> float:
    """How often neighbours have the same value, corrected for chance within their class."""
    _, places = np.unique(codes, return_inverse=True)
    chance = np.zeros(len(codes))
    for side in (positive, ~positive):
        shares = np.bincount(places[side]) / max(1, int(side.sum()))
        chance[side] = (shares**2).sum()
    by_chance = float(chance[1:][adjacent].mean())
    observed = float((np.diff(places) == 0)[adjacent].mean())
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
