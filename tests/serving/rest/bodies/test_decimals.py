"""Numbers as text: six digits if they suffice, else as many as needed."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.rest.bodies.decimals import decimal_texts, float_text, shortest_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (2.0, "2.0"),
        (0.1, "0.1"),
        (1 / 3, "0.333333343"),  # nine digits: six would be another float
        (9e6, "9e+06"),
        (3e-5, "3e-05"),
        (16777216.0, "16777216.0"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_floats(value, text):
    assert decimal_texts(np.array([value], np.float32)) == [text]


def test_doubles_have_up_to_17_digits():
    assert decimal_texts(np.array([0.1, 1 / 3, 1e300])) == ["0.1", "0.33333333333333331", "1e+300"]


@pytest.mark.parametrize(("dtype", "width"), [(np.float32, 32), (np.float64, 64)])
def test_every_number_is_read_back(dtype, width):
    @given(st.lists(st.floats(width=width, allow_nan=False), max_size=5))
    @example([float(np.finfo(dtype).max), float(np.finfo(dtype).tiny)])
    def check(values):
        array = np.array(values, dtype)
        texts = decimal_texts(array)
        assert [dtype(text) for text in texts] == array.tolist()
        for text in texts:
            assert isinstance(json.loads(text), float)  # never an int

    check()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_no_shorter_text_is_passed_over(value):
    [text] = decimal_texts(np.array([value], np.float32))
    short = f"{value:g}"
    assert (np.float32(short) == np.float32(value)) == (text in {short, short + ".0"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1e22, "1e22"),
        (1.5e-7, "1.5e-7"),
        (0.00001, "0.00001"),
        (123.25, "123.25"),
        (-0.0, "-0.0"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_inside_a_shown_value_are_as_rapidjson_writes_them(value, text):
    assert shortest_text(value) == text


def test_a_number_that_is_shown_alone_is_a_float_if_it_fits():
    assert [float_text(1 / 3), float_text(1e300)] == ["0.333333343", "1e+300"]
