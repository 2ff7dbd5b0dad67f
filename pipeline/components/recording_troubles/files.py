"""Files in columns of examples."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from common.example_files import BATCH_ROWS, read_batches


def file_contents(table: pa.Table | pa.RecordBatch, column: str) -> Iterator[bytes]:
    """Yields the content of each row's file, empty where it is missing.

    Args:
        table: Columns of lists, as tfx_bsl decodes them.
        column: The column with the files.
    """
    if column not in table.schema.names or pa.types.is_null(table.schema.field(column).type):
        yield from [b""] * table.num_rows
        return
    for value in table.column(column):
        yield bytes(value.values[0].as_py()) if value.is_valid and len(value.values) else b""


def read_file_columns(
    files: Sequence[str], columns: Iterable[str], *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """Yields only the columns with files, in batches that fit in memory.

    Args:
        files: Gzip TFRecords of tf.Examples.
        columns: The columns with files.
        batch_rows: Largest number of rows of a batch.
    """
    features = [schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in columns]
    schema = schema_pb2.Schema(feature=features).SerializeToString()
    return read_batches(*files, schema=schema, batch_rows=batch_rows)
