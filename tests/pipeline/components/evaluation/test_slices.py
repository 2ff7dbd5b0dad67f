"""Rows of a batch by slice."""

import pyarrow as pa
import pytest

from pipeline.components.evaluation.slices import OVERALL, rows_by_slice
from pipeline.errors import InputError

BATCH = pa.record_batch(
    {
        "sector": pa.array([[b"S12"], [b"S23"], None, [b"S12"]], pa.list_(pa.binary())),
        "hour": pa.array([[7], [], [7], [9]], pa.list_(pa.int64())),
        "voltage": pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32())),
        "empty": pa.nulls(4),
    }
)


def slices_of(*columns: str):
    return {key: rows.tolist() for key, rows in rows_by_slice(BATCH, columns)}


def test_no_columns_mean_all_rows():
    assert slices_of() == {OVERALL: [0, 1, 2, 3]}


def test_a_row_without_a_value_is_in_no_slice():
    assert slices_of("sector") == {(("sector", "S12"),): [0, 3], (("sector", "S23"),): [1]}
    assert slices_of("hour") == {(("hour", 7),): [0, 2], (("hour", 9),): [3]}


def test_several_columns_slice_by_their_combinations():
    assert slices_of("hour", "sector") == {
        (("hour", 7), ("sector", "S12")): [0],
        (("hour", 9), ("sector", "S12")): [3],
    }


@pytest.mark.parametrize("column", ["empty", "no_such_column"])
def test_a_column_without_values_has_no_slices(column):
    assert slices_of(column) == {}


def test_a_signal_is_no_slice():
    with pytest.raises(InputError, match="`voltage`, which has up to 2 values a row"):
        slices_of("voltage")
