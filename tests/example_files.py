"""Writes splits of an Examples artifact as ArrowExampleGen does, and reads them back."""

from collections.abc import Iterable
from pathlib import Path

from common.example_files import read_serialised, split_files, split_folder


def write_split(
    uri: Path, split: str, records: Iterable[bytes], *, shard: int = 0, num_shards: int = 1
) -> Path:
    """Writes serialised tf.Examples as one file of a split, and returns its path."""
    import tensorflow as tf

    folder = Path(split_folder(str(uri), split))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"data_tfrecord-{shard:05d}-of-{num_shards:05d}.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)
    return path


def read_split(uri: Path, split: str) -> list[bytes]:
    """Returns the serialised tf.Examples of a split."""
    files = split_files(str(uri), split)
    return [record for batch in read_serialised(*files) for record in batch]
