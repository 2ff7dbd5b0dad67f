"""The files of one model: sampling, grouping by version and hour, closing and the bound on disk."""

import errno
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import grpc
import pyarrow as pa

from serving.errors import ServingError
from serving.inference.model_facts import MODEL_INFO, ModelFacts, parse_facts
from serving.recording.exchanges import Exchange
from serving.recording.files import LiveStream, delete_oldest, hour_of, recover, trim
from serving.recording.options import RecordingOptions, in_sample
from serving.recording.prediction_logs import PredictionLogs
from serving.recording.redaction import read_salt
from serving.recording.version_records import (
    Content,
    VersionRecords,
)
from serving.runtime.tf_records import read_file

logger = logging.getLogger(__name__)

OK, DISK, UNREADABLE, WHOLE = "OK", "disk", "unreadable", "recording"
# Its requests hold whole recordings, and a record is one row of features.
_OF_RECORDINGS = "serving_recording"
_MB = 1e6
_HOUR_NS = 3_600_000_000_000
# Requests that came in an hour may end in the next.
_LATE_NS = 5_000_000_000
_UPKEEP_S = 60.0

Counts = Counter[tuple[str, str]]


class _Group(NamedTuple):
    """What one stream holds: records of one schema and hour."""

    version: int | None
    load: int  # how often the version was loaded before, because its schema may have changed
    hour: int  # hours since 1970


