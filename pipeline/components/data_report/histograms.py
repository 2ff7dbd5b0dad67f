"""Histograms of numbers by class, over bins that one outlier does not stretch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.components.data_report.correlations import Floats

Counts = NDArray[np.int64]

_NUM_BINS = 30


@dataclass(eq=False)
class ClassHistogram:
    """Counts of a column's values, by class.

    Attributes:
        edges: float64 `[bins + 1]`, ascending.
        counts: int64 `[2, bins]`: of label 0 and 1.
        outside: int64 `[2]`: values below the first or above the last edge.
    """

    edges: Floats
    counts: Counts
    outside: Counts

    @classmethod
    def over(cls, edges: Floats) -> "ClassHistogram":
        """Returns a histogram of no values."""
        return cls(edges, np.zeros((2, len(edges) - 1), np.int64), np.zeros(2, np.int64))

    def add(self, values: Floats, labels: Counts) -> None:
        """Adds values, `[n]`; NaN where one is missing."""
        for label in (0, 1):
            chosen = values[(labels == label) & np.isfinite(values)]
            counts = np.histogram(chosen, self.edges)[0]
            self.counts[label] += counts
            self.outside[label] += len(chosen) - int(counts.sum())


def bin_edges(tenths: Sequence[float], *, whole: bool) -> Floats | None:
    """Returns the edges of bins for a column; None where it does not vary.

    The bins reach from the least to the greatest value, but no further out than half of the
    distance between the outermost tenths within.

    Args:
        tenths: The least value, the nine tenths and the greatest value, in rising order.
        whole: Whether the values are whole numbers, whose bins are centred on them.
    """
    if len(tenths) < 3 or tenths[0] == tenths[-1]:
        return None
    inner = tenths[1:-1]
    reach = (inner[-1] - inner[0]) / 2 or (tenths[-1] - tenths[0])
    low, high = max(tenths[0], inner[0] - reach), min(tenths[-1], inner[-1] + reach)
    if whole:
        step = max(1, int(np.ceil((high - low + 1) / _NUM_BINS)))
        first = np.floor(low) - 0.5
        return np.arange(first, np.floor(high) + step + 0.5, step, dtype=np.float64)
    return np.linspace(low, high, _NUM_BINS + 1)
