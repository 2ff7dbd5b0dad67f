"""Rows and failures of one version."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from production.monitoring.chunks.chunk import Chunk


def count_failures(failures: pa.Table, version: int, *, with_unknown: bool) -> int:
    """Returns how many requests to a version failed.

    Args:
        failures: `time` and `version`.
        version: The version.
        with_unknown: Whether those without a version count.
    """
    is_own = pc.fill_null(pc.equal(failures["version"], version), with_unknown)
    return int(pc.sum(is_own).as_py() or 0)


def each_row_once(chunk: Chunk) -> Chunk:
    """Returns a chunk with the first record of each request and row."""
    rows = chunk.records
    ids = rows["request_id"].combine_chunks().dictionary_encode()
    if len(ids.dictionary) == rows.num_rows:
        return chunk
    keys = ids.indices.to_numpy().astype(np.int64) << 32
    keys |= rows["row"].combine_chunks().to_numpy().astype(np.int64)
    first = np.unique(keys, return_index=True)[1]
    if len(first) == len(keys):
        return chunk
    once = rows.take(pa.array(np.sort(first)))
    return replace(chunk, records=once, num_repeated=len(keys) - len(first))
