"""Markdown tables of the statistical studies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose rows are computed while it is printed.

    Attributes:
        title: Line above the table.
        head: Title of each column.
        rows: Cells of each row.
    """

    title: str
    head: Sequence[str]
    rows: Iterable[Sequence[str]]

    def print(self) -> None:
        """Prints Markdown, each row as soon as it is known."""
        print(f"\n{self.title}\n\n| {' | '.join(self.head)} |\n|{'---|' * len(self.head)}")
        for row in self.rows:
            print(f"| {' | '.join(row)} |", flush=True)


def mean_cell(values: NDArray[np.float64], *, digits: int = 1) -> str:
    """Returns the mean of simulated sets, with two standard errors.

    >>> mean_cell(np.array([1.0, 2.0, 3.0, 2.0]))
    '2.0 ±0.8'
    """
    error = 2 * values.std(ddof=1) / np.sqrt(values.size)
    # Adding 0 takes the sign of -0.
    return f"{round(values.mean(), digits) + 0:.{digits}f} ±{error:.{digits}f}"


def share_cell(hits: NDArray[np.bool_]) -> str:
    """Returns the share of simulated sets in which something happened, with two standard errors.

    >>> share_cell(np.array([True, False, False, False]))
    '25.0 % ±43.3'
    """
    share = float(hits.mean())
    return f"{share:.1%} ±{200 * np.sqrt(share * (1 - share) / hits.size):.1f}".replace("%", " %")


def range_cell(values: NDArray[np.float64], *, digits: int = 2) -> str:
    """Returns the median of simulated sets, and their 5 % and 95 % points.

    >>> range_cell(np.array([1.0, 2.0, 3.0]))
    '2.00 [1.10, 2.90]'
    """
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
