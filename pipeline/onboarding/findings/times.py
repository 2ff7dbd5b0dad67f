"""Detection of time columns: date texts, Arrow times, seconds since the Unix epoch."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from models.features import Cycle
from pipeline.column_format import ColumnFormat, TimeUnit
from pipeline.counting import count
from pipeline.onboarding.profile.table import Column
from pipeline.onboarding.profile.words import quoted, words_of
from pipeline.reading import times

_DATE_NAMES = {"date", "datetime", "timestamp", "datum", "zeitstempel", "zeitpunkt", "fecha"}
_NAMES = {"time", "ts", "epoch", "unixtime", "created", "day", "zeit", "uhrzeit", *_DATE_NAMES}
_YEAR_NAMES = {"year", "yr", "jahr", "calendar_year", "fiscal_year", "survey_year"}
_FIRST_YEAR, _LAST_YEAR = 1800, 2100
_MAX_SERIAL_DAYS = 3_660  # ten years
_UNIT_WORDS: dict[TimeUnit, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
}
_DAY = 86_400


# What happened to the thing that was measured, before or after the measurement.
_OTHER_EVENTS = {
    "birth", "born", "built", "calibrated", "calibration", "commissioned", "commissioning",
    "delivered", "delivery", "due", "expires", "expiry", "installation", "installed", "last",
    "maintained", "maintenance", "manufactured", "manufacture", "next", "ordered", "overhaul",
    "overhauled", "previous", "purchase", "purchased", "registered", "repaired", "replaced",
    "serviced", "shipped", "sold", "warranty", "dob", "earliest", "established", "first",
    "founded", "hire", "hired", "joined", "since",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TimeColumn:
    """A column of points in time.

    Attributes:
        seconds: float64 [sampled rows], since the Unix epoch (UTC); NaN where missing.
        how: Human-readable description.
        form: How its values are written.
        is_elapsed: It counts from an arbitrary start, so it gives order but no hour or day.
    """

    seconds: npt.NDArray[np.float64]
    how: str
    is_elapsed: bool = False
    form: ColumnFormat | None = None

    @property
    def span_s(self) -> float:
        """Seconds from the first to the last point."""
        return float(np.nanmax(self.seconds) - np.nanmin(self.seconds))

    @property
    def are_months(self) -> bool:
        """Whether all are the first day of a month, as those of months and quarters are."""
        days = (self.seconds[~np.isnan(self.seconds)] // _DAY).astype("datetime64[D]")
        return bool((days == days.astype("datetime64[M]")).all())

    @property
    def cycles(self) -> tuple[Cycle, ...]:
        """The cycles that the data cover at least twice and at sufficient resolution."""
        cycles: list[Cycle] = []
        if self.is_elapsed:
            return ()
        within_a_day = np.nanmax(np.mod(self.seconds, _DAY)) > np.nanmin(np.mod(self.seconds, _DAY))
        if within_a_day and self.span_s >= 2 * _DAY:
            cycles.append("hour_of_day")
        if self.span_s >= 14 * _DAY and not self.are_months:
            cycles.append("day_of_week")
        if self.span_s >= 730 * _DAY:
            cycles.append("day_of_year")
        return tuple(cycles)


def find_time(column: Column) -> TimeColumn | None:
    """Returns the points in time that a column holds, or None if it holds something else."""
    if not column.num_sampled:
        return None
    if column.kind == "time":
        form = column.written.form
        written = ""
        if form is not None and form.format is not None:
            is_iso = form.format == times.ISO
            written = " in ISO 8601 form" if is_iso else f", written {form.format}"
        return TimeColumn(seconds=column.sample, how=f"a timestamp{written}", form=form)
    return _from_numbers(column) if column.is_number and _is_bare(column) else None


def _is_bare(column: Column) -> bool:
    """Tells whether numbers are written without a unit and without marks between thousands."""
    form = column.written.form
    return form is None or not (form.suffix or form.thousands)


def _with_decimal(column: Column, form: ColumnFormat) -> ColumnFormat:
    """Returns the format of times, with the decimal mark of the numbers that they are."""
    written = column.written.form
    return form if written is None else replace(form, decimal=written.decimal)


def wanted_time(column: Column) -> TimeColumn:
    """Returns the points in time of a column that the person names as time.

    Numbers that are no calendar times count from a start of their own.

    Raises:
        InputError: The column holds neither times nor numbers.
    """
    time = find_time(column)
    if time is not None:
        return time
    if not column.is_number or not column.num_sampled or not _is_bare(column):
        raise InputError(
            f"--time {column.name}: {quoted(column.name)} has neither times nor numbers that `init`"
            " can read. Write all of its values in one format, such as 2024-05-31 14:00:00."
        )
    unit = _unit_of_clock(column)
    return TimeColumn(
        seconds=np.floor(column.sample / times.PER_SECOND[unit]),
        how="a time from an arbitrary start",
        is_elapsed=True,
        form=_with_decimal(column, ColumnFormat(type="time", unit=unit, elapsed=True)),
    )


def _from_numbers(column: Column) -> TimeColumn | None:
    numbers = column.sample
    present = numbers[~np.isnan(numbers)]
    named = bool(_NAMES & set(words_of(column.name)))
    if len(present) > 20:
        _check_one_unit(column.name, present)
    rising = len(present) > 20 and bool(np.all(np.diff(present) >= 0))
    # As float64, long identifiers may all be one number.
    if min(column.num_distinct, len(np.unique(present))) < 3 or not (
        named or (rising and column.kind == "int")
    ):
        return None
    for unit, per_second in times.PER_SECOND.items():
        if _in_epoch_range(present / per_second):
            return TimeColumn(
                seconds=np.floor(numbers / per_second),
                how=f"{_UNIT_WORDS[unit]} since the Unix epoch",
                form=_with_decimal(column, ColumnFormat(type="time", unit=unit)),
            )
    if _may_be_serials(column, present) and _DATE_NAMES & set(words_of(column.name)):
        return TimeColumn(
            seconds=np.rint((numbers - times.EXCEL_1970) * _DAY),
            how="Excel's serial dates",
            form=_with_decimal(column, ColumnFormat(type="time", unit="excel")),
        )
    if rising and len(present) == len(numbers) and _are_years(column, present):
        return TimeColumn(
            seconds=numbers,
            how="a year, never decreasing from row to row",
            is_elapsed=True,
            form=_with_decimal(column, ColumnFormat(type="time", unit="s", elapsed=True)),
        )
    if named and rising and len(present) == len(numbers):
        unit = _unit_of_clock(column)
        return TimeColumn(
            seconds=np.floor(numbers / times.PER_SECOND[unit]),
            how="a time from an arbitrary start, never decreasing from row to row",
            is_elapsed=True,
            form=_with_decimal(column, ColumnFormat(type="time", unit=unit, elapsed=True)),
        )
    return None


def _are_years(column: Column, present: npt.NDArray[np.float64]) -> bool:
    in_range = bool(present.min() >= _FIRST_YEAR and present.max() <= _LAST_YEAR)
    return column.is_whole and in_range and "_".join(words_of(column.name)) in _YEAR_NAMES


def in_preference(
    columns: Mapping[str, TimeColumn], *, last: Collection[str]
) -> dict[str, TimeColumn]:
    """Returns columns of times, the one first that most likely says when a row was measured.

    That is no date of another event by its name, such as `installed`, and it has many different
    values; of several such columns, it is the first in the data.

    Args:
        columns: Times by column.
        last: Columns that are less likely than all others.
    """
    num_times = {name: len(np.unique(time.seconds)) for name, time in columns.items()}
    most = max(num_times.values(), default=0)

    def rank(name: str) -> tuple[bool, bool, bool]:
        is_other = bool(_OTHER_EVENTS & set(words_of(name)))
        return name in last, is_other, num_times[name] < most / 2

    return {name: columns[name] for name in sorted(columns, key=rank)}


def doubtful_serials(column: Column) -> str:
    """Returns a value of a column that may hold Excel's serial dates, else an empty text.

    A name such as `time` is that of a clock too, so only the person can tell.
    """
    if not (column.is_number and column.num_sampled and _NAMES & set(words_of(column.name))):
        return ""
    present = column.sample[~np.isnan(column.sample)]
    with_clock = np.any(present != np.floor(present))
    return f"{present[0]:.10g}" if with_clock and _may_be_serials(column, present) else ""


def _may_be_serials(column: Column, present: npt.NDArray[np.float64]) -> bool:
    low, high = float(present.min()), float(present.max())
    in_range = low >= times.FIRST_SERIAL and high < times.LAST_SERIAL
    return in_range and high - low <= _MAX_SERIAL_DAYS and column.num_distinct >= 3


def _check_one_unit(name: str, present: npt.NDArray[np.float64]) -> None:
    """Refuses epoch times of which some are seconds and others, for example, milliseconds."""
    in_unit = {
        word: (present / times.PER_SECOND[unit] >= times.FIRST_S)
        & (present / times.PER_SECOND[unit] <= times.LAST_S)
        for unit, word in _UNIT_WORDS.items()
    }
    counts = {word: int(fits.sum()) for word, fits in in_unit.items() if fits.any()}
    if len(counts) > 1 and sum(counts.values()) == len(present):
        shown = " and ".join(f"{count(number, 'row')} in {word}" for word, number in counts.items())
        raise InputError(
            f"Column {quoted(name)} has times since 1970 in several units: {shown} (of the rows "
            "looked at). Write all of them in one unit."
        )


def _unit_of_clock(column: Column) -> TimeUnit:
    """The unit in the column's name; seconds by default."""
    words = words_of(column.name)
    named = [unit for unit, word in _UNIT_WORDS.items() if unit in words or word in words]
    return named[-1] if named else "s"


def _in_epoch_range(seconds: npt.NDArray[np.float64]) -> bool:
    return bool(len(seconds) and seconds.min() >= times.FIRST_S and seconds.max() <= times.LAST_S)


Direction = Literal["rising", "falling"]


def direction_of(numbers: npt.NDArray[np.float64]) -> Direction | None:
    """Tells whether numbers rise or fall strictly from row to row, as row numbers do."""
    if len(numbers) < 20 or np.isnan(numbers).any():
        return None
    steps = np.diff(numbers)
    if np.all(steps > 0):
        return "rising"
    return "falling" if np.all(steps < 0) else None
