"""Points in time: texts by one format, or numbers in one unit, to seconds since 1970 in UTC.

The format and the unit belong to the column. They are never chosen value by value.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from pipeline.column_format import ColumnFormat, TimeUnit
from pipeline.reading import values
from pipeline.reading.names.months import in_english
from pipeline.reading.names.zones import with_offsets
from pipeline.reading.values import Mask

if TYPE_CHECKING:
    import pandas as pd

ISO = "ISO8601"
PER_SECOND: dict[TimeUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FIRST_S, LAST_S = 315_532_800, 4_102_444_800  # the years 1980 to 2100
_MIN_EPOCH_S = -62_135_596_800  # the year 1
_MAX_EPOCH_S = 253_402_300_799  # the end of the year 9999
_MICROSECONDS = 10**6
_DAY_S = 86_400
EXCEL_1970 = 25_569  # Excel's serial date of 1970-01-01; it counts days
FIRST_SERIAL, LAST_SERIAL = 29_221, 73_051  # the years 1980 to 2099

_CLOCKS = ("", " %H:%M:%S.%f", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_CLOCKS_AFTER_COMMA = (", %H:%M:%S", ", %H:%M", ", %I:%M:%S %p", ", %I:%M %p")
_DATES = (
    "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y",
    "%d.%m.%Y", "%m.%d.%Y", "%d.%m.%y", "%m.%d.%y",
    "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%y", "%m-%d-%y",
    "%Y/%m/%d", "%Y.%m.%d",
    "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d. %b %Y", "%d.%b.%Y", "%d/%b/%Y", "%b %d, %Y",
)  # fmt: skip
# A month or a quarter, which begins on its first day; `%q` is no part of strptime's.
_MONTHS = ("%b-%Y", "%b %Y", "%Y-%b", "%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%m.%Y")
_QUARTERS = ("%YQ%q", "%Y-Q%q", "%Y Q%q", "Q%q %Y", "Q%q-%Y", "Q%q/%Y")
_END_OF_DAY = r"([T ])24:00(:00(?:[.,]0+)?)?($|[^\d:])"
# Formats that `init` knows; ISO 8601 comes first. A config may name any other one.
TEXT_FORMATS = (
    ISO,
    *(date + clock for date in _DATES for clock in _CLOCKS),
    *(date + clock for date in _DATES[:2] + _DATES[4:6] for clock in _CLOCKS_AFTER_COMMA),
    *("%d%b%Y", "%d%b%Y:%H:%M:%S", "%b %d %Y %I:%M%p", "%d/%b/%Y:%H:%M:%S %z"),
    *("%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S %z", "%Y/%m/%dT%H:%M:%S"),
    *("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S.%f UTC", "%Y%m%dT%H%M%SZ"),
    *("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S"),
    *("%Y%m%d_%H%M%S", "%Y%m%d-%H%M%S", "%Y%m%d_%H%M", "%a %b %d %H:%M:%S %Y"),
    *("%d-%b-%y %I.%M.%S.%f %p", "%d-%b-%y %I.%M.%S %p", "%d-%b-%Y %I.%M.%S %p"),  # Oracle
    *("%Y\u5e74%m\u6708%d\u65e5", "%Y\u5e74%m\u6708%d\u65e5 %H:%M"),  # Chinese and Japanese
    "%Y\u5e74%m\u6708%d\u65e5 %H:%M:%S",
    *(
        f"{date}{clock} %Z"
        for date in ("%Y-%m-%d", *_DATES[:2], *_DATES[4:6])
        for clock in _CLOCKS[1:]
    ),
    "%a %b %d %H:%M:%S %Z %Y",
    *_MONTHS,
    *_QUARTERS,
)
# Dates that are whole numbers too. Of the named ones, only the name of the column tells.
YEAR_LAST_FORMATS = ("%d%m%Y", "%m%d%Y")
NAMED_FORMATS = ("%y%m%d", *YEAR_LAST_FORMATS)
COMPACT_FORMATS = ("%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", *NAMED_FORMATS)
_MARK = re.compile("[/.:,\u5e74\u6708\u65e5-]")  # what a text must have as often as its format
_ISO_SHAPE = r"^\d{4}-\d{2}-\d{2}(?:[T ][^Z+-]*(?:Z|[+-]\d{2}(?::?\d{2})?)?)?$"
_ISO_OFFSET = r"^.{10}.*[Z+-]"
_DIGITS = {"q": 1, "Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3}
# What each part of a format may look like, at its loosest.
_OUTLINES = {part: rf"[\d ]\d{{0,{most - 1}}}" for part, most in _DIGITS.items()} | {
    "f": r"\d{1,9}", "p": r"\p{L}[\p{L}.]*", "z": r".+", "Z": r".+"
}  # fmt: skip
_RUN = re.compile(rf"(?:%[{''.join(_DIGITS)}]){{2,}}")  # numbers with nothing between
_UTC_ENDS = ("Z", "UTC", "GMT")  # of formats


def read_times(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    """Returns int64 seconds since 1970 (UTC), and which values are no such times.

    Args:
        column: Arrow strings, times or numbers.
        form: `format` for strings (ISO 8601 by default), `unit` for numbers (seconds by default),
            `zone` for times without an offset.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _from_arrow(column, form.zone)
    if pa.types.is_string(column.type):
        if form.format in COMPACT_FORMATS:  # pandas writes 20240131.0 beside a missing value
            column = pc.replace_substring_regex(column, r"^(\d+)\.0+$", r"\1")
        if form.format is not None:
            return parse_texts(column, form.format, form.zone)
        return _from_number_texts(column, form)
    if not _is_number(column.type):
        return pa.nulls(len(column), pa.int64()), np.asarray(column.is_valid())
    if form.format in COMPACT_FORMATS:
        return _from_compact(column, form)
    # Stored numbers in a column of texts are seconds, as the served model takes them.
    return _from_numbers(column, form.unit)


