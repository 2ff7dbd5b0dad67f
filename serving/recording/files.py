"""Files of records: live streams, the Parquet files that they become, and the bound on their size.

A live file is locked (flock) by the process that writes it. The kernel ends the lock with the
process, so that a live file without a lock is a leftover.
"""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from serving.runtime.tf_records import whole_records

logger = logging.getLogger(__name__)

LIVE, REQUESTS, LOGS = "live", "requests", "prediction_logs"
ARROWS, PARQUET, TFRECORD = ".arrows", ".parquet", ".tfrecord"
# A file with this suffix is not complete yet.
INCOMING = ".incoming"
# Requests may be confidential: their owner may allow others to read them.
_PRIVATE = 0o600

Buffer = Any  # bytes, or pyarrow's buffer, for which there are no types


class AppendFile:
    """A growing file that is readable after each append, and locked while it is open.

    Attributes:
        path: The file.
        num_bytes: Its size.
    """

    def __init__(self, path: Path, head: Buffer) -> None:
        """Creates the file with its first bytes.

        Raises:
            OSError: The folder cannot be written.
        """
        self.path = path
        self.num_bytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        incoming = path.with_name(path.name + INCOMING)
        self._descriptor = os.open(incoming, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self.append(head)
            incoming.rename(path)
        except BaseException:
            self.close()
            incoming.unlink(missing_ok=True)
            raise

    def append(self, content: Buffer) -> None:
        """Appends bytes and brings them to the disk; all of them, or none.

        Raises:
            OSError: The disk is full or failed.
        """
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(self._descriptor, left) :]
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.num_bytes)
            os.lseek(self._descriptor, self.num_bytes, os.SEEK_SET)
            raise
        self.num_bytes += memoryview(content).nbytes

    def close(self) -> None:
        """Closes the file and ends its lock."""
        os.close(self._descriptor)


class LiveStream:
    """An Arrow IPC stream in progress, of one schema and hour."""

    def __init__(self, folder: Path, stem: str, schema: pa.Schema) -> None:
        """Opens the stream.

        Args:
            folder: Folder of the model.
            stem: Name of the file without its suffix.
            schema: The columns of its records.

        Raises:
            OSError: The folder cannot be written.
        """
        self._folder = folder
        self._file = AppendFile(folder / LIVE / (stem + ARROWS), schema.serialize())

    @property
    def num_bytes(self) -> int:
        """Size of the stream."""
        return self._file.num_bytes

    def append(self, batch: pa.RecordBatch) -> None:
        """Appends a record batch.

        Raises:
            OSError: It cannot be written; the stream is as before.
        """
        self._file.append(batch.serialize())

    def close(self) -> None:
        """Turns the stream into a Parquet file.

        Raises:
            OSError: The Parquet file cannot be written; the stream is left over.
        """
        try:
            _store(self._folder, self._file.path)
        finally:
            self._file.close()


def whole_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yields the record batches of a stream up to the last complete one."""
    with pa.memory_map(str(path)) as source:
        try:
            reader = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            return
        while True:
            try:
                batch = reader.read_next_batch()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield batch


def _store(folder: Path, live: Path) -> None:
    """Writes a live file's records as Parquet, to the hour of the first one, and removes it."""
    batches = whole_batches(live)
    first = next(batches, None)
    if first is not None:
        hour = hour_of(first["time"][0].cast(pa.int64()).as_py())
        target = hour_folder(folder / REQUESTS, hour) / (live.stem + PARQUET)
        with (
            _arriving(target) as incoming,
            pq.ParquetWriter(incoming, first.schema, compression="zstd") as writer,
        ):
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
    live.unlink()


@contextlib.contextmanager
def _arriving(target: Path) -> Iterator[Path]:
    """Yields a path to write; the file appears under its name once it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = target.with_name(target.name + INCOMING)
    try:
        yield incoming
        incoming.chmod(_PRIVATE)
        with incoming.open("rb") as written:
            os.fsync(written.fileno())
        incoming.rename(target)
    except BaseException:
        incoming.unlink(missing_ok=True)
        raise


def hour_of(time_us: int) -> datetime:
    """Returns the hour of a time in microseconds since 1970."""
    return datetime.fromtimestamp(time_us // 3_600_000_000 * 3_600, UTC)


def hour_folder(root: Path, hour: datetime) -> Path:
    """Returns the folder of the closed files of an hour."""
    return root / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"


def recover(folder: Path) -> int:
    """Closes the live files of a model that a process left over when it ended.

    A file that cannot be closed is logged, and keeps no other one from being closed.

    Args:
        folder: Folder of the model.

    Returns:
        The number of closed files.
    """
    count = 0
    for path in sorted((folder / LIVE).glob("*")):
        try:
            count += _recover_file(folder, path)
        except Exception as error:  # noqa: BLE001 - a file may be damaged in any way
            logger.warning("Left-over records in %s were not closed: %s", path, error)
    if count:
        logger.info("Closed %d left-over files of records in %s", count, folder)
    return count


def _recover_file(folder: Path, path: Path) -> bool:
    """Closes a live file if it is left over; returns whether it was."""
    with _locked(path) as is_left:
        if is_left:
            if path.suffix == ARROWS:
                _store(folder, path)
            elif path.suffix == TFRECORD:
                os.truncate(path, whole_records(path))
                store_log(folder, path)
            else:
                path.unlink()
    return is_left


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Locks a file for the context; yields False if a process writes it or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        # Another process may have stored it between the opening and the lock.
        yield path.exists()
    finally:
        os.close(descriptor)


def store_log(folder: Path, live: Path) -> None:
    """Moves a live TFRecord file to the closed files of the hour of its last record."""
    hour = hour_of(live.stat().st_mtime_ns // 1_000)
    target = hour_folder(folder / LOGS, hour) / live.name
    target.parent.mkdir(parents=True, exist_ok=True)
    live.rename(target)


class _Stored(NamedTuple):
    """A closed file; sorted by hour, then by time of its last change."""

    hour: str
    changed_ns: int
    num_bytes: int
    path: Path


def _closed_files(folder: Path) -> list[_Stored]:
    files = []
    for root in (REQUESTS, LOGS):
        for path in (folder / root).glob("date=*/hour=*/*"):
            with contextlib.suppress(FileNotFoundError):  # another server has deleted it
                status = path.stat()
                hour = f"{path.parent.parent.name}/{path.parent.name}"
                files.append(_Stored(hour, status.st_mtime_ns, status.st_size, path))
    return sorted(files)


def trim(folder: Path, max_bytes: float) -> int:
    """Deletes the oldest closed files of a model until all of its files fit.

    Args:
        folder: Folder of the model.
        max_bytes: Size of its live and closed files.

    Returns:
        The number of deleted files.
    """
    files = _closed_files(folder)
    num_bytes = sum(file.num_bytes for file in files) + _live_bytes(folder)
    count = 0
    while num_bytes > max_bytes and count < len(files):
        _delete(files[count].path)
        num_bytes -= files[count].num_bytes
        count += 1
    return count


def delete_oldest(folder: Path) -> bool:
    """Deletes the oldest closed file of a model; returns whether there was one."""
    files = _closed_files(folder)
    if files:
        _delete(files[0].path)
    return bool(files)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    for parent in (path.parent, path.parent.parent):
        with contextlib.suppress(OSError):  # not empty
            parent.rmdir()


def _live_bytes(folder: Path) -> int:
    num_bytes = 0
    for path in (folder / LIVE).glob("*"):
        with contextlib.suppress(FileNotFoundError):
            num_bytes += path.stat().st_size
    return num_bytes
