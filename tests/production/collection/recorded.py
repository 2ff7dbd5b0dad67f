"""Writes records in the layout of the servers, for tests."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from serving.recording.columns import RECORD_SCHEMA

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
STABLE_VERSION, CANDIDATE_VERSION = 100, 200


def record(request_id: str, arm: str = "stable", **values: Any) -> dict[str, Any]:
    """Returns one record; by default the stable version answered the client."""
    seconds = values.pop("seconds", 0.0)
    return {
        "request_id": request_id,
        "row": 0,
        "time": NOON + timedelta(seconds=seconds),
        "model": "pump",
        "version": STABLE_VERSION if arm == "stable" else CANDIDATE_VERSION,
        "arm": arm,
        "answered": arm == "stable",
        "key": None,
        "probability": 0.25,
        "decision": 0,
        "threshold": 0.5,
        "latency_ms": 1.5,
        "status": "OK",
    } | values


def batch_of(
    records: Iterable[Mapping[str, Any]], features: Mapping[str, pa.DataType] | None = None
) -> pa.RecordBatch:
    """Returns records as a batch; a value that a record lacks is null."""
    schema = pa.schema([*RECORD_SCHEMA, *(features or {}).items()])
    return pa.RecordBatch.from_pylist(list(records), schema=schema)


class Stream:
    """A stream in progress, as a server writes it."""

    def __init__(self, collected: Path, stem: str = "stable-1", **features: pa.DataType) -> None:
        self.path = collected / "live" / f"{stem}.arrows"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._collected, self._stem, self._features = collected, stem, features
        self._batches: list[pa.RecordBatch] = []
        self._sink = pa.OSFile(str(self.path), "wb")
        self._writer = pa.ipc.new_stream(self._sink, batch_of([], features).schema)

    def write(self, *records: Mapping[str, Any]) -> None:
        batch = batch_of(records, self._features)
        self._writer.write_batch(batch)
        self._batches.append(batch)

    def close(self) -> Path:
        """Closes the stream into Parquet, as a server does."""
        self._writer.close()
        self._sink.close()
        path = write_closed(self._collected, self._batches, self._stem)
        self.path.unlink()
        return path


def write_closed(
    collected: Path, batches: list[pa.RecordBatch], stem: str = "stable-0", hour: datetime = NOON
) -> Path:
    """Writes a closed file of records."""
    folder = collected / "requests" / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.parquet"
    pq.write_table(pa.Table.from_batches(batches), path.with_suffix(".tmp"))
    return path.with_suffix(".tmp").rename(path)
