"""Columns of windows, and names of events with their start."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

# The recording of a window, and the part of it that its split keeps together.
RECORDING, STRETCH = "recording", "stretch"
# Names of the events that a window touches, separated by spaces.
EVENT = "event"
# Start and end of a window for people: seconds since the recording's start, or dates.
WINDOW_START, WINDOW_END = "window_start", "window_end"
# Both in one text, `12.5/13.0` in seconds: examples hold dates as whole seconds and numbers as
# float32, which are too coarse for short windows.
WINDOW = "window"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_name(number: int, start_s: float, *, has_dates: bool) -> str:
    """Returns the name of an event within its recording: its number and its start.

    >>> event_name(0, 12.5, has_dates=False), event_name(1, 1.5e9, has_dates=True)
    ('e1@12.5', 'e2@2017-07-14T02:40:00+00:00')

    Args:
        number: Its place in the recording, from 0.
        start_s: Its start in seconds; since 1970 with dates, otherwise since any start.
        has_dates: Whether the recording's times are dates.
    """
    if not has_dates:
        return f"e{number + 1}@{start_s!r}"
    return f"e{number + 1}@{(_EPOCH + timedelta(seconds=start_s)).isoformat()}"


def event_start_s(name: str) -> float:
    """Returns the start of an event in seconds, as `event_name` was given it.

    >>> event_start_s("e1@12.5"), event_start_s("e2@2017-07-14T02:40:00+00:00")
    (12.5, 1500000000.0)

    Raises:
        ValueError: The name has no start.
    """
    start = name.partition("@")[2]
    try:
        return float(start)
    except ValueError:
        pass
    try:
        return (datetime.fromisoformat(start) - _EPOCH).total_seconds()
    except (ValueError, TypeError):
        raise ValueError(
            f"The column `event` holds {name!r}, but an event is named by its number and start, "
            "such as e1@12.5 or e1@2026-10-18T02:40:00+00:00."
        ) from None


def telling_columns(columns: Collection[str]) -> tuple[str, ...]:
    """Returns the columns of windows that give away their label or their place in time.

    What errors have in common, or what separates the classes, must not be sought in them. Tables
    that are not windows of streams have none, whatever their columns are called.

    Args:
        columns: All columns of the table.
    """
    own = (WINDOW, EVENT, WINDOW_START, WINDOW_END)
    is_of_windows = {WINDOW, STRETCH, WINDOW_START, WINDOW_END} <= set(columns)
    return tuple(name for name in own if name in columns) if is_of_windows else ()
