"""Chunks of some hours."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from production.monitoring.chunks.building import EPOCH, NO_ROWS, count_failures, each_row_once
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.position import Placed, Position, Window
from production.monitoring.chunks.reading import Recorded, Stretch

# Servers write at least once a second, and close the file of an hour 5 s after it.
GRACE = timedelta(seconds=10)
# A server that hangs holds its file for ever: its rows are late after this.
_LONGEST_WAIT = timedelta(minutes=5)
_MICROSECOND = timedelta(microseconds=1)


def chunks_by_time(
    recorded: Recorded, position: Position, length: timedelta, now: Callable[[], datetime]
) -> Iterator[Placed]:
    """Yields the finished chunks of a length; a length without requests has none.

    Args:
        recorded: The recorded requests.
        position: Where to go on.
        length: Length of a chunk; chunks start at multiples of it since 1970.
        now: The clock.
    """
    num_late: int | None = None
    while True:
        if position.since is not None and now() < end_of(position.since, length) + GRACE:
            return  # without a look at the files
        window = _next_window(recorded, position, length)
        if window is None or not _is_over(recorded, window[1], now()):
            return
        stretch = recorded.read(*window)
        if num_late is None:  # once a look: none comes late within it
            num_late, windows = recorded.count_late(position.windows)
            position = replace(position, windows=windows)
        for placed in _of_stretch(stretch, position, *window):
            chunk = replace(placed.chunk, num_late=num_late)
            earlier = recorded.keys_in(position.last_window(), chunk.version)
            position, num_late = placed.behind, 0
            yield Placed(chunk=each_row_once(chunk, earlier), behind=position)
        if position.since != window[1]:  # failures alone, of an unknown version
            position = replace(position, since=window[1], done=())


def _next_window(
    recorded: Recorded, position: Position, length: timedelta
) -> tuple[datetime, datetime] | None:
    """Beginning and end of the next chunk; None if there is no request that no chunk has.

    After a change of the length, or from a number of rows, the first chunk is shorter.
    """
    taken = [position.since] if position.since is not None else []
    taken += [key.time + _MICROSECOND for key in position.last.values()]
    since = max(taken, default=None)
    first = since if position.done else recorded.first_time(since)
    if first is None:
        return None
    end = end_of(first, length)
    return max([end - length, *taken]), end


def end_of(time: datetime, length: timedelta) -> datetime:
    """Returns the end of the chunk that a time is in.

    Args:
        time: The time.
        length: Length of a chunk; chunks start at multiples of it since 1970.
    """
    return EPOCH + ((time - EPOCH) // length + 1) * length


def _is_over(recorded: Recorded, until: datetime, now: datetime) -> bool:
    if now < until + GRACE:
        return False
    return now >= until + _LONGEST_WAIT or not recorded.is_being_written(until)


def _of_stretch(
    stretch: Stretch, position: Position, since: datetime, until: datetime
) -> Iterator[Placed]:
    versions = [v for v in _versions(stretch, position.version) if v not in position.done]
    before = position.last_window()
    num_rows = sum(rows.num_rows for rows in stretch.rows.values())
    # Late rows may be of a time without requests, too.
    window = Window(before.until if before else since, until, num_rows)
    for place, version in enumerate(versions):
        is_last = place == len(versions) - 1
        chunk = Chunk(
            number=position.next_number,
            since=since,
            until=until,
            version=version,
            records=stretch.rows.get(version, NO_ROWS),
            num_failed=count_failures(stretch.failures, version, with_unknown=is_last),
        )
        position = Position(
            next_number=position.next_number + 1,
            since=until if is_last else since,
            version=version,
            done=() if is_last else (*position.done, version),
            windows=position.windows,
        )
        if is_last:
            position = position.with_window(window)
        yield Placed(chunk=chunk, behind=position)


def _versions(stretch: Stretch, last: int | None) -> list[int]:
    """The versions with rows or failures, in the order of their first ones."""
    versions = [*stretch.rows]
    versions += stretch.failures["version"].unique().to_pylist()
    answering = list(dict.fromkeys(version for version in versions if version is not None))
    if answering or not stretch.failures.num_rows or last is None:
        return answering
    return [last]
