"""The rate that recordings of several rates are resampled to."""

from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.config import Validation
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE
from pipeline.recording_options import RATE

_MAX_FACTOR = 1_000  # what the reader resamples
_COMMON = 0.25  # share of the recordings that have one rate


def common_rate(files: Sequence[str]) -> float | None:
    """Returns the rate in Hz for all recordings of an assembled table; None if they have one.

    Args:
        files: The table's Parquet files, in which `sampling_rate_hz` is the rate of each recording.
    """
    rates: list[float | None] = []
    for file in files:
        if RATE not in pq.read_schema(file).names:
            return None
        rates += pq.read_table(file, columns=[RATE])[RATE].to_pylist()
    known = np.array([rate for rate in rates if rate is not None], np.float64)
    return choose_rate(known) if 0 < len(known) == len(rates) else None


def choose_rate(rates_hz: NDArray[np.float64]) -> float | None:
    """Returns the rate that recordings should have, or None if they have one already.

    It is the commonest rate, of equally common ones the lowest, since a higher one would only add
    samples. Where no rate is common, as with irregular times, it is the median.

    >>> choose_rate(np.array([100.0, 200.0, 100.0, 100.5]))
    100.0

    Args:
        rates_hz: float64 [recordings], above 0.
    """
    median = float(np.median(rates_hz))
    apart = np.abs(rates_hz / median - 1) > RATE_TOLERANCE
    is_far = rates_hz.max() > _MAX_FACTOR * rates_hz.min()
    if apart.mean() <= Validation().max_wrong_rate_share or is_far:
        return None
    values, counts = np.unique(rates_hz, return_counts=True)
    place = int(np.argmax(counts))  # the first, and so the lowest, of the commonest
    if counts[place] >= _COMMON * len(rates_hz):
        return float(values[place])
    return float(f"{median:.3g}")
