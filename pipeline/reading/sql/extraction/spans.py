"""Spans of a query with `{SPAN}` or `{DATE}`: which there are, and which a config uses."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.files.locations import check_days, day_of, span_on
from pipeline.reading.sql.connections import Connection
from pipeline.reading.sql.statements import check_query

Span = int | date


def find_spans(connection: Connection, spans_query: str, placeholder: str) -> list[Span]:
    """Returns the spans that a database has, ascending.

    Args:
        connection: An open connection.
        spans_query: `data.sql.spans`.
        placeholder: `{SPAN}` or `{DATE}`.

    Raises:
        InputError: The query has several columns or no rows, or a value is no such span.
    """
    cursor = connection.cursor()
    cursor.execute(check_query(spans_query, key="data.sql.spans"))
    rows = cursor.fetchall()
    if not rows:
        raise InputError("data.sql.spans gives no spans, so there are no rows to read.")
    if len(rows[0]) != 1:
        raise InputError(f"data.sql.spans must give one column, got {len(rows[0])}.")
    read = _whole_number if placeholder == "{SPAN}" else _day
    return sorted({read(row[0]) for row in rows})


def _whole_number(value: object) -> Span:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if isinstance(value, bool) or number < 0:
        raise InputError(
            f"data.sql.spans gives {value!r}; a {{SPAN}} is a whole number from 0 on. For dates, "
            "write {DATE} in data.sql.query."
        )
    return number


def _day(value: object) -> Span:
    if isinstance(value, datetime):
        is_midnight = value.time().replace(tzinfo=None) == datetime.min.time()
        value = value.date() if is_midnight else value
    elif isinstance(value, str):
        with suppress(ValueError):
            value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise InputError(
        f"data.sql.spans gives {value!r}; a {{DATE}} is a day such as 2026-10-18. Cast the column "
        "to a date there."
    )


def wanted_spans(found: Sequence[Span], data: Data) -> list[Span]:
    """Returns the spans that a config uses: its window, else the latest.

    Args:
        found: The spans there are, ascending.
        data: The config's `data`, for `window`, `first_span` and `last_span`.

    Raises:
        InputError: None of the spans is in the range, or a bound is no day where spans are days.
    """
    if isinstance(found[0], date):
        check_days(data)
    last = data.last_span
    low = (data.first_span or 0) if data.has_window else (last or 0)
    spans = [span for span in found if low <= number_of(span)]
    spans = [span for span in spans if last is None or number_of(span) <= last]
    if not spans:
        shown = f"{found[0]} to {found[-1]}"
        limit = "" if last is None else f" to {_shown(last, found[0])}"
        raise InputError(
            f"The database has no span from {_shown(low, found[0])}{limit}; its spans are {shown}. "
            "Correct data.first_span and data.last_span."
        )
    if not data.has_window:
        return spans[-1:]
    return spans if data.window is None else spans[-data.window :]


def _shown(number: int, like: Span) -> str:
    return str(day_of(number)) if isinstance(like, date) else str(number)


def number_of(span: Span) -> int:
    """Returns the number of a span; of a day, the days since 1970-01-01."""
    return span_on(span) if isinstance(span, date) else span


def file_name(span: Span | None) -> str:
    """Returns the file of a span's rows."""
    if span is None:
        return "rows.parquet"
    return f"day-{span.isoformat()}.parquet" if isinstance(span, date) else f"span-{span}.parquet"


def file_pattern(placeholder: str) -> str:
    """Returns the pattern of the files of spans, in the terms of `data.path`."""
    return (
        f"day-{placeholder}.parquet" if placeholder == "{DATE}" else f"span-{placeholder}.parquet"
    )
