"""Chunks of a number of rows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from production.monitoring.chunks.building import EPOCH, NO_ROWS, count_failures, each_row_once
from production.monitoring.chunks.by_time import end_of
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.position import Placed, Position, RowKey, Window
from production.monitoring.chunks.reading import Recorded, Stretch, joined, row_key, times_of

_STRETCH = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
# What a failure has instead of a request id and a row: it comes before the rows of its moment.
_FAILURE = ("", -1)


def chunks_by_rows(
    recorded: Recorded, position: Position, num_rows: int, until: datetime
) -> Iterator[Placed]:
    """Yields the chunks of a number of rows that are full.

    As many failures fill a chunk too, with the rows before the last of them. The rest of a
    version's rows is a chunk as soon as another version has answered a full chunk after it.

    Args:
        recorded: The recorded requests.
        position: Where to go on.
        num_rows: Rows of a chunk.
        until: Time before which all servers have written what they answered.
    """
    waiting = _Waiting(recorded, position, num_rows)
    for end in waiting.read(until):
        yield from waiting.full(end)


def count_waiting(recorded: Recorded, position: Position, num_rows: int, until: datetime) -> int:
    """Returns how many rows the fullest chunk has that is not full yet.

    Args:
        recorded: The recorded requests.
        position: Behind the last full chunk.
        num_rows: Rows of a chunk.
        until: Time before which all servers have written what they answered.
    """
    waiting = _Waiting(recorded, position, num_rows)
    for _ in waiting.read(until):
        pass
    return waiting.most_rows


class _Waiting:
    """Rows that are in no chunk yet."""

    def __init__(self, recorded: Recorded, position: Position, num_rows: int) -> None:
        self._recorded, self._position, self._num_rows = recorded, position, num_rows
        self._num_late: int | None = None
        self._rows: dict[int, pa.Table] = {}
        self._failures: list[pa.Table] = []

    def read(self, until: datetime) -> Iterator[datetime]:
        """Adds the recorded requests, one stretch at a time; yields the end of each."""
        since = self._recorded.first_time(self._position.since)
        while since is not None and since < until:
            end = min(end_of(since, _STRETCH), until)
            self.add(self._recorded.read(since, end))
            yield end
            since = self._recorded.first_time(end)

    @property
    def most_rows(self) -> int:
        """Rows of the version that has most."""
        return max((rows.num_rows for rows in self._rows.values()), default=0)

    def add(self, stretch: Stretch) -> None:
        """Adds the rows of the next stretch that no chunk has."""
        for version, answered in stretch.rows.items():
            rows = _behind(answered, self._position.last.get(version))
            if rows.num_rows:
                before = [self._rows[version]] if version in self._rows else []
                self._rows[version] = joined([*before, rows])
        self._failures.append(_failures_behind(stretch.failures, self._position.last))

    def full(self, end: datetime) -> Iterator[Placed]:
        """Yields the chunks that the rows before `end` fill, in the order of their ends."""
        while full := self._full():
            version = min(full, key=lambda one: (full[one].time, one))
            rows, last = self._rows.get(version, NO_ROWS), full[version]
            if rows.num_rows:
                first = rows["time"][0].as_py()
                for other in self._ended(version, first, last.time):
                    rest = self._rows[other]
                    yield self._take(other, row_key(rest, _num_before(rest, first) - 1), end)
            yield self._take(version, last, end)

    def _full(self) -> dict[int, RowKey]:
        """Version to the last row, or failure, of its chunk that is full."""
        full = {
            version: row_key(rows, self._num_rows - 1)
            for version, rows in self._rows.items()
            if rows.num_rows >= self._num_rows
        }
        for version, time in self._full_of_failures():
            if version not in full or time < full[version].time:
                full[version] = RowKey(time, *_FAILURE)
        return full

    def _full_of_failures(self) -> Iterator[tuple[int, datetime]]:
        failures = pa.concat_tables(self._failures).sort_by("time")
        versions = failures["version"]
        if (answering := self._answering()) is not None:
            versions = pc.fill_null(versions, answering)
        for version in versions.drop_null().unique().to_pylist():
            times = failures["time"].filter(pc.equal(versions, version))
            if len(times) >= self._num_rows:
                yield version, times[self._num_rows - 1].as_py()

    def _answering(self) -> int | None:
        """The version that failures without one belong to."""
        last = {version: rows["time"][-1].as_py() for version, rows in self._rows.items()}
        return max(last, key=lambda one: (last[one], one), default=self._position.version)

    def _ended(self, version: int, first: datetime, last: datetime) -> list[int]:
        """Other versions whose rows up to `last` are all before `first`."""
        return sorted(
            other
            for other, rows in self._rows.items()
            if other != version
            and 0 < _num_before(rows, first) == _num_before(rows, last + _MICROSECOND)
        )

    def _take(self, version: int, last: RowKey, end: datetime) -> Placed:
        waiting = self._rows.pop(version, NO_ROWS)
        rest = _behind(waiting, last)
        rows = waiting.slice(0, waiting.num_rows - rest.num_rows)
        if rest.num_rows:
            self._rows[version] = rest
        num_late = self._count_late()
        chunk = self._chunk(version, rows, last, num_late)
        window = self._window(chunk, last)
        chunk = each_row_once(chunk, self._keys_before(version))
        failures = pa.concat_tables(self._failures)
        due = self._due(failures, chunk)
        first_waiting = [table["time"][0].as_py() for table in self._rows.values()]
        since = min([end, *first_waiting, *due["time"].to_pylist()])
        self._failures = [failures.filter(_is_from(failures, since))]
        self._position = replace(
            self._position,
            next_number=self._position.next_number + 1,
            since=since,
            version=version,
            last={**self._position.last, version: last},
        ).with_window(window)
        return Placed(chunk=chunk, behind=self._position)

    def _count_late(self) -> int:
        """Rows that came late, once a look: none comes late within it."""
        if self._num_late is not None:
            return 0
        self._num_late, windows = self._recorded.count_late(self._position.windows)
        self._position = replace(self._position, windows=windows)
        return self._num_late

    def _keys_before(self, version: int) -> pa.Table:
        """Request ids and rows of the version's chunk before, with its last row."""
        keys = self._recorded.keys_in(self._position.last_window(version), version)
        last = self._position.last.get(version)
        if last is None:
            return keys
        own = pa.table([[last.request_id], [last.row]], names=keys.column_names)
        return pa.concat_tables([keys, own.cast(keys.schema)])

    def _window(self, chunk: Chunk, last: RowKey) -> Window:
        """The stretch from the last row of the version's chunk before to that of this one."""
        version, until = chunk.version, last.time
        before, last_before = self._position.last_window(version), self._position.last.get(version)
        num_tied = 0
        if before is not None:
            since, num_tied = before.until, before.num_tied
        elif last_before is not None:
            since = last_before.time + _MICROSECOND
        else:
            since = chunk.since
        num_new = _num_before(chunk.records, until) - _num_before(chunk.records, since)
        return Window(
            since=since,
            until=until,
            num_rows=num_new + num_tied if since < until else 0,
            version=version,
            num_tied=chunk.records.num_rows
            - _num_before(chunk.records, until)
            + (0 if since < until else num_tied),
        )

    def _due(self, failures: pa.Table, chunk: Chunk) -> pa.Table:
        """The failures that a later chunk counts.

        Those before the chunk, of a version without a row since, are not among them: that version
        no longer answers, and every look would read from its failures on.
        """
        answering = pa.array(sorted(self._rows), failures["version"].type)
        is_answering = pc.is_in(failures["version"], answering)
        return failures.filter(pc.or_(_is_from(failures, chunk.since), is_answering))

    def _chunk(self, version: int, rows: pa.Table, last: RowKey, num_late: int) -> Chunk:
        failures = pa.concat_tables(self._failures)
        is_before = pc.less_equal(failures["time"], pa.scalar(last.time, failures["time"].type))
        is_own = pc.fill_null(pc.equal(failures["version"], version), True)
        is_taken = pc.and_(is_before, is_own)
        self._failures = [failures.filter(pc.invert(is_taken))]
        taken = failures.filter(is_taken)
        times = rows["time"] if rows.num_rows else taken["time"]
        return Chunk(
            number=self._position.next_number,
            since=pc.min(times).as_py(),
            until=last.time + _MICROSECOND,
            version=version,
            records=rows,
            num_failed=count_failures(taken, version, with_unknown=True),
            num_late=num_late,
        )


