"""Files in columns of examples."""

from collections.abc import Iterator

import pyarrow as pa


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
