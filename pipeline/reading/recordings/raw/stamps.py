"""Time stamps of samples: a column of times as seconds, with their fractions."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.column_format import ColumnFormat, TimeUnit
from pipeline.reading import contract, times, values
from pipeline.reading.values import Mask
from pipeline.unit_names import GREEK_MU

_MICROSECONDS = 10**6
_ISO_BEGIN = r"^\s*\d{4}-\d{2}-\d{2}"
# Ends of a time of day with an offset from UTC, and with that of UTC itself.
_OFFSET = r":\d{2}([.,]\d+)?\s*(Z|[+-]\d{2}:?\d{2})\s*$"
_NO_SHIFT = r"(Z|[+-]00:?00)\s*$"
_TIME_OF_DAY = r"\d:\d{2}"
# A time of day without a date.
_CLOCK = r"^\s*([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d+)?)?\s*$"
_UTC = ("UTC", "Etc/UTC", "Z", "+00:00")
_UNITS: Mapping[str, TimeUnit] = {
    "ms": "ms", "msec": "ms", "millis": "ms", "milliseconds": "ms",
    "us": "us", "usec": "us", "µs": "us", "micros": "us", "microseconds": "us", "ns": "ns",
}  # fmt: skip


def time_unit(name: str, low: float, high: float) -> tuple[TimeUnit, bool]:
    """Returns the unit of numbers that are times, and whether they count from 1970.

    Args:
        name: Their column; `t_ms` gives the unit of times that count from a start of their own.
        low: The smallest number.
        high: The largest number.
    """
    for unit, per_second in times.PER_SECOND.items():
        if times.FIRST_S * per_second <= low and high <= times.LAST_S * per_second:
            return unit, True
    words = re.split(r"[^a-zµ]+", name.lower().replace(GREEK_MU, "µ"))
    return next((_UNITS[word] for word in reversed(words) if word in _UNITS), "s"), False


def undeclared_unit(
    column: pa.Array, name: str, form: ColumnFormat | None, *, decimal: str = "."
) -> TimeUnit | None:
    """Returns the unit of numeric times that would be read as seconds by mistake, or None.

    Args:
        column: As stored.
        name: The column; its name gives the unit.
        form: What `data.columns` declares of it.
        decimal: Decimal mark of numbers in texts.
    """
    is_declared = form is not None and (form.unit or form.elapsed or form.format)
    if is_declared or pa.types.is_temporal(column.type):
        return None
    seconds, has_dates, bad = read_stamps(column, form, decimal=decimal)
    present = seconds[np.isfinite(seconds) & ~bad]
    if has_dates or not present.size:
        return None
    unit, _ = time_unit(name, float(present.min()), float(present.max()))
    return None if unit == "s" else unit


class Offsets(NamedTuple):
    """How times differ from UTC.

    Attributes:
        is_naive: Some have no offset from UTC, and no zone is declared.
        is_shifted: Some have an offset that is not zero.
    """

    is_naive: bool
    is_shifted: bool

    def contradicts(self, other: "Offsets") -> bool:
        """Tells whether one has offsets that the other lacks, so that UTC would be a guess."""
        return (self.is_naive and other.is_shifted) or (self.is_shifted and other.is_naive)


def offsets_of(column: pa.Array, form: ColumnFormat | None) -> Offsets:
    """Returns how times differ from UTC; numbers do not.

    Args:
        column: As stored.
        form: What `data.columns` declares of it.
    """
    is_naive, is_shifted = _offsets(column)
    return Offsets(is_naive and (form is None or form.zone == "UTC"), is_shifted)


def _offsets(column: pa.Array) -> tuple[bool, bool]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return kind.tz is None, kind.tz not in (None, *_UTC)
    if pa.types.is_dictionary(kind):
        return _offsets(column.dictionary)
    if not values.is_text(kind):
        return False, False
    texts = column.cast(pa.string()).drop_null()
    texts = texts.filter(pc.match_substring_regex(texts, _TIME_OF_DAY))
    has_offset = pc.match_substring_regex(texts, _OFFSET)
    shifts = pc.and_not(has_offset, pc.match_substring_regex(texts, _NO_SHIFT))
    return bool(pc.any(pc.invert(has_offset)).as_py()), bool(pc.any(shifts).as_py())


def read_stamps(
    column: pa.Array, form: ColumnFormat | None, *, decimal: str = "."
) -> tuple[NDArray[np.float64], bool, Mask]:
    """Returns the times of samples.

    Args:
        column: As stored: text as binary, numbers, or Arrow times.
        form: What `data.columns` declares of the column. Without it, numbers are seconds: since
            1970 if all are of the years 1980 to 2100, else since the start; texts are ISO 8601.
        decimal: Decimal mark of numbers in texts.

    Returns:
        float64 [rows] in s, NaN where missing; whether they count from 1970; and bool [rows], true
        where a value is no such time.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_duration(column.type):
        column = _seconds_of(column)
    if pa.types.is_temporal(column.type):
        return _from_arrow(column, form)
    is_text = values.is_text(column.type)
    is_declared = form is not None and (form.unit or form.elapsed or form.type == "number")
    if is_text and not is_declared and (form is not None or _is_date(column)):
        return _from_texts(column, form)
    if is_text and form is None and is_clock(column.cast(pa.string())):
        return _from_clock(column.cast(pa.string())), False, np.zeros(len(column), bool)
    if not is_text and not _is_number(column.type):
        return np.full(len(column), np.nan), False, np.asarray(column.is_valid())
    return _from_numbers(*_numbers(column, form, decimal), form)


