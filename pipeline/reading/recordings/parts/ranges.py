"""Ranges of a long table: each is read once, its rows sorted by recording, and kept in a file.

The rows of a recording may be in several ranges. A block of recordings later takes its rows from
the files of all ranges that have some, so that the memory needed does not grow with the table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.reading.files.pieces import BadRow, Piece
from pipeline.reading.files.sources import read_piece
from pipeline.reading.quarantine import locate
from pipeline.reading.recordings.labelling import SampleLabels, read_sample_labels
from pipeline.reading.recordings.parts.job import Job, Slice
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.columns import Columns, Fault, join_columns, read_columns
from pipeline.reading.recordings.raw.groups import sorted_by_id

# Names of columns of the file; a channel and a text have a letter before their own name.
_TIME = "time"
_CHANNEL, _TEXT = "c:", "t:"
_FAULTS = b"faults"
# Where a recording's rows have labels of their own, until they are sorted: a channel of 0 and 1.
_LABELS = ""


@dataclass(frozen=True, kw_only=True)
class RangeFacts:
    """What is known of a range once it was read.

    Attributes:
        path: The table's file.
        file: The file of the range; empty if it has no row of a recording.
        num_rows: Its rows.
        ids: The recordings, in the order of their first rows.
        counts: Rows of each of them.
        num_without_id: Rows that are of no recording.
        bad_rows: Rows that cannot be divided into fields.
        has_times: Whether the column of times is there.
        has_dates: Whether times count from 1970; None if there is no time.
        num_unlabelled: Rows of recordings without a label.
        first_unlabelled: Number of the first of them in `path`.
        unknown_label: Number of the first row whose label is unknown, and the label.
    """

    path: str
    file: str = ""
    num_rows: int = 0
    ids: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    num_without_id: int = 0
    bad_rows: tuple[BadRow, ...] = ()
    has_times: bool = False
    has_dates: bool | None = None
    num_unlabelled: int = 0
    first_unlabelled: int = 0
    unknown_label: tuple[int, str] | None = None


def read_range(job: Job, folder: Path, numbered: tuple[int, Piece]) -> RangeFacts:
    """Reads a range of a long table and keeps its rows in a file.

    Args:
        job: How tables are read.
        folder: A folder that all workers share.
        numbered: The range, and its number among all.

    Raises:
        InputError: The file cannot be read.
    """
    number, piece = numbered
    parts: list[Columns] = []
    numbers: list[NDArray[np.int64]] = []
    bad_rows: list[BadRow] = []
    num_rows = 0
    for raw in read_piece(piece):  # one batch of texts at a time: they take most memory
        parts.append(read_columns(raw.batch, job.roles, job.data).shifted(num_rows))
        numbers.append(raw.rows)
        bad_rows += raw.bad_rows
        num_rows += raw.batch.num_rows
    rows = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
    bad = tuple(locate(piece, bad_rows))
    facts = RangeFacts(path=piece.path, num_rows=len(rows), bad_rows=bad)
    if not len(rows):
        return facts
    try:
        columns = join_columns(parts)
    except UnusableError as error:
        raise InputError(f"{piece.path}: {error}.") from error
    parts.clear()
    return _keep(columns, rows, job, facts, folder / f"range-{number:06d}.arrow")


def _keep(
    columns: Columns, rows: NDArray[np.int64], job: Job, facts: RangeFacts, file: Path
) -> RangeFacts:
    id_column = job.options.id_column or ""
    if id_column not in columns.texts:
        return replace(facts, num_without_id=columns.num_rows)
    if job.has_sample_labels and job.label is not None:
        text = columns.texts.get(job.label.column)
        if text is None:
            raise InputError(
                f"{facts.path}: it has no column `{job.label.column}` with the label of each "
                "sample, which other files have."
            )
        labels = read_sample_labels(text, job.label, job.data)
        facts = _with_label_problems(facts, labels, columns.texts[id_column], rows)
        texts = {name: own for name, own in columns.texts.items() if name != job.label.column}
        flags = labels.positive.astype(np.float32)
        columns = replace(columns, texts=texts, channels={**columns.channels, _LABELS: flags})
    columns, starts, ids, num_without = sorted_by_id(columns, id_column)
    has_time = columns.times_s is not None and bool(np.isfinite(columns.times_s).any())
    facts = replace(
        facts,
        ids=tuple(ids),
        counts=tuple(np.diff(np.append(starts, columns.num_rows)).tolist()),
        num_without_id=num_without,
        has_times=columns.times_s is not None,
        has_dates=columns.has_dates if has_time else None,
    )
    if not ids:
        return facts
    _write(columns, file)
    return replace(facts, file=file.name)


def _with_label_problems(
    facts: RangeFacts, labels: SampleLabels, ids: pa.DictionaryArray, rows: NDArray[np.int64]
) -> RangeFacts:
    has_id = np.asarray(ids.is_valid())
    missing = np.flatnonzero(labels.is_missing & has_id)
    unknown = np.flatnonzero(labels.is_unknown & has_id)
    return replace(
        facts,
        num_unlabelled=missing.size,
        first_unlabelled=int(rows[missing[0]]) if missing.size else 0,
        unknown_label=(int(rows[unknown[0]]), labels.text_of(unknown[0])) if unknown.size else None,
    )


def _write(columns: Columns, file: Path) -> None:
    arrays = {_CHANNEL + name: pa.array(values) for name, values in columns.channels.items()}
    arrays |= {_TEXT + name: text for name, text in columns.texts.items()}
    if columns.times_s is not None:
        arrays[_TIME] = pa.array(columns.times_s)
    batch = pa.RecordBatch.from_pydict(arrays)
    faults = json.dumps([list(fault) for fault in columns.faults]).encode()
    batch = batch.replace_schema_metadata({_FAULTS: faults})
    incoming = file.with_name(f".{file.name}-{uuid4().hex}")
    with pa.OSFile(str(incoming), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    incoming.replace(file)


def slices_of(
    ranges: Sequence[RangeFacts], order: Mapping[str, int], bounds: Sequence[int]
) -> list[dict[str, tuple[Slice, ...]]]:
    """Returns the rows of each block of recordings in the files of the ranges.

    Args:
        ranges: All ranges, in order.
        order: The number of each recording.
        bounds: Number of the first recording of each block.
    """
    blocks: list[dict[str, tuple[Slice, ...]]] = [{} for _ in bounds]
    for facts in ranges:
        if not facts.ids:
            continue
        numbers = np.array([order[id_] for id_ in facts.ids])
        owners = np.searchsorted(bounds, numbers, "right") - 1
        stops = np.cumsum(facts.counts)
        firsts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
        lasts = np.append(firsts[1:], len(owners)) - 1
        for first, last in zip(firsts, lasts, strict=True):
            own = blocks[int(owners[first])]
            begin = int(stops[first - 1]) if first else 0
            own[facts.file] = (*own.get(facts.file, ()), (begin, int(stops[last])))
    return blocks


def read_slices(folder: Path, slices: Mapping[str, tuple[Slice, ...]]) -> Columns:
    """Returns the rows of a block, in the order of the ranges.

    Args:
        folder: The folder of the ranges.
        slices: Places of the rows in the file of each range.
    """
    parts: list[Columns] = []
    num_rows = 0
    for file, places in slices.items():
        with pa.memory_map(str(folder / file)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
            faults = [Fault(*one) for one in json.loads(batch.schema.metadata[_FAULTS])]
            for begin, end in places:
                part = _columns(batch.slice(begin, end - begin), faults, begin)
                parts.append(part.shifted(num_rows))
                num_rows += part.num_rows
            del batch
    return join_columns(parts)


def _columns(batch: pa.RecordBatch, faults: Sequence[Fault], begin: int) -> Columns:
    own = tuple(
        fault._replace(place=fault.place - begin)
        for fault in faults
        if begin <= fault.place < begin + batch.num_rows
    )
    return Columns(
        num_rows=batch.num_rows,
        channels=_by_name(batch, _CHANNEL, np.array),
        texts=_by_name(batch, _TEXT, _copied),
        times_s=np.array(batch[_TIME]) if _TIME in batch.schema.names else None,
        faults=own,
    )


def _by_name(batch: pa.RecordBatch, prefix: str, copy: Any) -> dict[str, Any]:
    names = [name for name in batch.schema.names if name.startswith(prefix)]
    return {name.removeprefix(prefix): copy(batch[name]) for name in names}


def _copied(text: pa.DictionaryArray) -> pa.DictionaryArray:
    """Returns a text that is no longer in the file, with the values that its rows have."""
    return text.dictionary_decode().dictionary_encode()


def take_labels(columns: Columns) -> tuple[Columns, NDArray[np.bool_] | None]:
    """Returns the rows without the labels of samples, and these, bool `[rows]`."""
    if _LABELS not in columns.channels:
        return columns, None
    channels = dict(columns.channels)
    flags = channels.pop(_LABELS) > 0
    return replace(columns, channels=channels), flags
