"""Pearson correlations of numeric columns in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MIN_ROWS = 3


@dataclass
class PairSums:
    """Sums over the rows in which both columns of a pair have a value, each `[k, k]`.

    Attributes:
        shift: `[k]`, subtracted from every value first: sums of large numbers lose precision.
        count: Rows of each pair.
        first: Sum of the row's column.
        first_squared: Sum of its squares.
        product: Sum of products.
    """

    shift: Floats
    count: Floats
    first: Floats
    first_squared: Floats
    product: Floats

    @classmethod
    def zero(cls, shift: Floats) -> "PairSums":
        """Returns sums over no rows."""
        size = len(shift)
        return cls(shift, *(np.zeros((size, size)) for _ in range(4)))

    def add(self, values: Floats) -> None:
        """Adds rows, `[n, k]`; NaN where a value is missing."""
        present = np.isfinite(values).astype(float)
        shifted = np.where(present > 0, values - self.shift, 0.0)
        self.count += present.T @ present
        self.first += shifted.T @ present
        self.first_squared += (shifted**2).T @ present
        self.product += shifted.T @ shifted

    def correlations(self) -> Floats:
        """Returns Pearson's r of each pair, `[k, k]`; NaN where a column does not vary.

        r = (n Sxy - Sx Sy) / sqrt((n Sxx - Sx^2)(n Syy - Sy^2)), over the rows that have both.
        """
        n = self.count
        covariance = n * self.product - self.first * self.first.T
        variance = n * self.first_squared - self.first**2
        # The variance of a constant column is rounding error.
        variance[variance <= 1e-12 * np.maximum(n * self.first_squared, 1e-300)] = np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            r = covariance / np.sqrt(variance * variance.T)
        r[n < _MIN_ROWS] = np.nan
        return np.clip(r, -1.0, 1.0)


@dataclass
class Correlations:
    """Pearson's r of each pair of some columns, from one pass over their values.

    Attributes:
        columns: The columns.
    """

    columns: Sequence[str]
    _sums: PairSums | None = None

    def add(self, values: Floats) -> None:
        """Adds rows, `[n, k]`; NaN where a value is missing."""
        if self._sums is None:
            finite = np.isfinite(values)
            total = np.where(finite, values, 0.0).sum(axis=0)
            self._sums = PairSums.zero(total / np.maximum(finite.sum(axis=0), 1))
        self._sums.add(values)

    def values(self) -> Floats:
        """Returns r, `[k, k]`; NaN without rows and where a column does not vary."""
        if self._sums is None:
            return np.full((len(self.columns), len(self.columns)), np.nan)
        return self._sums.correlations()


def column_numbers(batch: pa.RecordBatch, name: str) -> Floats:
    """Returns a list column of at most one number a row as float64 `[rows]`, NaN where it has none.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        name: The column; one that the batch lacks is missing in every row.
    """
    place = batch.schema.get_field_index(name)
    numbers = np.full(batch.num_rows, np.nan)
    if place < 0 or pa.types.is_null(batch.column(place).type):
        return numbers
    lists = batch.column(place)
    has_one = pc.fill_null(pc.equal(pc.list_value_length(lists), 1), False)
    rows = np.flatnonzero(has_one.to_numpy(zero_copy_only=False))
    values = lists.filter(has_one).flatten()
    numbers[rows] = values.to_numpy(zero_copy_only=False).astype(float)
    return numbers
