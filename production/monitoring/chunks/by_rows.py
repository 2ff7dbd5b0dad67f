"""Chunks of a number of rows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from production.monitoring.chunks.building import count_failures, each_row_once
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.position import Placed, Position, RowKey
from production.monitoring.chunks.reading import Recorded, Stretch, joined, row_key, times_of

_STRETCH = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def chunks_by_rows(
    recorded: Recorded, position: Position, num_rows: int, until: datetime
) -> Iterator[Placed]:
    """Yields the chunks of a number of rows that are full.

    The rest of a version's rows is a chunk as soon as another version has answered a full chunk
    after it.

    Args:
        recorded: The recorded requests.
        position: Where to go on.
        num_rows: Rows of a chunk.
        until: Time before which all servers have written what they answered.
    """
    waiting = _Waiting(position, num_rows)
    since = recorded.first_time(position.since)
    while since is not None and since < until:
        end = min(_EPOCH + ((since - _EPOCH) // _STRETCH + 1) * _STRETCH, until)
        waiting.add(recorded.read(since, end))
        yield from waiting.full(end)
        since = recorded.first_time(end)


class _Waiting:
    """Rows that are in no chunk yet."""

    def __init__(self, position: Position, num_rows: int) -> None:
        self._position, self._num_rows = position, num_rows
        self._rows: dict[int, pa.Table] = {}
        self._failures: list[pa.Table] = []

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
        while True:
            full = {v: rows for v, rows in self._rows.items() if rows.num_rows >= self._num_rows}
            if not full:
                return
            last = {v: rows["time"][self._num_rows - 1].as_py() for v, rows in full.items()}
            version = min(full, key=lambda one: (last[one], one))
            first = full[version]["time"][0].as_py()
            for other in self._ended(version, first, last[version]):
                yield self._take(other, _num_before(self._rows[other], first), end)
            yield self._take(version, self._num_rows, end)

    def _ended(self, version: int, first: datetime, last: datetime) -> list[int]:
        """Other versions whose rows up to `last` are all before `first`."""
        return sorted(
            other
            for other, rows in self._rows.items()
            if other != version
            and 0 < _num_before(rows, first) == _num_before(rows, last + _MICROSECOND)
        )

    def _take(self, version: int, num_rows: int, end: datetime) -> Placed:
        rows = self._rows[version].slice(0, num_rows)
        rest = self._rows.pop(version).slice(num_rows)
        if rest.num_rows:
            self._rows[version] = rest
        last = row_key(rows, num_rows - 1)
        chunk = self._chunk(version, rows, last)
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
        )
        return Placed(chunk=chunk, behind=self._position)

    def _due(self, failures: pa.Table, chunk: Chunk) -> pa.Table:
        """The failures that a later chunk counts.

        Those before the chunk, of a version without a row since, are not among them: that version
        no longer answers, and every look would read from its failures on.
        """
        answering = pa.array(sorted(self._rows), failures["version"].type)
        is_answering = pc.is_in(failures["version"], answering)
        return failures.filter(pc.or_(_is_from(failures, chunk.since), is_answering))

    def _chunk(self, version: int, rows: pa.Table, last: RowKey) -> Chunk:
        failures = pa.concat_tables(self._failures)
        is_before = pc.less_equal(failures["time"], pa.scalar(last.time, failures["time"].type))
        is_own = pc.fill_null(pc.equal(failures["version"], version), True)
        is_taken = pc.and_(is_before, is_own)
        self._failures = [failures.filter(pc.invert(is_taken))]
        chunk = Chunk(
            number=self._position.next_number,
            since=rows["time"][0].as_py(),
            until=last.time + _MICROSECOND,
            version=version,
            records=rows,
            num_failed=count_failures(failures.filter(is_taken), version, with_unknown=True),
        )
        return each_row_once(chunk)


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
    micros = (time - _EPOCH) // _MICROSECOND
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
