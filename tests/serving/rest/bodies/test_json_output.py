"""JSON answers: exact layout and values."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.errors import ServingError
from serving.rest.bodies.json_output import (
    classification_json,
    column_json,
    error_json,
    regression_json,
    row_json,
)

shapes = arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)
TEXT = np.array([b'a"\n', b"\xff"], object)


@given(arrays.arrays(np.int64, shapes), arrays.arrays(np.bool_, shapes))
def test_every_array_can_be_read_back(numbers, flags):
    assert json.loads(row_json({"y": numbers})) == {"predictions": numbers.tolist()}
    assert json.loads(column_json({"y": numbers})) == {"outputs": numbers.tolist()}
    both = json.loads(column_json({"y": numbers, "z": flags}))
    assert both == {"outputs": {"y": numbers.tolist(), "z": flags.tolist()}}


def test_many_rows_are_written_in_pieces():
    numbers = np.arange(120_000).reshape(40_000, 3)
    rows = [{"y": row, "z": row[0]} for row in numbers.tolist()]
    answer = row_json({"y": numbers, "z": numbers[:, 0]})
    assert json.loads(answer) == {"predictions": rows}
    assert json.loads(row_json({"y": numbers})) == {"predictions": numbers.tolist()}
    assert json.loads(column_json({"y": numbers})) == {"outputs": numbers.tolist()}


def test_layout_of_rows_of_one_output():
    answer = row_json({"y": np.array([[1.5, 2.0], [0.1, 1e30]], np.float32)})
    assert answer == b'{\n    "predictions": [[1.5, 2.0], [0.1, 1e+30]\n    ]\n}'
    assert row_json({"y": np.zeros([0, 2])}) == b'{\n    "predictions": []\n}'


def test_layout_of_rows_of_several_outputs():
    answer = row_json({"a": np.array([1]), "b_bytes": TEXT[1:]})
    assert answer.decode().split("\n") == [
        "{",
        '    "predictions": [',
        "        {",
        '            "a": 1,',
        '            "b_bytes": {',
        '                "b64": "/w=="',
        "            }",
        "        }",
        "    ]",
        "}",
    ]


def test_layout_of_columns():
    assert column_json({"y": np.array([True, False])}).decode().split("\n") == [
        "{",
        '    "outputs": [',
        "        true,",
        "        false",
        "    ]",
        "}",
    ]
    assert column_json({"y": np.float32(2)[()].reshape(())}) == b'{\n    "outputs": 2.0\n}'


def test_text_is_raw_unless_the_name_says_bytes():
    assert row_json({"t": TEXT}) == b'{\n    "predictions": ["a\\"\\n", "\xff"\n    ]\n}'
    answer = json.loads(row_json({"t_bytes": TEXT}))
    assert answer == {"predictions": [{"b64": "YSIK"}, {"b64": "/w=="}]}


def test_a_scalar_is_no_batch():
    with pytest.raises(ServingError, match="Tensor name: y has no shape information "):
        row_json({"y": np.array(1.0)})


def test_batches_are_equal():
    with pytest.raises(
        ServingError, match="Tensor name: y has inconsistent batch size: 1 expecting: 2"
    ):
        row_json({"x": np.zeros(2), "y": np.zeros(1)})


@pytest.mark.parametrize(("dtype", "name"), [(np.float16, "half"), (np.complex64, "complex64")])
def test_some_types_cannot_be_written(dtype, name):
    with pytest.raises(ServingError, match=f"Failed to write JSON value for tensor type: {name}"):
        column_json({"y": np.zeros(1, dtype)})


def test_classes_are_pairs():
    result = ClassificationResult()
    for scores in ((0.1, 0.9), (1.0,)):
        classes = result.classifications.add().classes
        for score in scores:
            classes.add(label='é"', score=score)
    assert classification_json(result).decode() == (
        '{\n    "results": [[["é\\"", 0.1], ["é\\"", 0.9]], [["é\\"", 1.0]]\n    ]\n}'
    )


def test_regressions_are_numbers():
    result = RegressionResult()
    for value in (0.5, float("nan")):
        result.regressions.add(value=value)
    assert regression_json(result) == b'{\n    "results": [0.5, NaN]\n}'


def test_errors_keep_bytes_that_are_no_text():
    assert error_json('a "b" \udcff\n') == b'{\n    "error": "a \\"b\\" \xff\\n"\n}'
