"""Writers of typed Arrow batches as tf.Examples in gzip TFRecords."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf

from common.example_files import COMPRESSION, UNLABELLED, split_folder
from pipeline.components.arrow_example_gen.example_encoding import encode_batch

_GZIP_LEVEL = 1  # a third of the time of the default level, files a fifth larger


class SplitWriters:
    """One TFRecord file per split for one piece of the data; files appear complete or not at all.

    Attributes:
        paths: The files.
    """

    def __init__(self, folders: Sequence[str], *, piece: int, num_pieces: int) -> None:
        name = f"data_tfrecord-{piece:05d}-of-{num_pieces:05d}.gz"
        self.paths = [f"{folder}/{name}" for folder in folders]
        # Hidden from readers of `Split-*/*` until it is complete, and from a second attempt.
        self._drafts = [f"{folder}/.{name}.draft" for folder in folders]
        options = tf.io.TFRecordOptions(compression_type=COMPRESSION, compression_level=_GZIP_LEVEL)
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


class UnlabelledWriter:
    """A TFRecord file of one piece's rows without a label; no file if all rows have one."""

    def __init__(self, uri: str, *, piece: int, num_pieces: int) -> None:
        """Makes a writer.

        Args:
            uri: Folder of the artifact.
            piece: Number of the piece.
            num_pieces: Number of pieces, for the file's name.
        """
        self._folder = split_folder(uri, UNLABELLED)
        self._piece, self._num_pieces = piece, num_pieces
        self._writers: SplitWriters | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Appends the rows that have a value; an empty line of a table shows nothing."""
        has_value = np.zeros(batch.num_rows, bool)
        for column in batch.columns:
            has_value |= np.asarray(column.is_valid())
        batch = batch.filter(pa.array(has_value))
        if batch.num_rows and self._writers is None:
            self._writers = SplitWriters(
                [self._folder], piece=self._piece, num_pieces=self._num_pieces
            )
        if self._writers is not None:
            self._writers.write(0, batch)

    def close(self) -> None:
        """Completes the file."""
        if self._writers is not None:
            self._writers.close()
