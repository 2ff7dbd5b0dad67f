"""Profiles of columns that can be compared: quantiles of numbers, counts of categories.

TFDV's histograms extend to the most extreme value, so they say little about most of the values.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from common.config_values import JsonValue

PROFILE_FILE = "profile.json"
# Measures of a column of numbers; a recording is measured by its mean and standard deviation.
VALUE, LEVEL, SPREAD = "value", "level", "spread"


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column of a data set.

    Attributes:
        num_missing: Rows without a value.
        numbers: By measure, the quantiles at equidistant probabilities from 0 to 1.
        num_sampled: By measure, the number of values that they are from.
        counts: Rows of each category; empty for other numbers and if there are too many categories.
    """

    num_missing: int = 0
    numbers: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    num_sampled: Mapping[str, int] = Field(default_factory=dict)
    counts: Mapping[str, int] = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DataProfile(JsonValue):
    """All columns of a data set.

    Attributes:
        num_rows: Number of rows.
        columns: By name.
    """

    num_rows: int
    columns: Mapping[str, ColumnProfile]


def row_moments(
    flat: NDArray[np.float64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns mean and population standard deviation of each row's finite numbers; NaN without.

    Args:
        flat: The numbers of all rows, one row after the other.
        lengths: How many numbers each row has.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    finite = np.isfinite(flat)
    rows, numbers = rows[finite], flat[finite]
    counts = np.bincount(rows, minlength=len(lengths))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(rows, numbers, len(lengths)) / counts
        squares = np.bincount(rows, (numbers - means[rows]) ** 2, len(lengths)) / counts
    return means, np.sqrt(squares)
