"""Rows that equal earlier ones."""

import numpy as np
from numpy.typing import NDArray

from production.monitoring.chunks.columns import Columns

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def row_hashes(columns: Columns) -> NDArray[np.uint64]:
    """Returns a hash of each row's features, equal for equal rows, uint64 `[n]`.

    References:
        Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators, OOPSLA: the
        mixing function.
    """
    hashes = np.zeros(columns.num_rows, np.uint64)
    parts = [
        *((values + 0.0).view(np.uint64) for values in columns.numbers.values()),  # no -0
        *((values + 0.0).view(np.uint64) for values in columns.times.values()),
        *(_name_hashes(one.names)[one.codes] for one in columns.categories.values()),
        *(_name_hashes(one.names)[one.codes] for one in columns.files.values()),
    ]
    for part in parts:
        hashes = _mixed(hashes * _MULTIPLIER ^ part)
    return hashes


def find_repeats(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Returns which rows equal an earlier one, bool `[n]`.

    Args:
        hashes: What `row_hashes` returned.
    """
    flags = np.ones(len(hashes), bool)
    flags[np.unique(hashes, return_index=True)[1]] = False
    return flags


def _name_hashes(names: tuple[str, ...]) -> NDArray[np.uint64]:
    """The hash of each name, and that of a missing value at the end."""
    order = {name: place for place, name in enumerate(sorted(names))}
    return np.array([*(order[name] + 1 for name in names), 0], np.uint64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), np.uint64)
