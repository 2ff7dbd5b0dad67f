"""Null and left-out keys as missing values in predict requests."""

import math

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from serving.errors import ServingError
from serving.rest.bodies.json_parsing import parse_object
from serving.rest.bodies.missing_values import fill_missing
from serving.rest.predict_request import read_predict_body

FLOAT, INT64, STRING = types_pb2.DT_FLOAT, types_pb2.DT_INT64, types_pb2.DT_STRING
NAN = math.nan


def info(dtype: int, *sizes: int) -> TensorInfo:
    made = TensorInfo(dtype=dtype)
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


def read(text: str, **inputs: TensorInfo) -> dict[str, np.ndarray]:
    document = parse_object(text.encode())
    fill_missing(document, inputs)
    return read_predict_body(document, {name: one.dtype for name, one in inputs.items()}).arrays


TABLE = {"f": info(FLOAT, -1), "n": info(INT64, -1), "s": info(STRING, -1)}


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [{"f": 1.5, "n": 2, "s": "a"}, {"f": null, "n": null, "s": null}]}',
        '{"instances": [{"f": 1.5, "n": 2, "s": "a"}, {}]}',
        '{"inputs": {"f": [1.5, null], "n": [2, null], "s": ["a", null]}}',
    ],
)
def test_null_or_no_key_is_nan_the_lowest_integer_or_no_text(text):
    arrays = read(text, **TABLE)
    np.testing.assert_array_equal(arrays["f"], [1.5, NAN])
    assert arrays["n"].tolist() == [2, -(2**63)]
    assert arrays["s"].tolist() == [b"a", b""]


def test_a_column_that_is_left_out_has_as_many_rows_as_the_others():
    arrays = read('{"inputs": {"n": [2, 3]}}', **TABLE)
    np.testing.assert_array_equal(arrays["f"], [NAN, NAN])
    assert arrays["s"].tolist() == [b"", b""]


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [{"x": null}, {"x": [1.0, null]}]}',
        '{"instances": [null, [1.0, null]]}',
        '{"inputs": {"x": [null, [1.0, null]]}}',
    ],
)
def test_a_missing_list_is_as_long_as_those_that_are_there(text):
    arrays = read(text, x=info(FLOAT, -1, -1))
    np.testing.assert_array_equal(arrays["x"], [[NAN, NAN], [1.0, NAN]])


def test_without_any_value_the_signature_tells_the_shape():
    for text in ('{"instances": [{}, {"x": null}]}', '{"inputs": [null, null]}'):
        arrays = read(text, x=info(FLOAT, -1, 3))
        np.testing.assert_array_equal(arrays["x"], np.full((2, 3), NAN))


def test_a_type_without_a_missing_value_is_refused_as_ever():
    with pytest.raises(ServingError, match="Type: Null is not of expected type: int32"):
        read('{"instances": [{"i": null}]}', i=info(types_pb2.DT_INT32, -1))
    with pytest.raises(ServingError, match="keys must be equal to: i"):
        read('{"instances": [{}]}', i=info(types_pb2.DT_INT32, -1))


def test_a_key_that_the_model_does_not_take_is_refused_as_ever():
    with pytest.raises(ServingError, match="does not have named input: z"):
        read('{"instances": [{"f": 1, "z": null}]}', f=info(FLOAT, -1))


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [{"x": [1.5, null, 2.5]}, {"x": [null, 3.5, null]}]}',
        '{"instances": [[1.5, null, 2.5], [null, 3.5, null]]}',
        '{"inputs": {"x": [[1.5, null, 2.5], [null, 3.5, null]]}}',
    ],
)
def test_null_among_the_samples_of_a_recording_is_a_missing_sample(text):
    expected = [[1.5, NAN, 2.5], [NAN, 3.5, NAN]]
    np.testing.assert_array_equal(read(text, x=info(FLOAT, -1, -1))["x"], expected)