def _from_compact(column: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    """Reads whole numbers such as 20240131 by their digits; one of another length is in seconds."""
    texts = _digits_of(column)
    is_mark = pc.is_in(texts, pa.array(form.missing or (), pa.string()))
    column, texts = (pc.if_else(is_mark, None, one) for one in (column, texts))
    shape = f"^{_shape_of(form.format or ISO)}$"
    if form.format in YEAR_LAST_FORMATS:
        shape = r"^\d{7,8}$"
    is_date = pc.fill_null(pc.match_substring_regex(texts, shape), False)
    dates, no_date = parse_texts(pc.if_else(is_date, texts, None), form.format or ISO, form.zone)
    seconds, bad = _from_numbers(pc.if_else(is_date, None, column), form.unit)
    return pc.coalesce(dates, seconds), no_date | bad


def _digits_of(column: pa.Array) -> pa.Array:
    """Returns whole numbers as text; null for fractions and what float64 cannot hold exactly."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    numbers = column.cast(pa.float64(), safe=False)
    is_whole = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), 2.0**53))
    return pc.if_else(is_whole, numbers, None).cast(pa.int64()).cast(pa.string())


def _from_number_texts(texts: pa.Array, form: ColumnFormat) -> tuple[pa.Array, Mask]:
    """Reads numbers in the column's unit; without a declared unit also ISO 8601 times."""
    if form.unit == "excel":  # a day and its fraction, which a sheet may write with a comma
        texts = pc.replace_substring_regex(texts, r"^(\d+),(\d+)$", r"\1.\2")
    numbers = values.floats_of(texts)
    seconds, out = _from_numbers(numbers, form.unit)
    bad = out | (np.asarray(texts.is_valid()) & ~np.asarray(numbers.is_valid()))
    if form.unit is not None or not bad.any():
        return seconds, bad
    dates = pc.if_else(numbers.is_valid(), None, texts)
    from_dates, bad_dates = parse_texts(dates, ISO, form.zone)
    return pc.coalesce(seconds, from_dates), out | bad_dates


def instants_of(texts: Sequence[str], unit: TimeUnit | None) -> tuple[int, ...]:
    """Returns the seconds since 1970 of those texts that are numbers or ISO 8601 dates.

    Unlike `read_times`, it takes any year, such as that of the placeholder 9999-12-31.
    """
    instants = []
    for text in texts:
        number = values.floats_of(pa.array([text.strip()]))
        seconds = _from_numbers(number, unit or "s")[0][0].as_py()
        if seconds is None and re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ][\d:.]+)?", text.strip()):
            try:
                seconds = int(np.datetime64(text.strip(), "s").astype(np.int64))
            except ValueError:
                continue
        if seconds is not None:
            instants.append(seconds)
    return tuple(instants)


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _from_arrow(column: pa.Array, zone: str) -> tuple[pa.Array, Mask]:
    column = column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
    if column.type.tz is None and zone != "UTC":
        column = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="latest")
    micros = np.asarray(column.cast(pa.int64()).fill_null(0))
    seconds = pa.array(np.floor_divide(micros, _MICROSECONDS), mask=np.asarray(column.is_null()))
    return seconds, np.zeros(len(column), bool)


