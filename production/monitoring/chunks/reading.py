"""Reading of a stretch of time from all files of records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.output_folder import is_held
from production.collection.labels import KEYS
from production.collection.records import (
    OK,
    RecordFile,
    Selection,
    drawn,
    read_file,
    record_files,
)
from production.monitoring.chunks.position import RowKey, Window
from serving.recording.columns import RECORD_SCHEMA

_HOUR = timedelta(hours=1)
_KEYS_SCHEMA = pa.schema([RECORD_SCHEMA.field(name) for name in KEYS])
_FAILURE = ("time", "version")
_FAILURE_SCHEMA = pa.schema([RECORD_SCHEMA.field(name) for name in _FAILURE])
# Type of a column whose types differ between files: no kind of feature can be read from it.
_MIXED = pa.struct([])


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What clients got in a stretch of time.

    Attributes:
        rows: Version to its rows with an answer, in order of time; versions in the order of their
            first rows.
        failures: `time` and `version` of the requests with an error; the version may be null.
    """

    rows: dict[int, pa.Table]
    failures: pa.Table


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The recorded requests to a model.

    Attributes:
        collected: The folder `collected/NAME`.
        share: Share of the requests that are recorded. Below 1, rows outside of the sample are left
            out: they are recorded for their positive decision alone.
    """

    collected: Path
    share: float = 1.0

    def read(self, since: datetime, until: datetime) -> Stretch:
        """Reads a stretch of time.

        Args:
            since: Its beginning.
            until: Its end, which does not belong to it.
        """
        rows: dict[int, list[pa.Table]] = {}
        failures: list[pa.RecordBatch] = []
        for batch in self._answered(since, until, columns=None):
            is_ok = pc.equal(batch["status"], OK)
            answers = batch.filter(is_ok)
            for version, part in _by_version(drawn(answers, self.share)):
                rows.setdefault(version, []).append(part)
            failures.append(batch.filter(pc.invert(is_ok)).select(_FAILURE))
        ordered = {version: _ordered(joined(parts)) for version, parts in rows.items()}
        return Stretch(
            rows=dict(sorted(ordered.items(), key=lambda one: row_key(one[1], 0))),
            failures=pa.Table.from_batches(failures, _FAILURE_SCHEMA),
        )

    def count_late(self, windows: Sequence[Window]) -> tuple[int, tuple[Window, ...]]:
        """Returns how many rows came after their windows were counted, and the windows as now."""
        if not windows:
            return 0, ()
        counts = np.zeros(len(windows), int)
        since, until = min(one.since for one in windows), max(one.until for one in windows)
        for batch in self._keys(since, until):
            for place, one in enumerate(windows):
                counts[place] += _selection(one).filter(batch).num_rows
        now = tuple(
            one._replace(num_rows=max(one.num_rows, int(count)))
            for one, count in zip(windows, counts, strict=True)
        )
        num_late = sum(one.num_rows for one in now) - sum(one.num_rows for one in windows)
        return num_late, now

    def keys_in(self, window: Window | None, version: int) -> pa.Table:
        """Returns `KEYS` of the rows of a version in a window; without one, of no row."""
        tables = [_KEYS_SCHEMA.empty_table()]
        if window is not None:
            selection = _selection(window._replace(version=version))
            tables += [
                pa.Table.from_batches([selection.filter(batch).select(KEYS)])
                for batch in self._keys(window.since, window.until)
            ]
        return pa.concat_tables(tables)

    def _keys(self, since: datetime, until: datetime) -> Iterator[pa.RecordBatch]:
        columns = [*KEYS, "time", "version", "answered", "status"]
        for batch in self._answered(since, until, columns=columns):
            yield drawn(batch.filter(pc.equal(batch["status"], OK)), self.share)

    def first_time(self, since: datetime | None) -> datetime | None:
        """Returns the time of the first request with an answer or an error, or None without one.

        Args:
            since: Earliest time.
        """
        first: datetime | None = None
        for file in record_files(self.collected, since=since):
            # The file of an hour may begin with the last records of the one before.
            if first is not None and file.hour is not None and file.hour > first + _HOUR:
                continue
            for batch in read_file(file, columns=["time", "answered"]):
                rows = Selection(since=since).filter(batch)
                earliest = pc.min(rows.filter(rows["answered"])["time"]).as_py()
                if earliest is not None:
                    first = earliest if first is None else min(first, earliest)
        return first

    def is_being_written(self, until: datetime) -> bool:
        """Returns whether a server still holds the file of an hour that ended before a time.

        It closes the file some seconds after the hour; until then it may add rows.
        """
        return any(
            file.hour is None and _stream_hour(file) + _HOUR <= until and is_held(file.path)
            for file in record_files(self.collected, since=until)
        )

    def _answered(
        self, since: datetime, until: datetime, *, columns: Sequence[str] | None
    ) -> Iterator[pa.RecordBatch]:
        selection = Selection(since=since, until=until)
        for file in record_files(self.collected, since=since):
            # The file of an hour may begin with the last records of the one before.
            if file.hour is not None and file.hour > until + _HOUR:
                continue
            for batch in read_file(file, columns=columns):
                within = selection.filter(batch)
                if within.num_rows:
                    yield within.filter(within["answered"])


def _stream_hour(file: RecordFile) -> datetime:
    """The hour in the name of a stream, `ARM-VERSION-HOUR-ID`; the far future without one."""
    for part in file.stem.split("-"):
        try:
            return datetime.strptime(part, "%Y%m%dT%H").replace(tzinfo=UTC)
        except ValueError:
            continue
    return datetime.max.replace(tzinfo=UTC) - _HOUR


def _selection(window: Window) -> Selection:
    versions = None if window.version is None else [window.version]
    return Selection(since=window.since, until=window.until, versions=versions)


def _by_version(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.Table]]:
    for version in batch["version"].drop_null().unique().to_pylist():
        yield version, pa.Table.from_batches([batch.filter(pc.equal(batch["version"], version))])


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Returns rows of several files as a table.

    A column whose types differ between them, such as one that was hashed for a while, has no values
    and a type that no feature can be read from.

    Args:
        tables: The rows, in the columns of a record and those of features; at least one table.
    """
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    mixed = [name for name in names if not _can_be_joined(tables, name)]
    if mixed:
        tables = [_without_values(table, mixed) for table in tables]
    return pa.concat_tables(tables, promote_options="permissive")


