"""Labels that arrive after the answers: kept with their time, corrections included.

Each delivery is one Parquet file in `collected/NAME/labels/`. Files are only added; of several
labels of one row, the latest counts.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.reading.columns import Column
from pipeline.reading.files.pieces import RawBatch
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.typing_rows import type_batch
from production.collection.damage import damage_named
from production.collection.records import read_records

KEYS = ("request_id", "row")
# Prefix of the columns of the training data that requests lack and labels bring.
_BROUGHT = "data."
# Words that have an evident opposite; a single letter has none, as training reads it as a text.
_OPPOSITES = (("1", "0"), ("yes", "no"), ("ja", "nein"))
SET_VALUES = "List all values of the label in label.values of the config."
# Columns of every label; brought columns may follow.
LABEL_SCHEMA = pa.schema(
    [
        ("request_id", pa.string()),
        ("row", pa.int32()),
        ("is_row_known", pa.bool_()),
        ("label", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("source", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Added:
    """What a delivery of labels changed.

    Attributes:
        num_new: Rows that had no label.
        num_corrected: Rows whose label, or one of the columns with it, is another now, or whose
            number in the request was named for the first time.
        num_unchanged: Rows that had the same label already; nothing was written for them.
    """

    num_new: int
    num_corrected: int
    num_unchanged: int


def make_labels(
    request_ids: Sequence[str], labels: Sequence[str], rows: Sequence[int] | None = None
) -> pa.Table:
    """Returns labels as `add_labels` takes them.

    Args:
        request_ids: Ids of the requests.
        labels: Labels in the config's words.
        rows: Rows in the requests, from 0; None where nobody said, which means the only row.
    """
    return pa.table(
        {
            "request_id": pa.array(request_ids, pa.string()),
            "row": pa.array([0] * len(request_ids) if rows is None else rows, pa.int32()),
            "is_row_known": pa.array([rows is not None] * len(request_ids), pa.bool_()),
            "label": pa.array(labels, pa.string()),
        }
    )


def brought_column(name: str) -> str:
    """Returns how a column of the training data is named among labels."""
    return _BROUGHT + name


def brought_columns(labels: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Returns the columns that labels bring, by their names in the training data."""
    names = [name for name in labels.column_names if name.startswith(_BROUGHT)]
    return {name.removeprefix(_BROUGHT): labels[name] for name in names}


def add_labels(
    collected: Path, labels: pa.Table, *, source: str, now: datetime | None = None
) -> Added:
    """Keeps labels; those that are known already are not written again.

    Args:
        collected: The folder `collected/NAME`.
        labels: Labels as of `make_labels`, at most one of a row, perhaps with brought columns.
        source: Where they come from, such as the name of a file.
        now: The time that is kept with them; by default the present.
    """
    with _locked(collected):
        before = latest_labels(collected)
        change = _changes(labels, before)
        written = labels.filter(pa.array(change != _UNCHANGED))
        if written.num_rows:
            _write(collected, written, source, _time_after(before, now or datetime.now(UTC)))
    counts = [int((change == kind).sum()) for kind in (_NEW, _CORRECTED, _UNCHANGED)]
    return Added(num_new=counts[0], num_corrected=counts[1], num_unchanged=counts[2])


def latest_labels(collected: Path, *, until: datetime | None = None) -> pa.Table:
    """Returns the latest label of each row: `LABEL_SCHEMA` and the brought columns of all labels.

    Args:
        collected: The folder `collected/NAME`.
        until: Time of the last labels that count; by default all do.

    Raises:
        InputError: A file of labels is damaged.
    """
    history = label_history(collected)
    if until is not None:
        history = history.filter(pc.less_equal(history["time"], pa.scalar(until)))
    if not history.num_rows:
        return history
    others = [name for name in history.column_names if name not in KEYS]
    # Per column the last one that is not missing: a correction may leave out brought columns.
    grouped = history.group_by(list(KEYS), use_threads=False)
    latest = grouped.aggregate([(name, "last") for name in others])
    return latest.rename_columns([*KEYS, *others])


def label_history(collected: Path) -> pa.Table:
    """Returns all labels that ever came, in the order of their time.

    Args:
        collected: The folder `collected/NAME`.

    Raises:
        InputError: A file of labels is damaged.
    """
    paths = sorted((collected / "labels").glob("*.parquet"))
    # Not read_table, which takes `key=value` in the names of folders for columns.
    tables = [LABEL_SCHEMA.empty_table(), *map(read_delivery, paths)]
    history = pa.concat_tables(tables, promote_options="default")
    return history.sort_by("time")


