"""Parquet files whose bytes the rows alone determine."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_GROUP_ROWS = 65_536
_GROUP_BYTES = 64 << 20


def write_rows(path: Path, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes batches to one Parquet file in groups of bounded size; returns the number of rows.

    Without a row, no file is written.

    Args:
        path: The file.
        batches: Batches with the same columns.
    """
    writer: pq.ParquetWriter | None = None
    held: list[pa.RecordBatch] = []
    num_rows = held_rows = held_bytes = 0
    try:
        for batch in batches:
            if writer is None:
                texts = [f.name for f in batch.schema if pa.types.is_string(f.type)]
                writer = pq.ParquetWriter(path, batch.schema, use_dictionary=texts)
            held.append(batch)
            held_rows, held_bytes = held_rows + batch.num_rows, held_bytes + batch.nbytes
            num_rows += batch.num_rows
            if held_rows >= _GROUP_ROWS or held_bytes >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_batches(held), row_group_size=held_rows)
                held, held_rows, held_bytes = [], 0, 0
        if writer is not None and held:
            writer.write_table(pa.Table.from_batches(held), row_group_size=held_rows)
    finally:
        if writer is not None:
            writer.close()
    return num_rows
