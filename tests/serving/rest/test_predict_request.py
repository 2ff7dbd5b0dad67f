"""Bodies of predict requests: tensors of valid values, errors for others."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tensorflow.core.framework import types_pb2

from serving.errors import ServingError
from serving.rest.bodies.json_parsing import parse_object
from serving.rest.predict_request import read_predict_body, read_signature_name

FLOAT, STRING, INT32 = types_pb2.DT_FLOAT, types_pb2.DT_STRING, types_pb2.DT_INT32
TYPES = {
    np.float32: types_pb2.DT_FLOAT,
    np.float64: types_pb2.DT_DOUBLE,
    np.int32: types_pb2.DT_INT32,
    np.int64: types_pb2.DT_INT64,
    np.uint8: types_pb2.DT_UINT8,
    np.int8: types_pb2.DT_INT8,
    np.int16: types_pb2.DT_INT16,
    np.uint32: types_pb2.DT_UINT32,
    np.uint64: types_pb2.DT_UINT64,
    np.bool_: types_pb2.DT_BOOL,
}
shapes = arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


def read(text, **inputs):
    body = text if isinstance(text, bytes) else text.encode()
    return read_predict_body(parse_object(body), inputs).arrays


def refused(text, **inputs):
    with pytest.raises(ServingError) as caught:
        read(text, **inputs)
    return caught.value.message


@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_come_through_in_both_forms(dtype):
    elements = st.integers(-64, 64).map(lambda n: n / 4) if dtype().dtype.kind == "f" else None

    @given(arrays.arrays(dtype, shapes, elements=elements))
    def check(array):
        document = json.dumps({"instances": array.tolist()})
        named = json.dumps({"instances": [{"x": row} for row in array.tolist()]})
        columns = json.dumps({"inputs": array.tolist()})
        named_columns = json.dumps({"inputs": {"x": array.tolist()}})
        for text in (document, named, columns, named_columns):
            got = read(text, x=TYPES[dtype])["x"]
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, array)

    check()


def test_more_rows_than_are_converted_at_once():
    got = read(json.dumps({"instances": [[n, 1] for n in range(40_000)]}), x=FLOAT)["x"]
    assert got.shape == (40_000, 2)
    assert got[:, 0].tolist() == list(range(40_000))


def test_one_row_of_more_values_than_are_converted_at_once():
    got = read(json.dumps({"instances": [list(range(40_000))]}), x=INT32)["x"]
    assert got.tolist() == [list(range(40_000))]


def test_scalars_and_empty_lists_are_columns():
    assert read('{"inputs": 1.5}', x=FLOAT)["x"].shape == ()
    assert read('{"inputs": []}', x=FLOAT)["x"].shape == (0,)
    assert read('{"inputs": [[], []]}', x=FLOAT)["x"].shape == (2, 0)


def test_text_is_taken_as_bytes_of_any_kind():
    got = read(b'{"instances": ["\xc3\xa9", "\xff", {"b64": "AP8"}]}', x=STRING)["x"]
    assert got.tolist() == [b"\xc3\xa9", b"\xff", b"\x00\xff"]


def test_values_beyond_a_float_are_infinite():
    assert read('{"inputs": [1e39, -1e39]}', x=FLOAT)["x"].tolist() == [np.inf, -np.inf]


def test_columns_that_nobody_asked_for_are_ignored():
    assert list(read('{"inputs": {"x": [1], "y": "?"}}', x=FLOAT)) == ["x"]


def test_each_of_equal_names_inside_an_instance_must_fit():
    text = '{"instances": [{"x": [1, 2], "x": [3, 4]}, {"x": [5, 6]}]}'
    assert read(text, x=FLOAT)["x"].tolist() == [[1, 2], [5, 6]]
    message = refused('{"instances": [{"x": 1, "x": "a"}]}', x=FLOAT)
    assert message.startswith("Failed to process element: 0 key: x of 'instances' list. Error: ")
    message = refused('{"instances": [{"x": 1, "x": [2, 3]}]}', x=FLOAT)
    assert message.endswith("Expecting tensor size: 1 but got: 2")


def test_the_first_of_equal_names_counts_inside_an_instance():
    assert read('{"instances": [{"x": 1, "x": 2}]}', x=FLOAT)["x"].tolist() == [1]


ROW = "Failed to process element: "
OF = " of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ('["x"]', ROW + "0" + OF + 'JSON Value: "x" Type: String is not of expected type: float'),
        (
            "[1, null]",
            ROW + "1" + OF + "JSON Value: null Type: Null is not of expected type: float",
        ),
        ("[true]", ROW + "0" + OF + "JSON Value: true Type: True is not of expected type: float"),
        ("[[1, 2], [3]]", ROW + "1" + OF + "Expecting tensor size: 2 but got: 1"),
        ("[[1, 2], [[3, 4]]]", ROW + "1" + OF + "Expecting shape [2] but got: [1,2]"),
        (
            "[[[1, 2], [3]]]",
            ROW + "0" + OF + "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (
            "[[1, [2]]]",
            ROW + "0" + OF + "Encountered list at unexpected level: 1 expected < 1",
        ),
        (
            "[[[1], 2]]",
            ROW + "0" + OF + "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
            "Expected at level: 2",
        ),
        (
            '[{"x": "y"}]',
            ROW + "0 key: x" + OF + 'JSON Value: "y" Type: String is not of expected type: float',
        ),
        (
            '[{"z": 1}]',
            ROW + "0 key: z" + OF + "JSON object: does not have named input: z",
        ),
        (
            "[{}]",
            ROW + "0 of 'instances' list. JSON object: {} keys must be equal to: x",
        ),
        ('[1, {"x": 1}]', "Expecting value/list but got object at item 1 of input list"),
        ('[{"x": 1}, 1]', "Expecting object but got list at item 1 of input list"),
    ],
)
def test_the_first_wrong_instance_is_named(instances, message):
    assert refused(f'{{"instances": {instances}}}', x=FLOAT) == message


def test_a_wrong_instance_is_found_behind_many_right_ones():
    many = ",".join(["1.5"] * 5000)
    message = refused(f'{{"instances": [{many}, "x", "y"]}}', x=FLOAT)
    assert message.startswith(ROW + "5000" + OF + 'JSON Value: "x"')
    many = ",".join(['{"x": 1, "y": [2]}'] * 5000)
    message = refused(f'{{"instances": [{many}, {{"x": 1, "y": [2, 3]}}]}}', x=FLOAT, y=INT32)
    assert message == ROW + "5000 key: y" + OF + "Expecting tensor size: 1 but got: 2"


def test_a_wrong_value_is_found_behind_many_in_a_column():
    many = ",".join(["[1]"] * 5000)
    assert refused(f'{{"inputs": [{many}, [1, 2]]}}', x=FLOAT) == (
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": [1]}', "instances is a plain list, but expecting list of objects as"),
        ('{"instances": [[1]]}', "instances is a plain list, but expecting list of objects as"),
        ('{"inputs": [1]}', "inputs is a plain value/list, but expecting an object as multiple"),
        ('{"inputs": {"a": [1]}}', "Missing named input: b in 'inputs' object."),
        ('{"inputs": {"a": ["x"]}}', 'JSON Value: "x" Type: String is not of expected type: float'),
        (
            '{"instances": [{"a": 1}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} "
            "keys must be equal to: a,b",
        ),
    ],
)
def test_errors_of_several_inputs(document, message):
    assert refused(document, a=FLOAT, b=FLOAT).startswith(message)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ('{"instances": {}}', " Expecting 'instances' to be an list/array"),
        ('{"instances": []}', " No values in 'instances' array"),
        (
            '{"instances": [1], "inputs": 1}',
            " Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
    ],
)
def test_errors_of_the_whole_document_show_it(document, problem):
    message = refused(document, x=FLOAT)
    assert message.startswith('JSON Value: {\n    "instances": ')
    assert message.endswith("}" + problem)


@pytest.mark.parametrize(("value", "found"), [("1.0", "1.0"), (2**31, 2**31), ("true", "true")])
def test_ints_are_ints_of_32_bits(value, found):
    message = refused(f'{{"inputs": [{value}]}}', x=INT32)
    assert message.startswith(f"JSON Value: {found} Type: ")
    assert message.endswith("is not of expected type: int32")


@pytest.mark.parametrize("dtype", ["DT_HALF", "DT_BFLOAT16", "DT_COMPLEX64", "DT_UINT16"])
def test_some_types_cannot_be_written(dtype):
    number = types_pb2.DataType.Value(dtype)
    for form in ("instances", "inputs"):
        with pytest.raises(ServingError) as caught:
            read(f'{{"{form}": [1.0]}}', x=number)
        assert caught.value.code.name == "UNIMPLEMENTED"
        name = dtype.removeprefix("DT_").lower()
        assert caught.value.message.endswith(f"Conversion of JSON Value: 1.0 to type: {name}")


@pytest.mark.parametrize("levels", [65, 299, 999, 500_000])
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_too_many_dimensions_are_no_tensor(levels, form):
    text = f'{{"{form}": {"[" * levels}1{"]" * levels}}}'
    assert refused(text, x=FLOAT) == "tensor parsing error: x"


def test_the_input_with_too_many_dimensions_is_named_even_if_it_is_not_the_first():
    text = f'{{"instances": [{{"x": 1, "y": {"[" * 65}1{"]" * 65}}}]}}'
    assert refused(text, x=FLOAT, y=FLOAT) == "tensor parsing error: y"


def test_signature_names_are_text():
    assert read_signature_name(parse_object(b'{"signature_name": "s"}')) == "s"
    assert read_signature_name(parse_object(b"{}")) == ""
    with pytest.raises(ServingError) as caught:
        read_signature_name(parse_object(b'{"signature_name": 1}'))
    assert caught.value.message == (
        'JSON Value: {\n    "signature_name": 1\n} not formatted correctly. '
        "'signature_name' key must be a string value."
    )