def _from_numbers(column: pa.Array, unit: TimeUnit | None) -> tuple[pa.Array, Mask]:
    """Reads numbers in one unit; without a declared unit, seconds of the years 1980 to 2100.

    Seconds in a column of microseconds would be times of January 1970: they are bad.
    """
    if unit == "excel":
        return _from_serials(column)
    per_second = PER_SECOND[unit or "s"]
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        missing = np.asarray(column.is_null())
        # Integers stay integers: a float64 would round nanoseconds.
        ticks = np.asarray(column.cast(pa.int64()).fill_null(0))
    else:
        numbers = column.cast(pa.float64(), safe=False)
        missing = np.asarray(pc.is_null(numbers, nan_is_null=True))
        ticks = np.asarray(numbers.fill_null(0.0))
    # Without a declared unit, a number outside 1980 to 2100 is more likely of another unit.
    first, last = (FIRST_S, LAST_S) if unit is None else (_MIN_EPOCH_S, _MAX_EPOCH_S)
    with np.errstate(invalid="ignore"):
        seconds = np.floor_divide(ticks, per_second).astype(np.float64)
        bad = ~((seconds >= first) & (seconds <= last))
        for larger in (one for one in PER_SECOND.values() if one < per_second):
            bad |= (ticks >= FIRST_S * larger) & (ticks <= LAST_S * larger)
    bad &= ~missing
    whole_seconds = np.where(missing | bad, 0, seconds).astype(np.int64)
    return pa.array(whole_seconds, mask=missing | bad), bad


