"""Properties of raw recordings that tell their label: how files were made, not what they hold."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from measuring.giveaways import Value, find_giveaways
from pipeline.reading.ingest_spec import canonical_label
from pipeline.reading.recordings.media.properties import picture_properties, sound_properties
from pipeline.recording_options import RATE, Media, Recordings

_READERS = {"audio": sound_properties, "image": picture_properties}
_LENGTH, _RATE = "number of samples", "sampling rate in Hz"


def giveaway_warnings(
    files: Sequence[str], recordings: Recordings, label: str, positive: str | None
) -> Iterator[str]:
    """Yields what properties of recordings tell the label, in words.

    Args:
        files: Parquet files of the assembled table.
        recordings: How it was assembled.
        label: The label's column.
        positive: Its positive value.
    """
    if recordings.window is not None or positive is None:
        return
    properties: dict[str, list[Value]] = {}
    labels: list[str | None] = []
    for file in files:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=256):
            labels += batch.column(label).to_pylist()
            for name, own in _properties(batch, recordings).items():
                properties.setdefault(name, []).extend(own)
    wanted = canonical_label(positive)
    is_known = np.array([text is not None for text in labels], bool)
    flags = np.array([text is not None and canonical_label(text) == wanted for text in labels])
    known = {
        name: [value for value, known in zip(own, is_known, strict=True) if known]
        for name, own in properties.items()
    }
    for name, words in find_giveaways(known, flags[is_known]).items():
        yield (
            f"the {name} tells the label: {words}. A model may learn how files were made "
            "instead of the fault. Make them alike in both classes, unless the fault itself "
            f"changes the {name}"
        )


def _properties(batch: pa.RecordBatch, recordings: Recordings) -> Mapping[str, Sequence[Value]]:
    if recordings.media == "table":
        return _table_properties(batch)
    return _file_properties(batch.column(recordings.bytes_column), recordings.media)


def _table_properties(batch: pa.RecordBatch) -> dict[str, list[Value]]:
    lists = [field.name for field in batch.schema if pa.types.is_list(field.type)]
    found: dict[str, list[Value]] = {}
    if lists:
        found[_LENGTH] = pc.list_value_length(batch.column(lists[0])).cast(pa.float64()).to_pylist()
    if RATE in batch.schema.names:
        found[_RATE] = batch.column(RATE).to_pylist()
    return found


def _file_properties(column: pa.Array, media: Media) -> dict[str, list[Value]]:
    own = [_READERS[media](content.as_py() or b"") for content in column]
    names = dict.fromkeys(name for one in own for name in one)
    return {name: [one.get(name) for one in own] for name in names}
