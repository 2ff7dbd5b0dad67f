"""Recordings of the Numenta Anomaly Benchmark (NAB) and their anomaly windows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Window = tuple[int, int]

_PROBATION_SHARE, _MAX_PROBATION_ROWS = 0.15, 750
_SECONDS_PER_YEAR = 365.25 * 86_400


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """A recording of one variable.

    Attributes:
        name: Its path in NAB's `data`, without `.csv`: `realTraffic/speed_7578`.
        times: datetime64 `[n]`, in the order of the file, which has a few repeated times.
        values: float64 `[n]`.
        windows: First row of each anomaly window, and the row after its last one.
    """

    name: str
    times: NDArray[np.datetime64]
    values: Floats
    windows: tuple[Window, ...]

    @property
    def num_rows(self) -> int:
        """Number of rows, n."""
        return len(self.values)

    @property
    def num_probation_rows(self) -> int:
        """Rows at the beginning that a detector may learn from and that are not scored.

        References:
            Lavin & Ahmad (2015), Evaluating real-time anomaly detection algorithms: the Numenta
            Anomaly Benchmark, ICMLA (arXiv 1510.03336): 15 % of the recording. NAB's scoring
            limits it to 15 % of 5,000 rows.
        """
        return min(int(_PROBATION_SHARE * self.num_rows), _MAX_PROBATION_ROWS)

    @property
    def rows_per_year(self) -> float:
        """Rows a year at the rate of the probation."""
        probation = self.times[: self.num_probation_rows]
        seconds = float((probation[-1] - probation[0]) / np.timedelta64(1, "s"))
        return (len(probation) - 1) / seconds * _SECONDS_PER_YEAR

    @property
    def years(self) -> float:
        """Years from the end of the probation to the end of the recording."""
        scored = self.times[self.num_probation_rows :]
        return float((scored[-1] - scored[0]) / np.timedelta64(1, "s")) / _SECONDS_PER_YEAR

    @cached_property
    def features(self) -> dict[str, Floats]:
        """The value, and its difference from the row before; NaN in the first row."""
        return {"value": self.values, "difference": np.diff(self.values, prepend=np.nan)}

    def window_of(self, row: int) -> Window | None:
        """Returns the window that holds a row; None if none does."""
        return next((w for w in self.windows if w[0] <= row < w[1]), None)


def read_recordings(folder: Path) -> Iterator[Recording]:
    """Reads the recordings of a folder, by name.

    Args:
        folder: Has `recordings/FOLDER__NAME.csv` with the columns timestamp, value and label, which
            is 1 inside an anomaly window.
    """
    for path in sorted((folder / "recordings").glob("*.csv")):
        table = pd.read_csv(path, parse_dates=["timestamp"])
        yield Recording(
            name=path.stem.replace("__", "/", 1),
            times=table["timestamp"].to_numpy("datetime64[s]"),
            values=table["value"].to_numpy(np.float64),
            windows=windows_of(table["label"].to_numpy(np.int64)),
        )


def windows_of(labels: NDArray[np.int64]) -> tuple[Window, ...]:
    """Returns the runs of rows with label 1.

    Args:
        labels: int64 `[n]`, 0 or 1.
    """
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    return tuple(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
