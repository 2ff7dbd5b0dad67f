"""Lists with the time of each sample, and whether the sampling rate agrees with times."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import quoted, words_of
from pipeline.onboarding.signals.rates import Rate

_TOLERANCE = 0.01  # the same as in AnomalyGate
_REGULAR = 0.05  # of a step; clocks jitter
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_UNIT_WORDS = {
    "s": {"s", "sec", "seconds"},
    "ms": {"ms", "msec", "milliseconds"},
    "us": {"us", "\u00b5s", "microseconds"},
    "ns": {"ns", "nanoseconds"},
}
_TIME_WORDS = {"t", "time", "times", "timestamp", "timestamps", "zeit", "clock"}
_OVERLAP = 0.9  # of a recording's duration
_RESOLUTION_S = 1.0  # of times in the profile


@dataclass(frozen=True, kw_only=True)
class TimeAxis:
    """A column of lists that holds the time of each sample.

    Attributes:
        column: The column.
        step: The time between two samples.
        unit: Its unit by the column's name, or None.
    """

    column: str
    step: float
    unit: str | None

    def rates_hz(self) -> list[float]:
        """Returns the sampling rate; in each unit if the name gives none."""
        units = [self.unit] if self.unit else list(_UNITS)
        return [_UNITS[unit] / self.step for unit in units]


def find_axes(columns: Mapping[str, Column]) -> list[TimeAxis]:
    """Returns the lists that rise by equal steps in every row, and are times by their name.

    Args:
        columns: The columns, of which only lists may be axes.
    """
    axes = []
    for name, column in columns.items():
        steps = column.tally.steps if column.kind == "list" else None
        words = set(words_of(name))
        if steps is None or not words & _TIME_WORDS:
            continue
        low, high = steps
        if 0 < low <= high <= (1 + _REGULAR) * low:
            unit = next((u for u, named in _UNIT_WORDS.items() if words & named), None)
            axes.append(TimeAxis(column=name, step=(low + high) / 2, unit=unit))
    return axes


def check_axis(axis: TimeAxis, rate: Rate | None) -> float | None:
    """Returns the sampling rate that an axis gives, or None where it lacks a unit.

    Args:
        axis: The time of each sample.
        rate: The rate that a column holds, if one does.

    Raises:
        InputError: The column holds another rate.
    """
    rates = axis.rates_hz()
    if rate is None:
        return rates[0] if axis.unit else None
    agreeing = [hz for hz in rates if abs(hz - rate.median_hz) <= _TOLERANCE * rate.median_hz]
    if agreeing:
        return rate.median_hz
    shown = f"{rates[0]:g} Hz" + ("" if axis.unit else " if they are in seconds")
    raise InputError(
        f"The sampling rate in {quoted(rate.column)} is {rate.median_hz:g} Hz, but the times of "
        f"the samples in {quoted(axis.column)} are {axis.step:g} apart, which is {shown}. Correct "
        "one of them, or remove the wrong column."
    )


def have_one_rate(rates_hz: Collection[float]) -> bool:
    """Tells whether sampling rates are the same one, as far as AnomalyGate tells them apart."""
    return not rates_hz or max(rates_hz) <= (1 + _TOLERANCE) * min(rates_hz)


def overlap_note(seconds: npt.NDArray[np.float64], duration_s: float, column: str) -> str:
    """Returns a remark if recordings last longer than the time to the next one, else nothing.

    Args:
        seconds: float64 [rows], when neighbouring recordings start; NaN where missing.
        duration_s: How long a recording lasts by its samples and its sampling rate.
        column: The column of these times.
    """
    gaps = np.diff(seconds)
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps) or (gaps < 0).any():  # recordings of several machines, or in no order
        return ""
    gap = float(np.median(gaps))
    if gap + _RESOLUTION_S >= _OVERLAP * duration_s:
        return ""
    return (
        f"By their samples and sampling rate, recordings last {duration_s:g} s, but by "
        f"{quoted(column)} they start {gap:g} s apart. Check the sampling rate, unless recordings "
        "overlap or come from several machines."
    )
