import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reading import values


def texts(*items: str | None):
    return pa.array([None if item is None else item.encode() for item in items], pa.binary())


@pytest.mark.parametrize(
    ("convert", "given_texts", "expected", "bad"),
    [
        (values.to_int, ("1", None, "-7"), [1, None, -7], []),
        (values.to_int, (" 1 ", "+2", "x", "1.5"), [1, 2, None, None], [2, 3]),
        (values.to_int, ("0x10", "1_0"), [None, None], [0, 1]),
        (values.to_int, ("9223372036854775807", "9223372036854775808"), [2**63 - 1, None], [1]),
        (values.to_float, ("1.5", "nan", None), [1.5, None, None], []),
        (values.to_float, ("1e3", " 2", "two"), [1000.0, 2.0, None], [2]),
    ],
)
def test_texts_become_numbers_or_are_bad(convert, given_texts, expected, bad):
    column, mask = convert(texts(*given_texts))
    assert column.to_pylist() == expected
    assert list(np.flatnonzero(mask)) == bad


def test_fractions_and_infinities_are_no_whole_numbers_but_nan_is_missing():
    column, mask = values.to_int(pa.array([1.0, 1.5, float("inf"), float("nan"), None]))
    assert column.to_pylist() == [1, None, None, None, None]
    assert list(mask) == [False, True, True, False, False]


def test_numbers_beyond_float32_become_infinite():
    assert values.to_float(pa.array([1e300]))[0].to_pylist() == [float("inf")]


def test_whole_numbers_beyond_2_to_the_53_are_rounded():
    # 2**53 + 1 is the first whole number that no float64 holds.
    floats, bad = values.to_float(pa.array([2**53 + 1, None, -(2**62)]))
    assert floats.to_pylist() == [float(2**53), None, -float(2**62)]
    assert not bad.any()


def test_texts_that_are_not_utf8_are_bad():
    column, mask = values.to_text(pa.array([b"ok", b"\xff", None]))
    assert column.to_pylist() == [b"ok", None, None]
    assert list(mask) == [False, True, False]


@given(st.lists(st.one_of(st.none(), st.text(max_size=6), st.integers().map(str))))
def test_all_int_agrees_with_reading_one_by_one(items):
    column = texts(*[item if item is None or item.isascii() else None for item in items])
    _, bad = values.to_int(column)
    assert values.all_int(column) == (not bad.any())


@given(st.lists(st.one_of(st.none(), st.floats(width=32).map(repr), st.text(max_size=4))))
def test_all_float_agrees_with_reading_one_by_one(items):
    column = texts(*[item if item is None or item.isascii() else None for item in items])
    _, bad = values.to_float(column)
    assert values.all_float(column) == (not bad.any())


def test_a_missing_sample_is_not_a_number_and_a_missing_list_is_empty():
    lists = values.to_lists(pa.array([[1.0, None], None, []]), values.samples).to_pylist()
    assert lists[0][0] == 1.0
    assert np.isnan(lists[0][1])
    assert lists[1:] == [[], []]


def test_columns_are_stacked_to_one_signal_a_row():
    stacked = values.stack([pa.array([1.0, 2.0]), pa.array([3.0, None])]).to_pylist()
    assert stacked[0] == [1.0, 3.0]
    assert np.isnan(stacked[1][1])
