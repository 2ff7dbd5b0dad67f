"""Detection of time columns: date texts, Arrow times, seconds since the Unix epoch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.features import Cycle
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import words_of
from pipeline.reading import values

_NAMES = {"time", "timestamp", "date", "datetime", "ts", "epoch", "unixtime", "created", "day"}
_MAX_LOOKED_AT = 2_000
_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class TimeColumn:
    """A column of points in time.

    Attributes:
        seconds: float64 [sampled rows], since the Unix epoch (UTC); NaN where missing.
        how: Human-readable description.
        is_elapsed: It counts from an arbitrary start, so it gives order but no hour or day.
    """

    seconds: npt.NDArray[np.float64]
    how: str
    is_elapsed: bool = False

    @property
    def span_s(self) -> float:
        """Seconds from the first to the last point."""
        return float(np.nanmax(self.seconds) - np.nanmin(self.seconds))

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """The cycles that the data cover at least twice and at sufficient resolution."""
        cycles: list[Cycle] = []
        if self.is_elapsed:
            return ()
        within_a_day = np.nanmax(np.mod(self.seconds, _DAY)) > np.nanmin(np.mod(self.seconds, _DAY))
        if within_a_day and self.span_s >= 2 * _DAY:
            cycles.append("hour_of_day")
        if self.span_s >= 14 * _DAY:
            cycles.append("day_of_week")
        if self.span_s >= 730 * _DAY:
            cycles.append("day_of_year")
        return tuple(cycles)


def find_time(column: Column) -> TimeColumn | None:
    """Returns the points in time that a column holds, or None if it holds something else."""
    if not column.num_sampled:
        return None
    if column.kind == "time":
        return TimeColumn(seconds=column.sample, how="a timestamp")
    if column.kind == "text":
        return _from_texts(column)
    return _from_numbers(column) if column.is_number else None


def _from_texts(column: Column) -> TimeColumn | None:
    present = [text for text in column.sample if text is not None]
    # Sampled across the column, so that some `13/01` settles the order of day and month.
    distinct = list(dict.fromkeys(present))
    sampled = distinct[:: max(1, len(distinct) // _MAX_LOOKED_AT)]
    if not all(any(character.isdigit() for character in text) for text in sampled[:20]):
        return None
    hits = values.count_times(pa.array([text.encode() for text in sampled[:20]], pa.binary()))
    if hits.max() < min(20, len(sampled)):
        return None
    hits = values.count_times(pa.array([text.encode() for text in sampled], pa.binary()))
    time_format = values.TIME_FORMATS[int(np.argmax(hits))]
    if hits.max() < len(sampled) or time_format == values.EPOCH:
        return None
    encoded = [None if text is None else text.encode() for text in column.sample]
    seconds, _ = values.to_epoch(pa.array(encoded, pa.binary()), time_format)
    how = "a date in ISO 8601 form" if time_format == "ISO8601" else f"a date ({time_format})"
    return TimeColumn(seconds=_floats(seconds), how=how)


def _from_numbers(column: Column) -> TimeColumn | None:
    numbers = column.sample
    present = numbers[~np.isnan(numbers)]
    named = bool(_NAMES & set(words_of(column.name)))
    rising = len(present) > 20 and bool(np.all(np.diff(present) >= 0))
    if column.num_distinct < 3 or not (named or (rising and column.kind == "int")):
        return None
    if _in_epoch_range(present):
        return TimeColumn(seconds=np.floor(numbers), how="seconds since the Unix epoch")
    for unit, per_second in values.FINER_UNITS.items():
        if _in_epoch_range(present / per_second):
            how = f"{unit} since the Unix epoch, stored in the examples as whole seconds"
            return TimeColumn(seconds=np.floor(numbers / per_second), how=how)
    if named and rising and len(present) == len(numbers):
        how = "a time from an arbitrary start, never decreasing from row to row"
        return TimeColumn(seconds=np.floor(numbers), how=how, is_elapsed=True)
    return None


def _in_epoch_range(seconds: npt.NDArray[np.float64]) -> bool:
    return bool(seconds.min() >= values.FIRST_S and seconds.max() <= values.LAST_S)


def _floats(seconds: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(seconds.cast(pa.float64()).fill_null(np.nan))


Direction = Literal["rising", "falling"]


def direction_of(numbers: npt.NDArray[np.float64]) -> Direction | None:
    """Tells whether numbers rise or fall strictly from row to row, as row numbers do."""
    if len(numbers) < 20 or np.isnan(numbers).any():
        return None
    steps = np.diff(numbers)
    if np.all(steps > 0):
        return "rising"
    return "falling" if np.all(steps < 0) else None