def _from_serials(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Reads days of Excel's calendar to the nearest second; others than of 1980 to 2099 are bad."""
    numbers = column.cast(pa.float64(), safe=False)
    missing = np.asarray(pc.is_null(numbers, nan_is_null=True))
    days = np.asarray(numbers.fill_null(0.0))
    with np.errstate(invalid="ignore"):
        bad = ~missing & ~((days >= FIRST_SERIAL) & (days < LAST_SERIAL))
    known = np.where(missing | bad, EXCEL_1970, days)
    seconds = np.rint((known - EXCEL_1970) * _DAY_S).astype(np.int64)
    return pa.array(seconds, mask=missing | bad), bad


def fits_unit(texts: pa.Array, unit: TimeUnit) -> npt.NDArray[np.bool_]:
    """Returns which texts are numbers that mean a time of 1980 to 2100 in a unit."""
    numbers = values.floats_of(texts)
    if unit == "excel":
        return np.asarray(_from_serials(numbers)[0].is_valid())
    numbers = np.asarray(numbers.fill_null(np.nan)) / PER_SECOND[unit]
    with np.errstate(invalid="ignore"):
        fits: npt.NDArray[np.bool_] = (numbers >= FIRST_S) & (numbers <= LAST_S)
    return fits


def read_elapsed(column: pa.Array, unit: TimeUnit) -> tuple[pa.Array, Mask]:
    """Returns int64 microseconds of a clock with a start of its own, rounded down."""
    per_second = PER_SECOND[unit]
    bad = np.zeros(len(column), bool)
    if pa.types.is_string(column.type):
        whole, not_whole = values.to_int(column)
        if not not_whole.any():
            column = whole
        else:
            numbers = values.floats_of(column)
            bad = np.asarray(column.is_valid()) & ~np.asarray(numbers.is_valid())
            column = numbers
    if pa.types.is_temporal(column.type) or not _is_number(column.type):
        return pa.nulls(len(column), pa.int64()), np.asarray(column.is_valid())
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        ticks = np.asarray(column.cast(pa.int64()).fill_null(0))
        micros = (
            ticks // (per_second // _MICROSECONDS)
            if per_second >= _MICROSECONDS
            else ticks * (_MICROSECONDS // per_second)
        )
        return pa.array(micros, mask=np.asarray(column.is_null())), bad
    numbers = column.cast(pa.float64(), safe=False)
    missing = np.asarray(pc.is_null(numbers, nan_is_null=True))
    micros = np.floor(np.asarray(numbers.fill_null(0.0)) * (_MICROSECONDS / per_second))
    beyond = ~(np.abs(micros) < 2.0**63)
    whole_micros = np.where(missing | beyond, 0, micros).astype(np.int64)
    return pa.array(whole_micros, mask=missing | beyond), bad | (beyond & ~missing)


def parse_texts(texts: pa.Array, time_format: str, zone: str = "UTC") -> tuple[pa.Array, Mask]:
    """Returns int64 seconds since 1970 (UTC) of texts in one format; bool where unreadable."""
    micros, bad = parse_micros(texts, time_format, zone)
    seconds = np.floor_divide(np.asarray(micros.fill_null(0)), _MICROSECONDS)
    return pa.array(seconds, mask=np.asarray(micros.is_null())), bad


def parse_micros(texts: pa.Array, time_format: str, zone: str = "UTC") -> tuple[pa.Array, Mask]:
    """Returns int64 microseconds since 1970 (UTC) of texts; bool where unreadable."""
    import pandas as pd  # not with this module: a command without texts starts sooner

    present = np.asarray(texts.is_valid())
    if time_format in YEAR_LAST_FORMATS:  # stored as a number, 01032024 has lost its zero
        texts = pc.replace_substring_regex(texts, r"^(\d{7})$", r"0\1")
    has_shape = pc.match_substring_regex(texts, _shape_of(time_format))
    texts = pc.if_else(has_shape, _with_points(texts), None)
    if "%b" in time_format or "%B" in time_format:
        texts, time_format = in_english(texts), time_format.replace("%B", "%b")
    if "%q" in time_format:
        is_quarter = pc.match_substring_regex(texts, r"Q[1-4]($|\D)")
        texts = pc.if_else(is_quarter, texts, None)
        for quarter in "1234":
            month = f"Q{3 * int(quarter) - 2:02d}"
            texts = pc.replace_substring_regex(texts, rf"Q{quarter}($|\D)", rf"{month}\1")
        time_format = time_format.replace("%q", "%m")
    if "%Z" in time_format:
        texts, time_format = with_offsets(texts), time_format.replace("%Z", "%z")
    # ISO 8601 and loggers write the end of a day as 24:00.
    ends = np.asarray(pc.fill_null(pc.match_substring_regex(texts, _END_OF_DAY), False))
    texts = pc.replace_substring_regex(texts, _END_OF_DAY, r"\100:00\2\3")
    strings = pd.Series(texts.to_pylist(), dtype="object")
    days = pd.to_timedelta(ends.astype(np.int64), unit="D")
    absolute = _have_offset(texts, time_format)
    # Apart: pandas reads a time without an offset by that of an earlier row.
    parsed = _parsed(strings.where(~absolute), time_format) + days
    if zone != "UTC":
        parsed = _from_zone(parsed, zone)
    if absolute.any():
        parsed = parsed.where(~absolute, _parsed(strings.where(absolute), time_format) + days)
    unread = parsed.isna().to_numpy()
    micros = parsed.to_numpy().astype("datetime64[us]").astype(np.int64)
    return pa.array(np.where(unread, 0, micros), mask=unread), unread & present


def _shape_of(time_format: str) -> str:
    """Returns a pattern that a text must match before pandas reads it by its own rules.

    It reads `now` and `today` as the time of reading, in any format. By `%Y%m%d`, it reads 202411
    as the first of January and 2024111 as that of November.
    """
    if time_format == ISO:
        return _ISO_SHAPE
    lengths = [sum(_DIGITS[part] for part in run[1::2]) for run in _RUN.findall(time_format)]
    return ".*".join(rf"\d{{{length}}}" for length in lengths) or r"\d"


def _with_points(texts: pa.Array) -> pa.Array:
    """Writes a point before the fraction of a second.

    ISO 8601 allows a comma there, and logs have it in any format.
    """
    return pc.replace_substring_regex(texts, r"(:\d{2}:\d{2}),(\d+)", r"\1.\2")


def _have_offset(texts: pa.Array, time_format: str) -> Mask:
    """Tells which times say themselves how far they are from UTC."""
    if time_format != ISO:
        return np.full(len(texts), "%z" in time_format or time_format.endswith(_UTC_ENDS))
    return np.asarray(pc.fill_null(pc.match_substring_regex(texts, _ISO_OFFSET), False))


def _parsed(strings: "pd.Series[Any]", time_format: str) -> "pd.Series[Any]":
    """Returns times of UTC without a zone, NaT where a text does not have the format.

    Raises:
        InputError: The parts of the format contradict each other.
    """
    import pandas as pd

    try:
        parsed = pd.to_datetime(strings, format=time_format, utc=True, errors="coerce")
    except ValueError as error:  # a text that does not fit is no error; parts that contradict are
        raise InputError(
            f"No time can be read by the format {time_format!r} of data.columns: {error}"
        ) from None
    naive: pd.Series[Any] = parsed.dt.tz_localize(None)
    return naive


def _from_zone(times: "pd.Series[Any]", zone: str) -> "pd.Series[Any]":
    """Returns times of a zone as those of UTC."""
    # The hour that comes twice in autumn is the first of the two; one that never was is moved on.
    first = np.ones(len(times), bool)
    local = times.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    naive: pd.Series[Any] = local.dt.tz_convert("UTC").dt.tz_localize(None)
    return naive


def formats_that_read(texts: pa.Array, counts: npt.NDArray[np.int64]) -> dict[str, int]:
    """Returns how many values each of `TEXT_FORMATS` reads, without those that read none.

    Args:
        texts: Distinct texts, trimmed.
        counts: int64 [texts], how often each occurs.
    """
    hits: dict[str, int] = {}
    probe = texts.slice(0, 20)
    marks = [Counter(_MARK.findall(text)) for text in _with_points(probe).to_pylist()]
    for time_format in TEXT_FORMATS:
        # Most formats have a mark that no text has, and parsing takes a thousand times as long.
        own = Counter(_MARK.findall(time_format))
        if not any(own <= of_text for of_text in marks):
            continue
        if time_format != ISO and not _reads_any(probe, time_format):
            continue
        seconds, _ = parse_texts(texts, time_format)
        number = int(counts[np.asarray(seconds.is_valid())].sum())
        if number:
            hits[time_format] = number
        if time_format == ISO and number == counts.sum():
            break  # nothing else reads an ISO 8601 time differently
    return hits


def _reads_any(texts: pa.Array, time_format: str) -> bool:
    # Texts are parsed only if they look like the format: that is much faster.
    looks_alike = pc.match_substring_regex(_with_points(texts), outline_of(time_format))
    texts = texts.filter(pc.fill_null(looks_alike, False))
    return len(texts) > 0 and bool(np.asarray(parse_texts(texts, time_format)[0].is_valid()).any())


@cache
def outline_of(time_format: str) -> str:
    """Returns a pattern that every text of a format matches, and most other texts do not.

    Names are any run of characters, as languages write them differently.
    """
    pieces = re.split(r"(%[a-zA-Z])", time_format)
    names = [place for place, piece in enumerate(pieces) if piece in ("%b", "%B", "%a")]
    outline = []
    for place, piece in enumerate(pieces):
        if place in names:
            outline.append(r".*\p{L}.*")
        elif piece.startswith("%"):
            outline.append(_OUTLINES[piece[1]])
        elif any(abs(place - name) == 1 for name in names):
            outline.append(".*")  # `1st March`, `1. März`, `1 de marzo`
        else:
            outline.append(r"\s*".join(map(re.escape, piece.split(" "))))
    return rf"^\s*{''.join(outline)}\s*$"
