"""Recording troubles of examples that are too large to be all in memory."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from pipeline.components.recording_troubles.files import read_file_columns
from pipeline.components.recording_troubles.finding import (
    Flags,
    Recorded,
    find_troubles,
    measure_levels,
    usual_levels,
)


def find_file_troubles(files: Sequence[str], recorded: Mapping[str, Recorded]) -> dict[str, Flags]:
    """Returns which examples have a recording trouble, by trouble, `[n]`; in two passes.

    Args:
        files: Gzip TFRecords of tf.Examples.
        recorded: Sounds and pictures by column.
    """
    if not recorded:
        return {}
    levels = [measure_levels(table, recorded) for table in _tables(files, recorded)]
    usual = usual_levels(levels, recorded)
    parts = [
        find_troubles(table, recorded, usual, levels=of_table)
        for table, of_table in zip(_tables(files, recorded), levels, strict=True)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _tables(files: Sequence[str], names: Mapping[str, Recorded]) -> Iterator[pa.Table]:
    for batch in read_file_columns(files, names):
        yield pa.Table.from_batches([batch])


def either_trouble(one: Mapping[str, Flags], other: Mapping[str, Flags]) -> dict[str, Flags]:
    """Returns which examples have a trouble by either of two results, by trouble."""
    joined = dict(one)
    for trouble, flags in other.items():
        joined[trouble] = joined[trouble] | flags if trouble in joined else flags
    return joined
