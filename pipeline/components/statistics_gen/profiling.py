"""Accumulators of profiles: parts of the rows give the profile of all."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tfx_bsl import sketches

from pipeline.components.statistics_gen.profiles import (
    LEVEL,
    QUANTILE_ERROR,
    SPREAD,
    VALUE,
    ColumnProfile,
    DataProfile,
    row_moments,
)

_NUM_QUANTILES = 256
_MAX_CATEGORIES = 1_000


class ProfileAccumulator:
    """The profile of the rows so far; parts can be merged and pickled."""

    def __init__(self) -> None:
        self._num_rows = 0
        self._columns: dict[str, _Column] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds tf.Examples as lists; an empty or absent list is a missing value."""
        self._num_rows += batch.num_rows
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            kind = column.type
            if pa.types.is_list(kind) or pa.types.is_large_list(kind):
                self._columns.setdefault(name, _Column()).add(column)

    def merge(self, other: "ProfileAccumulator") -> None:
        """Adds the rows of another accumulator."""
        self._num_rows += other._num_rows
        for name, column in other._columns.items():
            self._columns.setdefault(name, _Column()).merge(column)

    def profile(self) -> DataProfile:
        """Returns the profile."""
        return DataProfile(
            num_rows=self._num_rows,
            columns={name: c.profile(self._num_rows) for name, c in sorted(self._columns.items())},
        )


class _Column:
    def __init__(self) -> None:
        self._num_present = 0
        self._sketches: dict[str, sketches.QuantilesSketch] = {}
        self._counts: Counter[str] | None = Counter()

    def add(self, column: pa.Array) -> None:
        lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
        self._num_present += int((lengths > 0).sum())
        flat = column.flatten()
        if pa.types.is_null(flat.type) or not len(flat):
            return
        if pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type):
            self._add_numbers(np.asarray(flat, np.float64), lengths)
        if not pa.types.is_floating(flat.type):
            self._count(flat)

    def _add_numbers(self, flat: NDArray[np.float64], lengths: NDArray[np.int64]) -> None:
        if lengths.max() <= 1:
            self._add_values(VALUE, flat)
            return
        means, deviations = row_moments(flat, lengths)
        self._add_values(LEVEL, means)
        self._add_values(SPREAD, deviations)

    def _add_values(self, measure: str, numbers: NDArray[np.float64]) -> None:
        if measure not in self._sketches:
            self._sketches[measure] = sketches.QuantilesSketch(
                eps=QUANTILE_ERROR, max_num_elements=1 << 32, num_streams=1
            )
        self._sketches[measure].AddValues(pa.array(numbers[np.isfinite(numbers)]))

    def _count(self, flat: pa.Array) -> None:
        if self._counts is None:
            return
        for item in flat.value_counts().to_pylist():
            value = item["values"]
            text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            self._counts[text] += item["counts"]
        if len(self._counts) > _MAX_CATEGORIES:
            self._counts = None

    def merge(self, other: "_Column") -> None:
        self._num_present += other._num_present
        for measure, sketch in other._sketches.items():
            if measure in self._sketches:
                self._sketches[measure].Merge(sketch)
            else:
                self._sketches[measure] = sketch
        if self._counts is None or other._counts is None:
            self._counts = None
        else:
            self._counts += other._counts
            if len(self._counts) > _MAX_CATEGORIES:
                self._counts = None

    def profile(self, num_rows: int) -> ColumnProfile:
        numbers = {name: _quantiles(sketch) for name, sketch in self._sketches.items()}
        return ColumnProfile(
            num_missing=num_rows - self._num_present,
            numbers={name: values for name, values in numbers.items() if values},
            counts=dict(sorted((self._counts or {}).items())),
        )


def _quantiles(sketch: sketches.QuantilesSketch) -> tuple[float, ...]:
    values = sketch.GetQuantiles(_NUM_QUANTILES).flatten().to_pylist()
    return tuple(value for value in values if value is not None and math.isfinite(value))


class ProfileCombineFn(beam.CombineFn):  # type: ignore[misc]
    """Combines record batches into a `DataProfile`."""

    def create_accumulator(self) -> ProfileAccumulator:
        """Returns the profile of no rows."""
        return ProfileAccumulator()

    def add_input(self, accumulator: ProfileAccumulator, batch: pa.RecordBatch) -> Any:
        """Returns the accumulator with a batch added."""
        accumulator.add(batch)
        return accumulator

    def merge_accumulators(self, parts: Iterable[ProfileAccumulator]) -> ProfileAccumulator:
        """Returns the accumulators of several parts as one."""
        merged = ProfileAccumulator()
        for part in parts:
            merged.merge(part)
        return merged

    def extract_output(self, accumulator: ProfileAccumulator) -> DataProfile:
        """Returns the profile."""
        return accumulator.profile()
