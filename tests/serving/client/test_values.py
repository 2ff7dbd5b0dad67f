"""Encoding of Python values: missing, valid, and refused by row and column."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client.errors import InputMismatchError, RowError
from serving.client.signatures import TensorSpec
from serving.client.values import MISSING_INT, encode_values


def spec(dtype, *row_shape: int) -> TensorSpec:
    return TensorSpec(name="c", dtype=np.dtype(dtype), shape=(-1, *row_shape))


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_a_missing_value_is_what_the_model_was_trained_to_read_as_missing(missing):
    assert np.isnan(encode_values([missing, 1], spec("float32"))).tolist() == [True, False]
    assert encode_values([missing, 1], spec("int64")).tolist() == [MISSING_INT, 1]
    assert encode_values([missing, "a"], spec("object")).tolist() == [b"", b"a"]


def test_the_path_of_a_file_stands_for_its_bytes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\xff\0")
    array = encode_values([tmp_path / "a.wav", b"RIFF\0"], spec("object"))
    assert array.tolist() == [b"RIFF\0\xff\0", b"RIFF\0"]


def test_a_file_that_does_not_exist_is_named_by_row_and_column(tmp_path):
    with pytest.raises(RowError, match=r"b\.wav.*expected a file that can be read .No such file"):
        encode_values([b"", tmp_path / "b.wav"], spec("object"))


@pytest.mark.parametrize("missing", [None, float("nan"), [], np.array([])])
def test_a_missing_signal_is_a_row_of_missing_samples(missing):
    array = encode_values([[1.0, 2.0], missing], spec("float32", 2))
    np.testing.assert_array_equal(array, np.float32([[1, 2], [np.nan, np.nan]]))


def test_a_gap_in_a_signal_is_not_a_number():
    array = encode_values([[1, None, 3.5]], spec("float32", 3))
    np.testing.assert_array_equal(array, np.float32([[1, np.nan, 3.5]]))


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (2, "float32", 2.0),
        (True, "float32", 1.0),
        (Decimal("0.5"), "float64", 0.5),
        (1e300, "float64", 1e300),
        (np.inf, "float32", np.inf),
        (3.0, "int64", 3),
        (np.uint8(7), "int64", 7),
        (Decimal("9007199254740993"), "int64", 9007199254740993),  # no float64 in between
        (True, "int64", 1),
        ("wörter", "object", "wörter".encode()),
        (b"\xff\x00", "object", b"\xff\x00"),
        (np.bool_(False), "bool", False),
        (True, "object", b"true"),  # as examples spell a truth value
    ],
)
def test_values_become_the_type_of_the_input(value, dtype, expected):
    array = encode_values([value], spec(dtype))
    assert array.dtype == np.dtype(dtype)
    assert array[0] == expected


@pytest.mark.parametrize(
    "values", [[0.5, 1e300], [None, Decimal("-1e300")], [0.5, np.float64(1e39)]]
)
def test_a_number_beyond_the_type_is_refused_and_not_sent_as_infinite(values):
    expected = r"Row 1 .*, column `c`: found .*, expected a number up to 3.4e\+38, as a float32"
    with pytest.raises(RowError, match=expected):
        encode_values(values, spec("float32"))


@pytest.mark.parametrize("samples", [[0.5, 1e300], np.array([0.5, 1e300])])
def test_a_sample_beyond_the_type_is_refused(samples):
    with pytest.raises(RowError, match=r"Row 1 .*, column `c`: found 1e"):
        encode_values([[0.5, 1.0], samples], spec("float32", 2))


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2020, 1, 1, 0, 0, 1, 900_000),
        datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC),
        pd.Timestamp("2020-01-01 01:00:01", tz="Europe/Zurich"),
        np.datetime64("2020-01-01T00:00:01.9"),
    ],
)
def test_a_point_in_time_is_whole_seconds_since_1970(moment):
    # 50 years with 12 leap days: (50 * 365 + 12) * 86400 = 1577836800, and one second.
    assert encode_values([moment], spec("int64")).tolist() == [1577836801]
    assert encode_values([date(2020, 1, 1)], spec("int64")).tolist() == [1577836800]


@pytest.mark.parametrize(
    ("value", "shape", "words"),
    [
        ("12", ("float32",), "found the text '12', expected a number"),
        ([1.0], ("float32",), "found a list of 1, expected a number"),
        (1.5, ("int64",), r"found 1.5 \(float\), expected a whole number"),
        ("7", ("int64",), r"found the text '7', expected a whole number\.$"),
        ("20240131", ("int64",), r"expected a whole number\.$"),
        ("2026-11-27x", ("int64",), r"expected a whole number\.$"),
        (2**63, ("int64",), "expected a whole number from -9223372036854775808 to"),
        (300, ("uint8",), "expected a whole number from 0 to 255"),
        (None, ("int32",), "this type has no missing value"),
        (None, ("bool",), "this type has no missing value"),
        (float("inf"), ("int64",), "expected a whole number"),
        (7, ("object",), r"found 7 \(int\), expected text or bytes"),
        ("\ud800", ("object",), "expected text that UTF-8 can encode"),
        ([1.0, 2.0], ("float32", 3), "found 2 values, expected a list of 3 values"),
        (1.0, ("float32", 3), "expected a list of 3 values"),
        ([1.0, "x", 2.0], ("float32", 3), "found the text 'x', expected a number"),
        ([[1.0], [1.0], [1.0]], ("float32", 3), "found a list of lists"),
        (None, ("int32", 3), "found nothing, expected a list of 3 values"),
    ],
)
def test_an_unencodable_value_is_named_by_row_and_column(value, shape, words):
    dtype, *row_shape = shape
    fine = b"x" if dtype == "object" else True
    values = [np.full(row_shape, fine) if row_shape else fine, value]
    with pytest.raises(RowError, match=words) as caught:
        encode_values(values, spec(dtype, *row_shape))
    assert (caught.value.row, caught.value.column) == (1, "c")
    assert str(caught.value).startswith("Row 1 (counted from 0), column `c`: ")


def test_a_time_as_text_says_how_to_send_it():
    text = "1970-01-02T01:00:00+01:00"  # 1970-01-02 in UTC: 86,400 s
    with pytest.raises(RowError, match="seconds since 1970 in UTC") as caught:
        encode_values([text], spec("int64"))
    assert "pass datetime.fromisoformat(value)" in str(caught.value)
    assert str(caught.value).endswith("or 86400.")
    assert encode_values([datetime.fromisoformat(text)], spec("int64")).tolist() == [86_400]


def test_a_free_length_may_be_any_but_the_same_in_all_rows():
    assert encode_values([[1, 2], [3, 4]], spec("int64", -1)).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(RowError, match=r"found the shape \[3\], but \[2\] in the rows before"):
        encode_values([[1, 2], [3, 4, 5]], spec("int64", -1))


def test_a_single_value_will_do_where_a_list_of_one_is_asked_for():
    assert encode_values([1.5, [2.5]], spec("float32", 1)).tolist() == [[1.5], [2.5]]


def test_images_have_more_dimensions():
    image = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert encode_values([image, np.array(image)], spec("float32", 2, 2, 2)).tolist() == [image] * 2


def test_an_input_without_a_batch_takes_no_rows():
    scalar = TensorSpec(name="c", dtype=np.dtype("float32"), shape=())
    with pytest.raises(InputMismatchError, match="it has no batch dimension"):
        encode_values([1.0], scalar)


def test_no_rows_are_an_empty_array_of_the_right_type():
    assert encode_values([], spec("float32", 3)).shape == (0, 3)
    assert encode_values([], spec("int64")).shape == (0,)


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1), st.booleans())))
def test_whole_numbers_arrive_as_they_are(numbers):
    expected = [MISSING_INT if number is None else int(number) for number in numbers]
    assert encode_values(numbers, spec("int64")).tolist() == expected


@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.text(), st.booleans())))
def test_whatever_comes_is_an_array_or_a_refused_row(values):
    for dtype in ("float32", "int64", "object"):
        try:
            num_rows = len(encode_values(values, spec(dtype)))
        except RowError as error:
            num_rows = len(values) if 0 <= error.row < len(values) else -1
        assert num_rows == len(values)
