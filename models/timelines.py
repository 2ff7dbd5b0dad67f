"""The windows of streams, read from examples."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.example_files import read_examples
from measuring.events.names import EVENT, STRETCH, WINDOW
from measuring.events.timeline import Timeline, merge_timelines

# Two numbers as Python writes them.
_LIMITS = r"^[-+.e0-9]+/[-+.e0-9]+$"
_HASH_BYTES = 8


def timeline_of(batch: pa.RecordBatch) -> Timeline | None:
    """Returns where the windows of a batch are; None if its examples are not windows of streams.

    They are if they have `stretch`, `event`, and `window` with limits as the assembly of recordings
    writes them. Other tables may have columns of these names.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
    """
    if not {WINDOW, EVENT, STRETCH} <= set(batch.schema.names):
        return None
    windows, events, streams = (_texts(batch, name) for name in (WINDOW, EVENT, STRETCH))
    if not pc.all(pc.match_substring_regex(windows, _LIMITS)).as_py():
        return None
    limits = pc.list_flatten(pc.split_pattern(windows, "/")).cast(pa.float64())
    starts, ends = np.asarray(limits).reshape(-1, 2).T
    return Timeline(
        streams=_numbers(streams),
        starts_s=starts,
        ends_s=ends,
        events=np.array(events.to_pylist(), object),
    )


def read_timeline(*files: str) -> Timeline | None:
    """Returns where the windows of examples are, in order; None if they are not windows.

    Args:
        files: Gzip TFRecords, in order.
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


def _numbers(texts: pa.Array) -> NDArray[np.uint64]:
    """A number for each text that is equal for equal texts, in whatever batch."""
    encoded = texts.dictionary_encode()
    numbers = [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_HASH_BYTES).digest())
        for text in encoded.dictionary.to_pylist()
    ]
    return np.array(numbers, np.uint64)[np.asarray(encoded.indices, np.int64)]


def _texts(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The first value of each row as text; empty where there is none."""
    column = batch.column(batch.schema.get_field_index(name))
    if pa.types.is_null(column.type):
        return pa.array([""] * batch.num_rows, pa.string())
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    places = pa.array(np.cumsum(lengths) - lengths, mask=lengths == 0)
    values = column.flatten().take(places).cast(pa.string())
    return values.fill_null("")
