"""Recording troubles of examples that are too large to be all in memory."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from common.example_files import read_batches
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
    parts = [find_troubles(table, recorded, usual) for table in _tables(files, recorded)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _tables(files: Sequence[str], names: Mapping[str, Recorded]) -> Iterator[pa.Table]:
    columns = [schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in names]
    schema = schema_pb2.Schema(feature=columns).SerializeToString()
    for batch in read_batches(*files, schema=schema):
        yield pa.Table.from_batches([batch])


def either_trouble(one: Mapping[str, Flags], other: Mapping[str, Flags]) -> dict[str, Flags]:
    """Returns which examples have a trouble by either of two results, by trouble."""
    joined = dict(one)
    for trouble, flags in other.items():
        joined[trouble] = joined[trouble] | flags if trouble in joined else flags
    return joined