@dataclass
class _Pending:
    """Batches that are not in a file yet, and the number of their requests."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    num_requests: int = 0


class ModelWriter:
    """Writes the records of one model; for one thread."""

    def __init__(
        self,
        root: Path,
        model: str,
        options: RecordingOptions,
        *,
        arm: str,
        folder_of: Callable[[str, int], str | None],
    ) -> None:
        """Creates no file yet.

        Args:
            root: Folder of all models' records.
            model: Name of the model.
            options: What is recorded.
            arm: The arm of this server.
            folder_of: Returns the folder of a version.
        """
        self._folder = root / folder_name(model)
        self._model, self._options, self._arm = model, options, arm
        self._folder_of = folder_of
        self._records: dict[int | None, tuple[int, VersionRecords]] = {}
        self._pending: dict[_Group, _Pending] = {}
        self._streams: dict[_Group, LiveStream] = {}
        self._logs = PredictionLogs(self._folder, arm) if options.prediction_log else None
        self._kept_up_s = time.monotonic()
        self._warned_s = -_UPKEEP_S
        self._salt = b""

    def add(self, exchanges: Sequence[Exchange]) -> Counts:
        """Converts exchanges to records; returns the number of those that were dropped."""
        groups: dict[tuple[_Group, Content], list[Exchange]] = {}
        counts: Counts = Counter()
        for exchange in exchanges:
            if exchange.signature_name == _OF_RECORDINGS:
                counts[self._model, WHOLE] += 1
                continue
            try:
                load, records = self._records_of(exchange)
            except OSError as error:
                counts += self._disk_failed(error, 1)
                continue
            is_drawn = in_sample(exchange.request_id, self._options.share)
            if not is_drawn and not records.is_positive(exchange):
                continue
            group = _Group(exchange.version, load, exchange.time_ns // _HOUR_NS)
            groups.setdefault((group, records.content(exchange)), []).append(exchange)
        for (group, _), some in groups.items():
            counts += self._convert(group, some)
        return counts

    def flush(self) -> Counts:
        """Appends all records to the live files, closes those that are old or full.

        Returns:
            The number of requests that were recorded and dropped.
        """
        counts: Counts = Counter()
        pending, self._pending = self._pending, {}
        for group, part in pending.items():
            counts += self._append(group, part)
        now_ns = time.time_ns()
        for group, stream in list(self._streams.items()):
            is_over = (group.hour + 1) * _HOUR_NS + _LATE_NS < now_ns
            if is_over or stream.num_bytes >= self._options.max_file_mb * _MB:
                self._close(group)
        if self._logs is not None:
            self._write_log(self._logs.flush, int(self._options.max_file_mb * _MB))
        if time.monotonic() - self._kept_up_s > _UPKEEP_S:
            self._keep_up()
        return counts

    def close(self) -> Counts:
        """Appends all records and closes all files."""
        counts = self.flush()
        for group in list(self._streams):
            self._close(group)
        if self._logs is not None:
            self._write_log(self._logs.close)
        return counts

    def _records_of(self, exchange: Exchange) -> tuple[int, VersionRecords]:
        load, records = self._records.get(exchange.version, (-1, None))
        if records is None or records.signatures is not exchange.signatures:
            if "hash" in self._options.redact.values() and not self._salt:
                self._salt = read_salt(self._folder)
            load, records = load + 1, self._make_records(exchange)
            self._records[exchange.version] = load, records
        return load, records

    def _make_records(self, exchange: Exchange) -> VersionRecords:
        facts = ModelFacts()
        if exchange.version is not None:
            folder = self._folder_of(exchange.model, exchange.version)
            facts = ModelFacts() if folder is None else read_facts(folder)
        return VersionRecords(
            exchange.signatures,
            facts,
            arm=self._arm,
            redact=self._options.redact,
            salt=self._salt,
        )

    def _convert(self, group: _Group, exchanges: Sequence[Exchange]) -> Counts:
        records = self._records[group.version][1]
        try:
            batch = records.to_batch(exchanges)
            if self._logs is not None:
                self._logs.add(exchanges)
        except Exception as error:
            if len(exchanges) > 1:  # one of them is at fault
                return sum((self._convert(group, [one]) for one in exchanges), Counter())
            logger.debug("A request was not recorded", exc_info=error)
            return Counter({(self._model, UNREADABLE): 1})
        pending = self._pending.setdefault(group, _Pending())
        pending.batches.append(batch)
        pending.num_requests += len(exchanges)
        return Counter()

    def _append(self, group: _Group, part: _Pending) -> Counts:
        table = pa.Table.from_batches(part.batches).combine_chunks()
        for is_last in (False, True):
            try:
                stream = self._streams.get(group) or self._open(group, table.schema)
                for batch in table.to_batches():
                    stream.append(batch)
            except OSError as error:
                is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
                if is_last or not is_full or not delete_oldest(self._folder):
                    return self._disk_failed(error, part.num_requests)
            else:
                break
        return Counter({(self._model, OK): part.num_requests})

    def _open(self, group: _Group, schema: pa.Schema) -> LiveStream:
        hour = hour_of(group.hour * 3_600_000_000)
        version = "none" if group.version is None else group.version
        stem = f"{self._arm}-{version}-{hour:%Y%m%dT%H}-{uuid.uuid4().hex[:12]}"
        stream = LiveStream(self._folder, stem, schema)
        self._streams[group] = stream
        return stream

    def _close(self, group: _Group) -> None:
        try:
            self._streams.pop(group).close()
        except (OSError, pa.ArrowException) as error:
            self._warn(error)  # the stream is left over; the upkeep tries again
        self._trim()

    def _write_log(self, work: Callable[..., None], *args: int) -> None:
        try:
            work(*args)
        except OSError as error:
            self._warn(error)

    def _keep_up(self) -> None:
        self._kept_up_s = time.monotonic()
        recover(self._folder)
        self._trim()

    def _trim(self) -> None:
        try:
            trim(self._folder, self._options.max_mb * _MB)
        except OSError as error:
            self._warn(error)

    def _disk_failed(self, error: OSError, num_requests: int) -> Counts:
        self._warn(error)
        return Counter({(self._model, DISK): num_requests})

    def _warn(self, error: Exception) -> None:
        if time.monotonic() - self._warned_s >= _UPKEEP_S:
            self._warned_s = time.monotonic()
            logger.warning("Records of model %s cannot be written: %s", self._model, error)


def folder_name(model: str) -> str:
    """Returns the name of a model's folder: that of the model, as far as a file can have it."""
    quoted = quote(model, safe="")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def read_facts(folder: str) -> ModelFacts:
    """Returns the facts of a version, as far as it states them.

    Args:
        folder: The version's folder, on any file system that TensorFlow supports.
    """
    try:
        return parse_facts(read_file(f"{folder}/{MODEL_INFO}"))
    except ServingError as error:
        if error.code is not grpc.StatusCode.NOT_FOUND:
            logger.warning("%s/%s cannot be read: %s", folder, MODEL_INFO, error.message)
    except ValueError as error:
        logger.warning("%s: %s", folder, error)
    return ModelFacts()
