"""TFDV's statistics as one Beam combiner of record batches."""

import functools
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import statistics_pb2

from common.internals.tfdv import (
    BasicStatsGenerator,
    CombinerStatsGenerator,
    TopKUniquesSketchStatsGenerator,
    extract_statistics_output,
)

# Below this number of distinct values in a column, top values and unique counts are exact.
_SKETCH_SIZE = 16_384
_NO_UTF8, _DIGEST_BYTES = b"\xff", 8

Accumulators = list[Any]


def make_generators() -> list[CombinerStatsGenerator]:
    """Returns TFDV's default statistics in mergeable form.

    `tfdv.GenerateStatistics` counts top values in a shuffle of every single value; the sketches
    give the same result from a few kilobytes per column.
    """
    options = tfdv.StatsOptions()
    return [
        BasicStatsGenerator(
            num_values_histogram_buckets=options.num_values_histogram_buckets,
            num_histogram_buckets=options.num_histogram_buckets,
            num_quantiles_histogram_buckets=options.num_quantiles_histogram_buckets,
            epsilon=options.epsilon,
        ),
        TopKUniquesSketchStatsGenerator(
            num_top_values=options.num_top_values,
            num_rank_histogram_buckets=options.num_rank_histogram_buckets,
            frequency_threshold=options.frequency_threshold,
            num_misragries_buckets=_SKETCH_SIZE,
            num_kmv_buckets=_SKETCH_SIZE,
        ),
    ]


class StatisticsCombineFn(beam.CombineFn):  # type: ignore[misc]
    """Combines record batches into a `DatasetFeatureStatisticsList` of one data set.

    `tfdv.GenerateStatistics` uses some 250 Beam transforms per split, which cost seconds before the
    first row is read; this is one transform.
    """

    def __init__(self) -> None:
        self._generators = make_generators()

    def setup(self) -> None:
        """Prepares the generators on the worker."""
        for generator in self._generators:
            generator.setup()

    def create_accumulator(self) -> Accumulators:
        """Returns one empty accumulator for each generator."""
        return [generator.create_accumulator() for generator in self._generators]

    def add_input(self, accumulators: Accumulators, batch: pa.RecordBatch) -> Accumulators:
        """Returns the accumulators with a batch added."""
        counted = without_empty_lists(batch)
        return [
            generator.add_input(accumulator, counted)
            for generator, accumulator in zip(self._generators, accumulators, strict=True)
        ]

    def merge_accumulators(self, parts: Iterable[Accumulators]) -> Accumulators:
        """Returns the accumulators of several parts as those of one."""
        return functools.reduce(self._merge, parts)

    def _merge(self, left: Accumulators, right: Accumulators) -> Accumulators:
        return [
            generator.merge_accumulators([a, b])
            for generator, a, b in zip(self._generators, left, right, strict=True)
        ]

    def extract_output(
        self, accumulators: Accumulators
    ) -> statistics_pb2.DatasetFeatureStatisticsList:
        """Returns the statistics."""
        return extract_statistics_output(accumulators, self._generators)


def without_empty_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the batch with nulls for empty lists.

    The examples hold a missing value as a feature without values, which TFDV counts as present.
    """
    return pa.RecordBatch.from_arrays(
        [_without_empty_lists(column) for column in batch.columns], schema=batch.schema
    )


def with_digests(batch: pa.RecordBatch, media: Sequence[str]) -> pa.RecordBatch:
    """Returns the batch with a digest for each file, so that statistics compare files as wholes.

    A digest is no UTF-8, so that TFDV lists no values and infers no domain of known files.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        media: The columns that hold the bytes of files; those that the batch has are replaced.
    """
    for name in media:
        place = batch.schema.get_field_index(name)
        if place >= 0 and not pa.types.is_null(batch.column(place).type):
            batch = batch.set_column(place, name, _digests(batch.column(place)))
    return batch


def _digests(files: pa.Array) -> pa.Array:
    digests = [
        _NO_UTF8 + hashlib.blake2b(content.as_buffer() or b"", digest_size=_DIGEST_BYTES).digest()
        for content in files.flatten()
    ]
    lengths = pc.fill_null(pc.list_value_length(files), 0)
    offsets = pc.cumulative_sum(pa.concat_arrays([pa.array([0], lengths.type), lengths]))
    return pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), pa.array(digests, pa.binary()))


def _without_empty_lists(column: pa.Array) -> pa.Array:
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return column
    empty = pc.equal(pc.list_value_length(column), 0)
    return pc.if_else(empty, pa.scalar(None, kind), column) if pc.any(empty).as_py() else column
