"""The files of an Examples artifact: gzip TFRecords of tf.Examples in `Split-NAME/`.

TFX's other artifacts by split, statistics and anomalies, use the same folders. TensorFlow is
imported when a function first needs it.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

COMPRESSION = "GZIP"
# In each example of a split by blocks: a hash of its block, int64. Examples of one block are not
# independent. It is no column of the data: only readers that ask for it see it.
BLOCK_COLUMN = "faultline_block"
BATCH_ROWS = 4_096
# A batch above the one size is cut to the other, which leaves wide tables as they are.
_LARGE_BATCH_BYTES, _BATCH_BYTES = 2**27, 2**25
_PROBED_ROWS = 16
# Rows without a label are beside the splits, in a folder of this name, and in no split.
UNLABELLED = "unlabelled"

# Serialised tf.Examples, object `[n]`.
Serialised: TypeAlias = NDArray[np.object_]


def group_column(strategy: str | None, column: str | None) -> str | None:
    """Returns the column by which a split's examples depend on each other: its group or block.

    Args:
        strategy: The strategy of the split.
        column: The column of the split.
    """
    return {"group": column, "blocks": BLOCK_COLUMN}.get(strategy or "")


def split_folder(uri: str, split: str) -> str:
    """Returns the folder of a split in an artifact.

    >>> split_folder("artifacts/examples/7", "test")
    'artifacts/examples/7/Split-test'
    """
    return f"{uri}/Split-{split}"


def split_files(uri: str, split: str) -> list[str]:
    """Returns the files of a split in the order in which they are read; none without the folder.

    Hidden files are drafts of a writer that has not ended.
    """
    from tfx.dsl.io import fileio

    files = fileio.glob(f"{split_folder(uri, split)}/*")
    return sorted(file for file in files if not PurePosixPath(file).name.startswith("."))


def example_dataset(*files: str, batch_rows: int = BATCH_ROWS) -> Any:
    """Returns a `tf.data.Dataset` of serialised tf.Examples, string `[up to batch_rows]`.

    Args:
        files: Gzip TFRecords, in order.
        batch_rows: Rows of a batch; the last one may have fewer.
    """
    import tensorflow as tf

    return tf.data.TFRecordDataset(list(files), compression_type=COMPRESSION).batch(batch_rows)


def read_serialised(*files: str, batch_rows: int = BATCH_ROWS) -> Iterator[Serialised]:
    """Yields serialised tf.Examples in batches; arguments as for `example_dataset`.

    Where examples hold files, a batch has fewer rows, so that it fits in memory with what is made
    of it.
    """
    rows = _fitting_rows(files, batch_rows)
    yield from example_dataset(*files, batch_rows=rows).as_numpy_iterator()


def _fitting_rows(files: Sequence[str], batch_rows: int) -> int:
    """Rows of a batch, by the mean size of the first examples."""
    if batch_rows <= _PROBED_ROWS or not files:
        return batch_rows
    probed = example_dataset(files[0], batch_rows=_PROBED_ROWS).take(1).as_numpy_iterator()
    sizes = [len(example) for example in next(probed, ())]
    num_bytes = sum(sizes) / max(1, len(sizes))
    if num_bytes * batch_rows <= _LARGE_BATCH_BYTES:
        return batch_rows
    return max(_PROBED_ROWS, int(_BATCH_BYTES // num_bytes))


def read_examples(
    *files: str,
    schema: bytes | None = None,
    batch_rows: int = BATCH_ROWS,
    with_block: bool = False,
) -> Iterator[tuple[Serialised, pa.RecordBatch]]:
    """Yields serialised tf.Examples, and the same decoded as a record batch of lists.

    Args:
        files: Gzip TFRecords, in order.
        schema: A serialised `Schema` that names the columns and their types; None for all columns,
            with the types of each batch.
        batch_rows: Most rows of a batch; see `read_serialised`.
        with_block: Whether to read `BLOCK_COLUMN`, where the examples have it.
    """
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder(schema)
    for serialised in read_serialised(*files, batch_rows=batch_rows):
        batch = decoder.DecodeBatch(serialised)
        if not with_block and BLOCK_COLUMN in batch.schema.names:
            batch = batch.select([name for name in batch.schema.names if name != BLOCK_COLUMN])
        yield serialised, batch


def read_groups(*files: str, column: str) -> NDArray[np.int64]:
    """Returns a number for each example, int64 `[n]`, that is equal for equal values of a column.

    Examples without a value form one group, because they may depend on each other.

    Args:
        files: Gzip TFRecords, in order.
        column: A column with at most one value a row, or `BLOCK_COLUMN`.
    """
    numbers: dict[Any, int] = {}
    codes = [
        numbers.setdefault(values[0] if values else None, len(numbers))
        for _, batch in read_examples(*files, with_block=True)
        for values in batch.column(column).to_pylist()
    ]
    return np.array(codes, np.int64)


def read_batches(
    *files: str, schema: bytes | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yields tf.Examples as record batches of lists; arguments as for `read_examples`."""
    for _, batch in read_examples(*files, schema=schema, batch_rows=batch_rows):
        yield batch