def is_clock(texts: pa.Array) -> bool:
    """Tells whether texts are times of day without a date; missing ones aside, all of them.

    >>> is_clock(pa.array(["23:59:50", None])), is_clock(pa.array(["12"]))
    (True, False)
    """
    fits = pc.match_substring_regex(texts.drop_null(), _CLOCK)
    return bool(len(fits) and pc.all(fits).as_py())


def _from_clock(texts: pa.Array) -> NDArray[np.float64]:
    """Returns the seconds since midnight of times of day."""
    pattern = r"(?P<h>\d+):(?P<m>\d+):?(?P<s>[\d.]*)"
    parts = pc.extract_regex(pc.replace_substring(texts, ",", "."), pattern)
    seconds = np.zeros(len(texts))
    for name, factor in (("h", 3_600.0), ("m", 60.0), ("s", 1.0)):
        part = pc.replace_substring_regex(pc.struct_field(parts, name), r"^$", "0")
        seconds += factor * np.asarray(part.cast(pa.float64()).fill_null(0.0))
    seconds[np.asarray(texts.is_null())] = np.nan
    return seconds


def _is_date(column: pa.Array) -> bool:
    """Tells whether the first text that is not missing begins as an ISO 8601 date does."""
    first = column.drop_null().slice(0, 1)
    return bool(pc.any(pc.match_substring_regex(first, _ISO_BEGIN)).as_py())


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _seconds_of(column: pa.Array) -> pa.Array:
    micros = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
    return pc.divide(micros.cast(pa.float64()), _MICROSECONDS)


def _from_arrow(
    column: pa.Array, form: ColumnFormat | None
) -> tuple[NDArray[np.float64], bool, Mask]:
    if pa.types.is_time(column.type):  # a clock time counts from midnight
        column = column.cast(pa.time64("us")).cast(pa.int64())
        return _seconds(column), False, np.zeros(len(column), bool)
    zone = form.zone if form is not None else "UTC"
    column = column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
    if column.type.tz is None and zone != "UTC":
        column = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="latest")
    return _seconds(column.cast(pa.int64())), True, np.zeros(len(column), bool)


def _seconds(micros: pa.Array) -> NDArray[np.float64]:
    seconds = np.asarray(micros.fill_null(0)) / _MICROSECONDS
    seconds[np.asarray(micros.is_null())] = np.nan
    return seconds


def _numbers(
    column: pa.Array, form: ColumnFormat | None, decimal: str
) -> tuple[NDArray[np.float64], Mask]:
    """Returns float64 numbers, NaN where missing, and which texts are no numbers."""
    if _is_number(column.type):
        numbers = column.cast(pa.float64(), safe=False).fill_null(np.nan)
        return np.asarray(numbers, np.float64), np.zeros(len(column), bool)
    mark = (form.decimal if form else None) or decimal
    written = ColumnFormat(type="number", decimal="," if mark == "," else ".", missing=())
    read, bad = contract.read_column(column, written, default_marks=())
    return np.asarray(read.fill_null(np.nan), np.float64), bad


def _from_numbers(
    numbers: NDArray[np.float64], bad: Mask, form: ColumnFormat | None
) -> tuple[NDArray[np.float64], bool, Mask]:
    if form is None or (form.unit is None and not form.elapsed):
        present = numbers[np.isfinite(numbers)]
        has_dates = present.size > 0 and bool(
            ((present >= times.FIRST_S) & (present <= times.LAST_S)).all()
        )
        # Larger numbers count in another unit, which must be declared.
        beyond = np.nan_to_num(numbers) > times.LAST_S
        return numbers, has_dates, bad | beyond
    if form.unit == "excel":
        return (numbers - times.EXCEL_1970) * 86_400, True, bad
    return numbers / times.PER_SECOND[form.unit or "s"], not form.elapsed, bad


def _from_texts(
    column: pa.Array, form: ColumnFormat | None
) -> tuple[NDArray[np.float64], bool, Mask]:
    """Reads each distinct text once; plain ISO 8601 times by Arrow, any other format by pandas."""
    texts = column.cast(pa.string())
    time_format = (form.format if form else None) or times.ISO
    zone = form.zone if form else "UTC"
    if time_format == times.ISO and zone == "UTC":
        fast = _cast_iso(texts)
        if fast is not None:
            return _seconds(fast), True, np.zeros(len(column), bool)
    encoded = texts.dictionary_encode()
    trimmed = pc.utf8_trim(encoded.dictionary, values.BLANKS)
    micros, bad = times.parse_micros(trimmed, time_format, zone)
    places = np.asarray(encoded.indices.fill_null(len(bad)), np.int64)
    seconds = np.append(_seconds(micros), np.nan)[places]
    return seconds, True, np.append(bad, False)[places]


def _cast_iso(texts: pa.Array) -> pa.Array | None:
    # Arrow takes a date without dashes for a time too, but those are of another format.
    if not pc.all(pc.match_substring_regex(texts, _ISO_BEGIN)).as_py():
        return None
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return texts.cast(kind).cast(pa.int64())
        except pa.ArrowInvalid:
            continue
    return None
