"""The windows of streams, read from examples."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.errors import InputError
from common.example_files import read_examples
from measuring.events.names import EVENT, RECORDING, STRETCH, WINDOW, WINDOW_END, WINDOW_START
from measuring.events.timeline import Timeline, merge_timelines

Floats = NDArray[np.float64]
_FIRST_BYTES = 8


def timeline_of(batch: pa.RecordBatch) -> Timeline | None:
    """Returns where the windows of a batch are; None if its examples are not windows of streams.

    They are if they have `event`, and `window` or both `window_start` and `window_end`. A stream is
    a `stretch`, or a `recording` without it, or else all examples.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.

    Raises:
        InputError: A window lacks its limits.
    """
    columns = set(batch.schema.names)
    if EVENT not in columns:
        return None
    if WINDOW in columns:
        starts, ends = _limits_in_text(batch)
    elif {WINDOW_START, WINDOW_END} <= columns:
        starts, ends = (_numbers(batch, name) for name in (WINDOW_START, WINDOW_END))
    else:
        return None
    stream = next((name for name in (STRETCH, RECORDING) if name in columns), None)
    return Timeline(
        streams=_stream_numbers(batch, stream),
        starts_s=starts,
        ends_s=ends,
        events=np.array([text or "" for text in _texts(batch, EVENT).to_pylist()], object),
    )


def read_timeline(*files: str) -> Timeline | None:
    """Returns where the windows of examples are, in order; None if they are not windows.

    Args:
        files: Gzip TFRecords, in order.

    Raises:
        InputError: A window lacks its limits.
    """
    return merge_known(timeline_of(batch) for _, batch in read_examples(*files))


def merge_known(parts: Iterable[Timeline | None]) -> Timeline | None:
    """Returns the windows of all parts; None if some of them are not windows."""
    timelines = []
    for part in parts:
        if part is None:
            return None
        timelines.append(part)
    return merge_timelines(timelines) if timelines else None


def _limits_in_text(batch: pa.RecordBatch) -> tuple[Floats, Floats]:
    texts = _texts(batch, WINDOW)
    _check_limits(batch.num_rows, texts.null_count)
    limits = pc.list_flatten(pc.split_pattern(texts, "/")).cast(pa.float64())
    pairs = np.asarray(limits).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _numbers(batch: pa.RecordBatch, name: str) -> Floats:
    values = _first(batch, name)
    _check_limits(batch.num_rows, values.null_count)
    return np.asarray(values.cast(pa.float64()), np.float64)


def _check_limits(num_rows: int, num_missing: int) -> None:
    if num_missing:
        raise InputError(
            f"{num_missing:,} of {num_rows:,} windows have no start or no end; the columns "
            f"`{WINDOW}`, or `{WINDOW_START}` and `{WINDOW_END}`, must have a value in each row."
        )


def _stream_numbers(batch: pa.RecordBatch, column: str | None) -> NDArray[np.uint64]:
    """A number for each row that is equal for equal names, in whatever batch."""
    if column is None:
        return np.zeros(batch.num_rows, np.uint64)
    encoded = _texts(batch, column).fill_null("").dictionary_encode()
    numbers = [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_FIRST_BYTES).digest())
        for text in encoded.dictionary.to_pylist()
    ]
    return np.array(numbers, np.uint64)[np.asarray(encoded.indices, np.int64)]


def _texts(batch: pa.RecordBatch, name: str) -> pa.Array:
    return _first(batch, name).cast(pa.string())


def _first(batch: pa.RecordBatch, name: str) -> Any:
    """The value of each row, null where there is none."""
    column = batch.column(batch.schema.get_field_index(name))
    if pa.types.is_null(column.type):
        return pa.nulls(batch.num_rows, pa.string())
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    places = pa.array(np.cumsum(lengths) - lengths, mask=lengths == 0)
    return column.flatten().take(places)
