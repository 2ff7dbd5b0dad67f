"""Properties of raw recordings that tell their label: how files were made, not what they hold."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from measuring.giveaways import Value, find_giveaways
from pipeline.reading.ingest_spec import canonical_label
from pipeline.reading.recordings.forms.request import Discovery
from pipeline.reading.recordings.media.properties import picture_properties, sound_properties
from pipeline.reading.recordings.raw.listing import list_raw_files, recording_names
from pipeline.recording_options import RATE, RECORDING, Media

_READERS = {"audio": sound_properties, "image": picture_properties}
_NAMES = {
    "audio": ("sampling rate", "encoding", "number of channels", "duration in s"),
    "image": ("size", "format", "mode"),
}
_LENGTH, _RATE = "number of samples", "sampling rate in Hz"


def giveaway_warnings(
    files: Sequence[str],
    discovery: Discovery,
    positive: str | None,
    negative: str | None = None,
) -> Iterator[str]:
    """Yields what properties of recordings tell the label, in words.

    Those of sounds and pictures are read from the raw files: the table holds all sounds as WAV.

    Args:
        files: Parquet files of the assembled table.
        discovery: What it was assembled from.
        positive: The positive value that a person names.
        negative: In its place the negative one.
    """
    recordings, label = discovery.recordings, discovery.label
    named = negative or positive or discovery.positive
    if recordings.window is not None or named is None:
        return
    paths = {} if recordings.media == "table" else _paths_of(discovery)
    properties: dict[str, list[Value]] = {}
    labels: list[str | None] = []
    for file in files:
        columns = [RECORDING, label] if paths else None
        for batch in pq.ParquetFile(file).iter_batches(batch_size=256, columns=columns):
            labels += batch.column(label).to_pylist()
            own_paths = [paths.get(name, "") for name in batch.column(RECORDING).to_pylist()]
            of_batch = (
                _file_properties(own_paths, recordings.media) if paths else _table_properties(batch)
            )
            for name, own in of_batch.items():
                properties.setdefault(name, []).extend(own)
    wanted = canonical_label(named)
    is_known = np.array([text is not None for text in labels], bool)
    is_named = np.array([text is not None and canonical_label(text) == wanted for text in labels])
    flags = is_named != (negative is not None)
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


def _paths_of(discovery: Discovery) -> dict[str, str]:
    """Returns the file of each recording."""
    options = discovery.recordings
    base, files = list_raw_files(discovery.path, options.media, folder=Path())
    return {name: file for file, name in recording_names(files, base).items()}


def _table_properties(batch: pa.RecordBatch) -> dict[str, list[Value]]:
    lists = [field.name for field in batch.schema if pa.types.is_list(field.type)]
    found: dict[str, list[Value]] = {}
    if lists:
        found[_LENGTH] = pc.list_value_length(batch.column(lists[0])).cast(pa.float64()).to_pylist()
    if RATE in batch.schema.names:
        found[_RATE] = batch.column(RATE).to_pylist()
    return found


def _file_properties(paths: Sequence[str], media: Media) -> dict[str, list[Value]]:
    own = [_READERS[media](path) for path in paths]
    return {name: [one.get(name) for one in own] for name in _NAMES[media]}
