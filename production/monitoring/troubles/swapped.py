"""Swapped columns: the chunk fits the training data if two columns are exchanged."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from production.monitoring.troubles.case import Case, Floats
from production.monitoring.troubles.trouble import Trouble, TroubleKind

# Rows of a side, and points of a distribution function.
_MAX_ROWS, _NUM_POINTS = 5_000, 128
_FEWEST_ROWS = 50
# A discrepancy that counts, one that does not in endless rows, and their largest ratio.
_LARGE, _SMALL, _RATIO = 0.25, 0.1, 0.4
# Standard errors of a correlation that chance adds to a small discrepancy.
_ERRORS = 1.5
# Columns that do not fit; more of them are no exchange.
_MAX_COLUMNS = 30
# A signal takes part by the mean of its samples.
_OF_SIGNAL = ": mean"


def find_swapped(case: Case) -> Iterator[Trouble]:
    """Yields numbers or signals that were exchanged in all rows, both of each pair.

    The discrepancy of a column is the largest of its distance from the training's distribution, and
    of the differences of its rank correlations with the other columns. A pair is swapped if its
    discrepancy is large, and small after the exchange.
    """
    names = _names(case)
    if len(names) < 2 or case.num_rows < _FEWEST_ROWS:
        return
    now = _Side.of([case.columns.numbers[name] for name in names])
    then = _Side.of([case.reference.columns.numbers[name] for name in names])
    distances = _distances(now, then)
    change = np.abs(now.correlations - then.correlations)
    np.fill_diagonal(change, 0.0)
    own = np.maximum(np.diag(distances), change.max(axis=1))
    small = _SMALL + _ERRORS / np.sqrt(min(case.num_rows, _MAX_ROWS))
    suspects = [int(i) for i in np.argsort(-own)[:_MAX_COLUMNS] if own[i] >= _LARGE]
    for i, j in combinations(sorted(suspects), 2):
        before = max(distances[i, i], distances[j, j], _largest(now, then, (i, j), (i, j)))
        after = max(distances[i, j], distances[j, i], _largest(now, then, (i, j), (j, i)))
        if before >= _LARGE and after <= min(small, _RATIO * before):
            yield from _troubles(names[i], names[j], before, after)


def _names(case: Case) -> list[str]:
    """Numbers that are features, and the means of signals, where they vary in both."""
    then = case.reference.columns.numbers
    return [
        name
        for name, values in case.columns.numbers.items()
        if (": " not in name or name.endswith(_OF_SIGNAL))
        and name in then
        and _varies(values)
        and _varies(then[name])
    ]


def _varies(values: Floats) -> bool:
    thin = _thinned(values)
    present = thin[np.isfinite(thin)]
    return len(present) >= _FEWEST_ROWS and bool(present.min() < present.max())


def _thinned(values: Floats) -> Floats:
    return values[:: max(1, len(values) // _MAX_ROWS)]


class _Side(NamedTuple):
    """Columns of one side: sorted values without missing ones, and rank correlations."""

    ordered: list[Floats]
    correlations: Floats

    @classmethod
    def of(cls, columns: list[Floats]) -> "_Side":
        thin = [_thinned(column) for column in columns]
        ordered = [np.sort(column[np.isfinite(column)]) for column in thin]
        ranks = np.stack([_ranks(c, o) for c, o in zip(thin, ordered, strict=True)])
        return cls(ordered, np.asarray(np.nan_to_num(np.corrcoef(ranks)), np.float64))


def _ranks(values: Floats, ordered: Floats) -> Floats:
    """Mid-ranks; a missing value has the middle one."""
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    ranks = (below + up_to) / (2 * max(len(ordered), 1))
    return np.where(np.isfinite(values), ranks, 0.5)


def _distances(now: _Side, then: _Side) -> Floats:
    """float64 `[columns, columns]`: of column i of the chunk from column j of the training data."""
    places = (np.arange(_NUM_POINTS) + 0.5) / _NUM_POINTS
    points = np.stack([o[(places * len(o)).astype(int)] for o in now.ordered])
    # A distribution function at each quantile: the middle of its jump there.
    return np.stack(
        [np.abs(_ranks(points, o) - places).max(axis=1) for o in then.ordered],
        axis=1,
    )


def _largest(now: _Side, then: _Side, pair: tuple[int, int], exchanged: tuple[int, int]) -> float:
    """The largest difference of correlations of a pair, as columns `exchanged` of the other."""
    order = np.arange(len(now.correlations))
    order[list(pair)] = exchanged
    differences = np.abs(
        now.correlations[list(pair)] - then.correlations[order][:, order][list(pair)]
    )
    differences[0, pair[0]] = differences[1, pair[1]] = 0.0
    return float(differences.max())


def _troubles(one: str, other: str, before: float, after: float) -> Iterator[Trouble]:
    one, other = one.removesuffix(_OF_SIGNAL), other.removesuffix(_OF_SIGNAL)
    words = (
        f"`{one}` and `{other}` are exchanged: their distributions and correlations differ from "
        f"the training data by up to {before:.2f}, and by {after:.2f} if they are exchanged back. "
        "Check the order of the columns where the requests are made."
    )
    for name in (one, other):
        yield Trouble(kind=TroubleKind.SWAPPED, feature=name, share=1.0, words=words)
