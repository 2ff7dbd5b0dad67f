"""A sample of the train split as requests have it; the only module here that needs TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from common.example_files import read_examples
from models.inputs.stacks import MISSING_INT
from models.model_spec import ModelSpec
from production.monitoring.chunks.columns import Columns, read_columns
from production.monitoring.reference.reference import Ints
from production.monitoring.reference.stored import columns_from_table, columns_to_table
from serving.recording.columns import column_name

_LABEL, _KEY, _GROUP = "label", "key", "group"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingRows:
    """Rows of the train split, drawn at random without replacement.

    Attributes:
        num_rows: Rows of the whole split.
        num_faults: Those of them that are faults.
        columns: The drawn rows, in their order in the split.
        groups: int64 `[n]`, equal for drawn rows that are not independent; None if all are.
    """

    num_rows: int
    num_faults: int
    columns: Columns
    groups: Ints | None


def sample_training_rows(
    files: Sequence[str], spec: ModelSpec, *, most_values: int, skip: Sequence[str] = ()
) -> TrainingRows:
    """Returns a sample of a split; the same files and seed give the same rows.

    Args:
        files: Gzip TFRecords of tf.Examples, in order.
        spec: Specification of the model: features, label, groups, seed.
        most_values: Most values of the sample; its rows are this divided by the columns.
        skip: Features to leave out.
    """
    rng = np.random.default_rng(spec.seed)
    sample = _Sample(most_values)
    group = spec.folds.group
    unreadable: tuple[str, ...] = ()
    for _, batch in read_examples(*files, with_block=True):
        records = _records(batch, spec)
        columns = read_columns(records, spec.features, skip=skip)
        table = columns_to_table(columns)
        table = table.append_column(_LABEL, _first_values(batch, spec.label).cast(pa.int64()))
        if group is not None and group in batch.schema.names:
            groups = pc.fill_null(_first_values(batch, group).cast(pa.string()), "")
            table = table.append_column(_GROUP, groups)
        sample.add(table.append_column(_KEY, pa.array(rng.random(len(table)))))
        unreadable = columns.unreadable
    return sample.result(unreadable)


class _Sample:
    """The rows with the smallest random keys."""

    def __init__(self, most_values: int) -> None:
        self._most_values = most_values
        self._tables: list[pa.Table] = []
        self._num_kept = self._num_rows = self._num_faults = 0

    def add(self, table: pa.Table) -> None:
        """Adds rows with their random keys."""
        self._num_rows += table.num_rows
        self._num_faults += pc.sum(table[_LABEL]).as_py() or 0
        self._tables.append(table)
        self._num_kept += table.num_rows
        if self._num_kept > 2 * self._most_rows():
            self._thin()

    def _most_rows(self) -> int:
        num_columns: int = self._tables[0].num_columns
        return max(1, self._most_values // num_columns)

    def _thin(self) -> None:
        table = pa.concat_tables(self._tables, promote_options="permissive")
        keys = table[_KEY].to_numpy()
        if len(keys) > self._most_rows():
            limit = np.partition(keys, self._most_rows() - 1)[self._most_rows() - 1]
            table = table.filter(pa.array(keys <= limit))
        self._tables, self._num_kept = [table], table.num_rows

    def result(self, unreadable: tuple[str, ...]) -> TrainingRows:
        """Returns the drawn rows; `unreadable` are the features without a column."""
        self._thin()
        [table] = self._tables
        groups = None
        if _GROUP in table.column_names:
            codes = table[_GROUP].combine_chunks().dictionary_encode().indices
            groups = np.asarray(codes.to_numpy(), np.int64)
        return TrainingRows(
            num_rows=self._num_rows,
            num_faults=self._num_faults,
            columns=columns_from_table(table, unreadable),
            groups=groups,
        )


def _records(batch: pa.RecordBatch, spec: ModelSpec) -> pa.Table:
    """The columns as records have them."""
    names = [name for name in spec.features if name in batch.schema.names]
    columns = {
        column_name(name): batch[name]
        if spec.features[name].kind == "signal"
        else _first_values(batch, name)
        for name in names
    }
    absent = [name for name, one in spec.features.items() if name not in names]
    columns |= {
        column_name(name): pa.nulls(batch.num_rows)
        for name in absent
        if spec.features[name].kind != "crossed"
    }
    return pa.table(columns)


def _first_values(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The only value of each row, null for a row without one."""
    column = batch[name]
    if pa.types.is_null(column.type):
        return pa.nulls(batch.num_rows)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    starts = np.cumsum(lengths) - lengths
    values = column.flatten().take(pa.array(starts, mask=lengths == 0))
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return values.cast(pa.string())
    return _without_marks(values)


def _without_marks(values: pa.Array) -> pa.Array:
    """Integers without the one that stands for a missing value."""
    if not pa.types.is_int64(values.type):
        return values
    marks: NDArray[np.bool_] = np.asarray(pc.fill_null(pc.equal(values, MISSING_INT), False))
    return (
        pc.if_else(pa.array(marks), pa.scalar(None, pa.int64()), values) if marks.any() else values
    )
