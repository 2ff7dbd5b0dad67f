"""Rows and failures of one version."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from production.monitoring.chunks.chunk import Chunk
from serving.recording.columns import RECORD_SCHEMA

NO_ROWS = RECORD_SCHEMA.empty_table()
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def count_failures(failures: pa.Table, version: int, *, with_unknown: bool) -> int:
    """Returns how many requests to a version failed.

    Args:
        failures: `time` and `version`.
        version: The version.
        with_unknown: Whether those without a version count.
    """
    is_own = pc.fill_null(pc.equal(failures["version"], version), with_unknown)
    return int(pc.sum(is_own).as_py() or 0)


def each_row_once(chunk: Chunk, before: pa.Table) -> Chunk:
    """Returns a chunk with the first record of each request and row.

    Args:
        chunk: The chunk.
        before: Request ids and rows of the version's chunk before, which do not count again.
    """
    rows = chunk.records
    both = pa.concat_tables([before, rows.select(before.column_names)])
    first = first_places(both)
    places = first[first >= before.num_rows] - before.num_rows
    if len(places) == rows.num_rows:
        return chunk
    num_repeated = rows.num_rows - len(places)
    return replace(chunk, records=rows.take(pa.array(places)), num_repeated=num_repeated)


def first_places(keys: pa.Table) -> NDArray[np.int64]:
    """Returns the places of the rows that repeat no earlier request id and row, ascending.

    Args:
        keys: `request_id` and `row`.
    """
    ids = keys["request_id"].combine_chunks().dictionary_encode()
    if len(ids.dictionary) == keys.num_rows:
        return np.arange(keys.num_rows)
    codes = ids.indices.to_numpy().astype(np.int64) << 32
    codes |= keys["row"].combine_chunks().to_numpy().astype(np.int64)
    return np.sort(np.unique(codes, return_index=True)[1])