def _can_be_joined(tables: Sequence[pa.Table], name: str) -> bool:
    columns = [table.select([name]) for table in tables if name in table.column_names]
    kinds = {column.schema.field(0).type for column in columns}
    if len(kinds - {pa.null()}) < 2:
        return True
    try:
        pa.concat_tables(columns, promote_options="permissive")
    except pa.ArrowException:
        return False
    return True


def _without_values(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, pa.nulls(table.num_rows, _MIXED))
    return table


def _ordered(table: pa.Table) -> pa.Table:
    """The rows by time; rows of one moment by request and row, whatever file they are in."""
    times = times_of(table)
    rises = np.diff(times)
    if (rises > 0).all():
        return table
    order = np.arange(table.num_rows)
    if (rises < 0).any():
        order = np.argsort(times, kind="stable")
        times = times[order]
    order = _ties_ordered(table, order, times)
    return table.take(pa.array(order))


def _ties_ordered(
    table: pa.Table, order: NDArray[np.int64], times: NDArray[np.int64]
) -> NDArray[np.int64]:
    same = np.diff(times) == 0
    places = np.flatnonzero(np.concatenate([same, [False]]) | np.concatenate([[False], same]))
    if not len(places):
        return order
    ties = table.select(["time", "request_id", "row"]).take(pa.array(order[places]))
    ranks = pc.sort_indices(ties, [(name, "ascending") for name in ties.column_names])
    order = order.copy()
    order[places] = order[places[ranks.to_numpy()]]
    return order


def row_key(rows: pa.Table, place: int) -> RowKey:
    """Returns the place of a row in the order of rows."""
    return RowKey(*(rows[name][place].as_py() for name in RowKey._fields))


def times_of(table: pa.Table) -> NDArray[np.int64]:
    """Returns the times of rows in microseconds since 1970, int64 `[n]`."""
    return np.asarray(table["time"].cast(pa.int64()).to_numpy(), np.int64)
