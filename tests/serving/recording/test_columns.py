"""Values of requests as columns of records."""

from datetime import UTC, datetime
from typing import Any

import ml_dtypes
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.recording.columns import MISSING_INT, FeatureColumn, column_name, feature_columns


def column(pieces: list[Any], dtype: Any, **options: Any) -> pa.Array:
    feature = FeatureColumn(name="x", dtype=np.dtype(dtype), **options)
    array = feature.to_arrow([np.array(piece, dtype) for piece in pieces])
    assert array.type == feature.arrow_type
    return array


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (np.float32, pa.float32()),
        (np.float64, pa.float64()),
        (np.float16, pa.float32()),
        (ml_dtypes.bfloat16, pa.float32()),
        (np.int64, pa.int64()),
        (np.int32, pa.int32()),
        (np.uint8, pa.uint8()),
        (bool, pa.bool_()),
    ],
)
def test_numbers_of_several_requests_keep_their_type_and_order(dtype, kind):
    array = column([[1, 0], [1]], dtype)
    assert array.type == kind
    assert array.to_pylist() == [1, 0, 1]


def test_missing_numbers_and_texts_are_null():
    assert column([[1.5, np.nan]], np.float32).to_pylist() == [1.5, None]
    assert column([[7, MISSING_INT]], np.int64).to_pylist() == [7, None]
    assert column([[b"acme", b""]], object).to_pylist() == ["acme", None]


def test_infinity_is_no_missing_value():
    assert column([[np.inf]], np.float32).to_pylist() == [np.inf]


def test_bytes_that_are_no_text_stay_visible():
    assert column([[b"a\xff", b"b"]], object).to_pylist() == [r"a\xff", "b"]


def test_times_are_timestamps():
    # 1,700,000,000 s after 1970; a time that microseconds in int64 cannot hold is missing.
    array = column([[1_700_000_000, MISSING_INT, 2**62]], np.int64, is_time=True)
    expected = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert array.to_pylist() == [expected, None, None]


def test_signals_are_lists_whose_missing_samples_stay():
    array = column([[[1, 2], [3, np.nan]], [[5, 6]]], np.float32, is_list=True)
    lists = array.to_pylist()
    assert lists[0] == [1, 2]
    assert lists[1][0] == 3
    assert np.isnan(lists[1][1])
    assert lists[2] == [5, 6]


def test_signals_of_requests_may_differ_in_length():
    array = column([[[1, 2, 3]], [[4], [5]]], np.float32, is_list=True)
    assert array.to_pylist() == [[1, 2, 3], [4], [5]]


@pytest.mark.parametrize(
    ("missing", "value", "dtype"),
    [(np.nan, 1.0, np.float32), (MISSING_INT, 1, np.int64), (b"", b"a", object)],
)
def test_a_list_of_nothing_but_missing_values_is_null(tmp_path, missing, value, dtype):
    text = value.decode() if isinstance(value, bytes) else value
    array = column([[[missing, missing], [value, value]]], dtype, is_list=True)
    assert array.to_pylist() == [None, [text, text]]
    pq.write_table(pa.table({"x": array}), tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet")["x"].to_pylist() == [None, [text, text]]


def test_a_feature_never_takes_the_column_of_a_record():
    assert column_name("pressure") == "pressure"
    assert column_name("key") == "feature_key"


def test_dropped_and_complex_columns_are_left_out():
    inputs = {
        "a": (np.dtype(np.float32), 1),
        "b": (np.dtype(np.complex64), 1),
        "c": (np.dtype(object), 1),
        "d": (np.dtype(np.float32), 2),
        "e": (None, 1),
    }
    features = feature_columns(inputs, redact={"a": "drop", "c": "hash", "d": "hash"})
    assert [(f.name, f.arrow_type, f.is_list) for f in features] == [
        ("c", pa.string(), False),
        ("d", pa.string(), True),
    ]


def test_only_whole_numbers_can_be_times():
    inputs = {"t": (np.dtype(np.int64), 1), "x": (np.dtype(np.float32), 1)}
    features = feature_columns(inputs, times={"t", "x"}, redact={})
    assert [(f.name, f.is_time) for f in features] == [("t", True), ("x", False)]


def test_files_are_hashed_unless_they_are_left_out():
    inputs = {"sound": (np.dtype(object), 1), "photo": (np.dtype(object), 1)}
    [feature] = feature_columns(inputs, media={"sound", "photo"}, redact={"photo": "drop"})
    assert (feature.name, feature.action, feature.arrow_type) == ("sound", "hash", pa.string())
    # Bytes that are no UTF-8, an empty file, and zero bytes at the end.
    files = feature.to_arrow([np.array([b"\xff\x00", b""], object), np.array([b"a"], object)])
    assert files.to_pylist() == [b"\xff\x00", None, b"a"]
