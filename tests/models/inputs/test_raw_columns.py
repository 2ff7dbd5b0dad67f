import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from models.inputs.raw_columns import columns_from_examples
from models.inputs.stacks import MISSING_INT
from tests.models.tiny_transform import to_example


def tensor(dtype: tf.DType, *sizes: int) -> TensorInfo:
    info = TensorInfo(dtype=dtype.as_datatype_enum)
    for size in (-1, *sizes):
        info.tensor_shape.dim.add().size = size
    return info


INPUTS = {
    "speed": tensor(tf.float32),
    "code": tensor(tf.int64),
    "tool": tensor(tf.string),
    "pulse": tensor(tf.float32, 2),
}


def test_examples_become_columns_in_the_types_of_the_signature():
    row = {"speed": [1.5], "code": [7], "tool": [b"a\0"], "pulse": [1.0, 2.0]}
    columns = columns_from_examples([to_example(row), to_example(row)], INPUTS)
    assert columns["speed"].tolist() == [1.5, 1.5]
    assert columns["code"].tolist() == [7, 7]
    assert columns["tool"].tolist() == [b"a\0", b"a\0"]
    assert columns["pulse"].tolist() == [[1, 2], [1, 2]]
    assert [columns[name].dtype for name in INPUTS] == [np.float32, np.int64, object, np.float32]


def test_a_missing_value_is_what_the_model_takes_for_one():
    columns = columns_from_examples([to_example({"speed": []})], INPUTS)
    assert np.isnan(columns["speed"]).all()
    assert columns["code"].tolist() == [MISSING_INT]
    assert columns["tool"].tolist() == [b""]
    assert np.isnan(columns["pulse"]).all()
    assert columns["pulse"].shape == (1, 2)


def test_a_signal_of_another_length_is_named():
    with pytest.raises(ValueError, match=r"Example 1 has 3 values in `pulse`; .* takes 2"):
        columns_from_examples(
            [to_example({"pulse": [1.0, 2.0]}), to_example({"pulse": [1.0] * 3})], INPUTS
        )