def read_delivery(path: Path, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns the labels of one delivery.

    Args:
        path: Its file.
        columns: Columns to return, by default all.

    Raises:
        InputError: The file is damaged.
        FileNotFoundError: It was removed.
    """
    with damage_named(path, "labels"), pq.ParquetFile(path) as file:
        return file.read(columns=columns)


@contextmanager
def _locked(collected: Path) -> Iterator[None]:
    folder = collected / "labels"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield


_UNCHANGED, _CORRECTED, _NEW = 0, 1, 2


def _changes(labels: pa.Table, before: pa.Table) -> NDArray[np.int8]:
    """int8 [labels]: `_NEW`, `_CORRECTED` or `_UNCHANGED`."""
    places = {key: place for place, key in enumerate(row_keys(before))}
    at = np.array([places.get(key, -1) for key in row_keys(labels)], np.int64)
    change = np.where(at < 0, _NEW, _UNCHANGED).astype(np.int8)
    old = before.take(pa.array(np.maximum(at, 0), mask=at < 0))
    for name in labels.column_names:
        if name in (*KEYS, "is_row_known"):
            continue
        values = labels[name]
        if name in old.column_names:
            equal = pc.fill_null(pc.equal(values, old[name]), False)
        else:
            equal = pa.array(np.zeros(len(values), bool))
        differs = ~np.asarray(equal) & np.asarray(pc.is_valid(values))
        change[differs & (at >= 0)] = _CORRECTED
    is_named = np.asarray(pc.and_not(labels["is_row_known"], old["is_row_known"]).fill_null(False))
    change[is_named & (at >= 0)] = _CORRECTED
    return change


def row_keys(table: pa.Table) -> list[tuple[str, int]]:
    """Returns request id and row of each row of a table."""
    return list(zip(table["request_id"].to_pylist(), table["row"].to_pylist(), strict=True))


def _time_after(before: pa.Table, now: datetime) -> datetime:
    """Returns `now`, or the first moment after all earlier labels if a clock was set back."""
    latest = pc.max(before["time"]).as_py() if before.num_rows else None
    return now if latest is None else max(now, latest + timedelta(microseconds=1))


def _write(collected: Path, labels: pa.Table, source: str, now: datetime) -> None:
    others = [name for name in labels.column_names if name not in LABEL_SCHEMA.names]
    num_rows = labels.num_rows
    times = pa.array([now] * num_rows, LABEL_SCHEMA.field("time").type)
    sources = pa.array([source] * num_rows, pa.string())
    stamped = labels.append_column("time", times).append_column("source", sources)
    write_private(
        stamped.select([*LABEL_SCHEMA.names, *others]),
        collected / "labels" / f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.parquet",
    )


def write_private(table: pa.Table, path: Path) -> None:
    """Writes a Parquet file that only its owner may read; it appears at once and whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    incoming = path.with_name(f".{path.name}.incoming")
    with os.fdopen(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        pq.write_table(table, file)
        file.flush()
        os.fsync(file.fileno())
    incoming.rename(path)


def with_label_values(spec: IngestSpec) -> IngestSpec:
    """Returns settings that refuse labels without a known meaning.

    Without `label.values`, the values are the positive one and its evident opposite: runs record
    whether a row is positive, not the value it had. With `label.negative` any other value means a
    fault, as it does in training.

    Args:
        spec: The ingestion settings of the use case.
    """
    if spec.label_values or spec.negative:
        return spec
    pairs = [pair for pair in _OPPOSITES if spec.positive.lower() in pair]
    others = [word for pair in pairs for word in pair if word != spec.positive.lower()]
    return replace(spec, label_values=(spec.positive, *others))


def are_positive(labels: pa.Array, spec: IngestSpec) -> NDArray[np.bool_]:
    """Tells which labels are positive, as training reads them.

    Args:
        labels: Labels that `add_labels` has kept, none missing.
        spec: The ingestion settings of the use case.

    Raises:
        InputError: The config has changed since, and a label means nothing by it.
    """
    batch = pa.RecordBatch.from_arrays([labels], names=[spec.label])
    raw = RawBatch(batch=batch, rows=np.arange(1, len(labels) + 1))
    columns = (Column(name=spec.label, type="label"),)
    typed = type_batch(raw, columns, spec, path="labels")
    if typed.unlabelled.num_rows:
        raise InputError(
            "A label that was kept earlier does not fit the config: data.missing_values counts it "
            "as missing. Remove its text from data.missing_values."
        )
    if typed.bad_rows:
        raise InputError(
            f"A label that was kept earlier does not fit the config: {typed.bad_rows[0].reason}. "
            f"{SET_VALUES}"
        )
    return np.asarray(typed.batch[spec.label]).astype(bool)


def recorded_rows(collected: Path, request_ids: pa.Array) -> dict[str, set[int]]:
    """Returns the recorded rows of those of some requests that were recorded.

    Args:
        collected: The folder `collected/NAME`.
        request_ids: The ids.
    """
    rows: dict[str, set[int]] = {}
    for batch in read_records(collected, columns=KEYS):
        known = batch.filter(pc.is_in(batch["request_id"], request_ids))
        for request_id, row in row_keys(known):
            rows.setdefault(request_id, set()).add(row)
    return rows
