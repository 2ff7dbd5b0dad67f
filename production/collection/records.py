"""Reads recorded requests, from closed Parquet files and from streams in progress.

A server writes records to `live/STEM.arrows`, an Arrow IPC stream. Once the stream is closed, its
records are in `requests/date=YYYY-MM-DD/hour=HH/STEM.parquet`, in the same order. A reader can
therefore go on in the Parquet file where it stopped in the stream.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from production.collection.damage import damage_named
from serving.recording.columns import RECORD_SCHEMA
from serving.recording.options import in_sample

STABLE, CANDIDATE = "stable", "candidate"
ARMS = (STABLE, CANDIDATE)
OK = "OK"

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class RecordFile:
    """A file of records.

    Attributes:
        stem: Its name without suffix, which a stream keeps when it is closed.
        path: The file.
        hour: Hour of a closed file; None for a stream in progress.
    """

    stem: str
    path: Path
    hour: datetime | None = None


def record_files(collected: Path, *, since: datetime | None = None) -> list[RecordFile]:
    """Returns the files of records, closed ones by hour, then streams in progress.

    Args:
        collected: The folder `collected/NAME`.
        since: Earliest time of a record; older closed files are left out.
    """
    # Streams first: one that is closed in between is then among the closed files as well.
    live = {path.stem: path for path in sorted((collected / "live").glob("*.arrows"))}
    closed = list(_closed_files(collected / "requests", since))
    stems = {file.stem for file in closed}
    streams = [RecordFile(stem=s, path=path) for s, path in live.items() if s not in stems]
    return [*closed, *streams]


def _closed_files(requests: Path, since: datetime | None) -> Iterator[RecordFile]:
    # The stream of an hour may hold the first records of the next, or the last of the one before.
    first = None if since is None else since.astimezone(UTC) - 2 * _HOUR
    for day in sorted(requests.glob("date=*")):
        if first is not None and day.name < f"date={first:%Y-%m-%d}":
            continue
        for folder in sorted(day.glob("hour=*")):
            hour = datetime.strptime(f"{day.name} {folder.name}", "date=%Y-%m-%d hour=%H")
            hour = hour.replace(tzinfo=UTC)
            if first is None or hour >= first:
                for path in sorted(folder.glob("*.parquet")):
                    yield RecordFile(stem=path.stem, path=path, hour=hour)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which records to read; by default all.

    Attributes:
        since: Earliest time.
        until: Time before which they are.
        arm: Arm of the server, `stable` or `candidate`.
        versions: Versions of the model.
    """

    since: datetime | None = None
    until: datetime | None = None
    arm: str | None = None
    versions: Collection[int] | None = None

    def filter(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the records of a batch that are selected."""
        batch = self._within_time(batch)
        if self.arm is not None:
            batch = batch.filter(pc.equal(batch["arm"], self.arm))
        if self.versions is not None:
            versions = pa.array(sorted(self.versions), pa.int64())
            batch = batch.filter(pc.is_in(batch["version"], versions))
        return batch

    def _within_time(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        kind = RECORD_SCHEMA.field("time").type
        if self.since is not None:
            batch = batch.filter(pc.greater_equal(batch["time"], pa.scalar(self.since, kind)))
        if self.until is not None:
            batch = batch.filter(pc.less(batch["time"], pa.scalar(self.until, kind)))
        return batch

    @property
    def columns(self) -> list[str]:
        """Columns that the selection itself reads."""
        needs = {
            "time": (self.since, self.until) != (None, None),
            "arm": self.arm is not None,
            "version": self.versions is not None,
        }
        return [name for name, is_needed in needs.items() if is_needed]


def read_records(
    collected: Path, selection: Selection | None = None, *, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Reads records in bounded batches, oldest files first; a stream up to its last whole batch.

    Args:
        collected: The folder `collected/NAME`.
        selection: Which records; by default all.
        columns: Columns to return, by default all of the file. One that a file lacks is null.
    """
    selection = selection or Selection()
    stored = None if columns is None else [*dict.fromkeys([*columns, *selection.columns])]
    for file in record_files(collected, since=selection.since):
        for batch in read_file(file, columns=stored):
            chosen = selection.filter(batch)
            if chosen.num_rows:
                yield chosen if columns is None else chosen.select(list(columns))


def read_file(
    file: RecordFile, *, columns: Sequence[str] | None = None, skip: int = 0
) -> Iterator[pa.RecordBatch]:
    """Reads one file in bounded batches; nothing if it was removed in between.

    A stream that was closed in between is read from its closed file, so that no reader misses the
    records of an hour that ends while it works.

    Args:
        file: The file.
        columns: Columns to return, by default all of the file. One that the file lacks is null.
        skip: Number of records at its beginning to leave out.

    Raises:
        InputError: The file is damaged.
    """
    try:
        batches = _parquet(file.path, columns) if file.hour else _stream(file.path)
        for batch in _without_first(batches, skip):
            yield _with_columns(batch, columns)
    except FileNotFoundError:
        if (closed := _closed_since(file)) is not None:
            yield from read_file(closed, columns=columns, skip=skip)


def _closed_since(file: RecordFile) -> RecordFile | None:
    """The closed file of what was a stream in progress; None without one."""
    if file.hour is not None:
        return None
    closed = _closed_files(file.path.parent.parent / "requests", None)
    return next((one for one in closed if one.stem == file.stem), None)


def drawn(batch: pa.RecordBatch, share: float) -> pa.RecordBatch:
    """Returns the records of the requests that are drawn: a fair sample of all.

    Args:
        batch: Records.
        share: `collection.share`, in (0, 1].
    """
    if share >= 1:
        return batch
    ids = batch["request_id"].dictionary_encode()
    is_drawn = pa.array([in_sample(one, share) for one in ids.dictionary.to_pylist()], pa.bool_())
    return batch.filter(is_drawn.take(ids.indices))


def read_file_schema(file: RecordFile) -> pa.Schema | None:
    """Returns the columns of a file; None if it was removed, or holds no whole batch yet.

    Raises:
        InputError: The file is damaged.
    """
    if file.hour:
        try:
            with damage_named(file.path, "records"):
                return pq.read_schema(file.path)
        except FileNotFoundError:
            return None
    first = next(read_file(file), None)
    return None if first is None else first.schema


def _parquet(path: Path, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    # Without `partitioning` none of the folder's keys becomes a column.
    with damage_named(path, "records"), pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        kept = None if columns is None else [name for name in columns if name in names]
        yield from file.iter_batches(columns=kept)


def _without_first(batches: Iterable[pa.RecordBatch], skip: int) -> Iterator[pa.RecordBatch]:
    """Yields batches without their first `skip` records."""
    for batch in batches:
        done, skip = min(skip, batch.num_rows), max(0, skip - batch.num_rows)
        if done < batch.num_rows:
            yield batch.slice(done)


def _stream(path: Path) -> Iterator[pa.RecordBatch]:
    yield from _whole_batches(path, _Place())


@dataclass(kw_only=True)
class _Place:
    """Where a reader is in a stream in progress: byte offset, and schema once it was read."""

    offset: int = 0
    schema: pa.Schema | None = None


def _whole_batches(path: Path, place: _Place) -> Iterator[pa.RecordBatch]:
    """Yields the whole batches behind `place`, and moves it."""
    with pa.OSFile(str(path)) as source:
        source.seek(place.offset)
        while True:
            try:
                message = pa.ipc.read_message(source)
                if place.schema is None:
                    place.schema, batch = pa.ipc.read_schema(message), None
                else:
                    batch = pa.ipc.read_record_batch(message, place.schema)
            except (EOFError, OSError, pa.ArrowInvalid):  # the writer has not finished it
                return
            place.offset = source.tell()
            if batch is not None:
                yield batch


def _with_columns(batch: pa.RecordBatch, columns: Sequence[str] | None) -> pa.RecordBatch:
    if columns is None:
        return batch
    names = batch.schema.names
    arrays = {
        name: batch[name] if name in names else pa.nulls(batch.num_rows, _type_of(name))
        for name in columns
    }
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _type_of(name: str) -> pa.DataType:
    return RECORD_SCHEMA.field(name).type if name in RECORD_SCHEMA.names else pa.null()


class RecordTail:
    """Follows the records of a folder; each call reads those that came since the one before.

    Closed files of past hours are looked at no more, so that a call costs the same after days.

    Attributes:
        positions: Number of records read of each file, by stem; what a new tail needs to go on.
    """

    def __init__(
        self,
        collected: Path,
        *,
        columns: Sequence[str],
        since: datetime,
        positions: Mapping[str, int] | None = None,
    ) -> None:
        """Starts behind the given positions.

        Args:
            collected: The folder `collected/NAME`; it may not exist yet.
            columns: Columns to read.
            since: Earliest time of a record; older files are not read.
            positions: Number of records of each file that are not wanted, by stem.
        """
        self._collected, self._columns, self._since = collected, columns, since
        self._places: dict[str, _Place] = {}
        self._finished: set[str] = set()
        self.positions: dict[str, int] = dict(positions or {})

    def read(self) -> Iterator[tuple[RecordFile, pa.RecordBatch]]:
        """Yields the new records, each with its file."""
        files = record_files(self._collected, since=self._since)
        for file in files:
            batches = self._closed(file) if file.hour else self._in_progress(file)
            for batch in batches:
                yield file, _with_columns(batch, self._columns)
        stems = {file.stem for file in files}
        self.positions = {stem: n for stem, n in self.positions.items() if stem in stems}
        self._finished &= stems
        # Every file there was has been read, and later ones are of this hour or of later ones.
        hours = [file.hour for file in files if file.hour]
        self._since = max([self._since, *(hour - _HOUR for hour in hours)])
        live = stems - self._finished
        self._places = {stem: place for stem, place in self._places.items() if stem in live}

    def _closed(self, file: RecordFile) -> Iterator[pa.RecordBatch]:
        if file.stem in self._finished:
            return
        self._finished.add(file.stem)
        done = self.positions.get(file.stem, 0)
        for batch in read_file(file, columns=self._columns, skip=done):
            self.positions[file.stem] = self.positions.get(file.stem, 0) + batch.num_rows
            yield batch

    def _in_progress(self, file: RecordFile) -> Iterator[pa.RecordBatch]:
        place = self._places.get(file.stem)
        # A stream that this tail has not opened yet is read from its beginning.
        skip = self.positions.get(file.stem, 0) if place is None else 0
        place = self._places.setdefault(file.stem, _Place())
        try:
            for batch in _without_first(_whole_batches(file.path, place), skip):
                self.positions[file.stem] = self.positions.get(file.stem, 0) + batch.num_rows
                yield batch
        except FileNotFoundError:
            return