def _is_from(failures: pa.Table, time: datetime) -> pa.ChunkedArray:
    return pc.greater_equal(failures["time"], pa.scalar(time, failures["time"].type))


def _behind(rows: pa.Table, last: RowKey | None) -> pa.Table:
    """The rows behind the last one that a chunk has."""
    if last is None:
        return rows
    num_before = _num_before(rows, last.time)
    num_up_to = _num_before(rows, last.time + _MICROSECOND)
    same = [row_key(rows, place) > last for place in range(num_before, num_up_to)]
    return rows.slice(num_before + same.count(False))


def _num_before(rows: pa.Table, time: datetime) -> int:
    micros = (time - EPOCH) // _MICROSECOND
    return int(np.searchsorted(times_of(rows), micros))


def _failures_behind(failures: pa.Table, last: Mapping[int, RowKey]) -> pa.Table:
    latest = max((key.time for key in last.values()), default=None)
    ends: dict[int | None, datetime | None] = {None: latest}
    ends |= {version: key.time for version, key in last.items()}
    for version, end in ends.items():
        if end is None:
            continue
        is_own = (
            pc.is_null(failures["version"])
            if version is None
            else pc.fill_null(pc.equal(failures["version"], version), False)
        )
        is_done = pc.less_equal(failures["time"], pa.scalar(end, failures["time"].type))
        failures = failures.filter(pc.invert(pc.and_(is_own, is_done)))
    return failures
