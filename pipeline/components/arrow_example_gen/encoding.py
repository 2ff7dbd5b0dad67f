"""Encoding typed Arrow batches as tf.Examples and writing them as gzip TFRecord."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from pipeline.components.arrow_example_gen import values

_GZIP_LEVEL = 1  # a third of the time of the default level, files a fifth larger


def encode_batch(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yields each row as a serialised tf.Example, the same bytes for the same row every time.

    A missing value is a feature of its type without values; a column that is empty over the whole
    data is a feature without a type. TFX's CsvExampleGen does the same.

    Args:
        batch: Typed columns, see `columns.ARROW_TYPES`.
    """
    lists = pa.RecordBatch.from_arrays(
        [_as_lists(column) for column in batch.columns], names=batch.schema.names
    )
    for serialized in RecordBatchToExamplesEncoder().encode(lists):
        # The encoder writes the features of an example in an order that varies.
        yield tf.train.Example.FromString(serialized).SerializeToString(deterministic=True)


def _as_lists(column: pa.Array) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.large_list(pa.int64()))
    if pa.types.is_large_list(column.type):
        lengths = np.asarray(column.value_lengths().fill_null(0), np.int64)
        return values.lists_of(column.flatten(), lengths)
    return values.lists_of(column.drop_null(), np.asarray(column.is_valid()).astype(np.int64))


class SplitWriters:
    """One TFRecord file a split, for one piece of the data; appears whole or not at all.

    Attributes:
        paths: The files.
    """

    def __init__(self, folders: Sequence[str], *, piece: int, num_pieces: int) -> None:
        name = f"data_tfrecord-{piece:05d}-of-{num_pieces:05d}.gz"
        self.paths = [f"{folder}/{name}" for folder in folders]
        # Hidden from readers of `Split-*/*` until it is complete, and from a second attempt.
        self._drafts = [f"{folder}/.{name}.draft" for folder in folders]
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=_GZIP_LEVEL)
        for folder in folders:
            tf.io.gfile.makedirs(folder)
        self._writers = [tf.io.TFRecordWriter(draft, options) for draft in self._drafts]

    def write(self, split: int, batch: pa.RecordBatch) -> None:
        """Appends the rows of a batch to a split."""
        write = self._writers[split].write
        for example in encode_batch(batch):
            write(example)

    def close(self) -> None:
        """Completes the files."""
        for writer, draft, path in zip(self._writers, self._drafts, self.paths, strict=True):
            writer.close()
            tf.io.gfile.rename(draft, path, overwrite=True)
