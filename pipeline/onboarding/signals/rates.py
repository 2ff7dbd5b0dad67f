"""The column that holds the sampling rate of the signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config import Validation
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import words_of

_TOLERANCE = 0.01  # the same as in AnomalyGate
_MAX_OTHER = 0.1  # of the rows of a column that counts as constant
_HERTZ_WORDS = {"hz", "fs"}
_RATE_WORDS = {"rate", "rates", "frequency", "freq", *_HERTZ_WORDS}
_OTHER_UNITS = {"khz", "mhz"}
_SAMPLING_WORDS = {"sampling", "sample", "acquisition", "daq", "adc"}


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The sampling rate of the signals.

    Attributes:
        column: The column that holds it.
        median_hz: Its median in Hz.
        wrong_share: Share of rows with another rate, in [0, 1].
    """

    column: str
    median_hz: float
    wrong_share: float

    @property
    def varies(self) -> bool:
        """Whether more rows have another rate than AnomalyGate takes for mistakes."""
        return self.wrong_share > Validation().max_wrong_rate_share


def find_rate(columns: Mapping[str, Column], signals: Sequence[str]) -> Rate | None:
    """Returns the sampling rate of the signals, or None if no column holds it.

    The best of these, in order: a name that speaks of a sampling rate, such as `sample_rate`; a
    name of a rate and of nothing else, such as `rate_hz` or `fs`; a signal's name with `hz`. Any
    other frequency, such as `shaft_hz` or `line_hz`, may be a measurement.

    Args:
        columns: The columns that are not signals.
        signals: Names of the signals.
    """
    by_level: dict[int, Rate] = {}
    for name, column in columns.items():
        rate = _rate(name, column) if signals else None
        level = None if rate is None else _level(rate, signals)
        if rate is not None and level is not None:
            by_level.setdefault(level, rate)
    return by_level[min(by_level)] if by_level else None


def doubtful_rates(columns: Mapping[str, Column], signals: Sequence[str]) -> list[Rate]:
    """Returns the columns that hold nearly the same frequency in every row, if there are signals.

    They may hold the sampling rate or anything else, such as the frequency of the mains.

    Args:
        columns: The columns that are neither signals nor their sampling rate.
        signals: Names of the signals.
    """
    rates = [_rate(name, column) for name, column in columns.items()] if signals else []
    return [rate for rate in rates if rate is not None and rate.wrong_share <= _MAX_OTHER]


def _rate(name: str, column: Column) -> Rate | None:
    words = set(words_of(name))
    if not (words & (_RATE_WORDS | _OTHER_UNITS) and column.is_number and column.num_sampled):
        return None
    median = float(np.nanmedian(column.sample))
    wrong = np.abs(column.sample - median) > _TOLERANCE * median
    rate = Rate(column=name, median_hz=median, wrong_share=float(wrong.mean()))
    return rate if median > 0 else None


def _level(rate: Rate, signals: Sequence[str]) -> int | None:
    words = set(words_of(rate.column))
    if words & _OTHER_UNITS:
        return None
    if words & _SAMPLING_WORDS:
        return 0
    others = words - _RATE_WORDS
    if not others and words & {"rate", "rates", "fs"}:
        return 1
    of_signal = any(others == set(words_of(signal)) for signal in signals)
    return 2 if words & _HERTZ_WORDS and of_signal else None
