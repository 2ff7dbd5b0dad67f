"""The column that holds the sampling rate of the signals."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import words_of

RATE_TOLERANCE = 0.01  # the same as in AnomalyGate
_MIN_CONSTANT = 0.9  # of the rows
_RATE_WORDS = {"rate", "rates", "frequency", "freq", "hz", "fs"}
_SAMPLING_WORDS = {"sampling", "sample", "acquisition", "daq", "adc"}


def find_rate_column(columns: Mapping[str, Column], signals: Sequence[str]) -> str | None:
    """Returns the column that gives the sampling rate, or None.

    The best of these, in order: a name that speaks of a sampling rate; a name that has only words
    of a rate and of a signal's name; a name that speaks of a rate, with nearly the same value in
    every row. `shaft_hz` that varies from row to row is a measurement.

    Args:
        columns: The columns that are not signals.
        signals: Names of the signals, at least one.
    """
    by_level: dict[int, str] = {}
    for name, column in columns.items():
        level = _level(name, column, signals)
        if level is not None:
            by_level.setdefault(level, name)
    return by_level[min(by_level)] if by_level else None


def _level(name: str, column: Column, signals: Sequence[str]) -> int | None:
    words = set(words_of(name))
    if not (words & _RATE_WORDS and column.is_number and column.num_sampled):
        return None
    rate = float(np.nanmedian(column.sample))
    if not rate > 0:
        return None
    if words & _SAMPLING_WORDS:
        return 0
    if any(words - _RATE_WORDS <= set(words_of(signal)) for signal in signals):
        return 1
    near = np.abs(column.sample - rate) <= RATE_TOLERANCE * rate
    return 2 if near.mean() >= _MIN_CONSTANT else None
