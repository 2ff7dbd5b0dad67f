"""Dates that stand for a missing one, such as 1900-01-01 and 31.12.9999."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_DAY_S = 86_400
_YEAR_S = 365.2425 * _DAY_S
# Starts of the calendars of Excel, SQL Server, Unix, .NET and Windows, ends of those of SAP, SQL
# and Excel, by day.
_DATES = (
    *("0001-01-01", "1582-10-15", "1601-01-01", "1753-01-01", "1899-12-30", "1899-12-31"),
    *("1900-01-01", "1901-01-01", "1904-01-01", "1970-01-01", "2099-12-31", "2100-01-01"),
    *("2999-12-31", "9999-12-31"),
)
_DAYS = np.array(_DATES, "datetime64[D]").astype(np.int64)
_BEYOND = re.compile(r"(?<!\d)(?:9999|2999|0001|0000)(?!\d)")
_DATE = re.compile(r"\d{1,4}[-./ ][^\W_]{1,9}[-./ ]+\d{1,4}")
_MIN_DISTANCE_S = 5 * _YEAR_S


def is_beyond(text: str) -> bool:
    """Tells whether a text is a date of a year in which nothing was measured.

    >>> is_beyond("31.12.9999"), is_beyond("0000-00-00 00:00:00"), is_beyond("2024-01-31")
    (True, True, False)
    """
    date = _DATE.match(text)
    return date is not None and _BEYOND.search(date[0]) is not None


def are_placeholders(seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Tells which times, in seconds since 1970, are on a day that often stands for none."""
    return np.isin(seconds // _DAY_S, _DAYS)


def lone_placeholders(
    counts: Mapping[int, int], others: tuple[float, float] | None
) -> tuple[int, ...]:
    """Returns the placeholders, in seconds since 1970, that are far from all other times.

    Args:
        counts: Times on days that often stand for none, and how often each occurs.
        others: The earliest and the latest other time.
    """
    if others is None:
        return ()
    low, high = others
    distance = max(_MIN_DISTANCE_S, 2 * (high - low))
    return tuple(
        second for second in sorted(counts) if second < low - distance or second > high + distance
    )


def lone_texts(texts: Sequence[str], seconds: pa.Array) -> tuple[str, ...]:
    """Returns the texts that are placeholders far from all other times.

    Args:
        texts: Distinct texts.
        seconds: Their times in seconds since 1970; null where a text is none.
    """
    known = np.asarray(seconds.is_valid())
    numbers = np.asarray(seconds.fill_null(0), np.int64)
    is_mark = known & are_placeholders(numbers)
    others = numbers[known & ~is_mark]
    limits = (float(others.min()), float(others.max())) if len(others) else None
    lone = lone_placeholders(dict.fromkeys(numbers[is_mark].tolist(), 1), limits)
    return tuple(t for t, n, m in zip(texts, numbers, is_mark, strict=True) if m and n in lone)


def date_text(second: int) -> str:
    """Returns a time as ISO 8601 text, without its clock at midnight.

    >>> date_text(-2208988800), date_text(3600)
    ('1900-01-01', '1970-01-01T01:00:00')
    """
    text = str(np.datetime64(second, "s"))
    return text.removesuffix("T00:00:00")
