import numpy as np
import tensorflow as tf

from models.features import Bucketized, Categorical, Numeric, Signal
from models.inputs.encoding import MISSING_INDEX, OUT_OF_VOCABULARY, IndexSpace, encodings
from models.inputs.stacks import MISSING_INT
from models.inputs.transform_graph import network_inputs, raw_from_serving

NAN = float("nan")


def test_indices_of_all_features_land_in_one_range():
    table = {"bucket": Bucketized(num_buckets=4), "tool": Categorical(), "code": Categorical()}
    space = IndexSpace(10, tuple(encodings(table)))
    transformed = {
        "bucket_xf": tf.constant([[0], [4], [1]], tf.int64),
        "tool_xf": tf.constant([[9], [OUT_OF_VOCABULARY], [MISSING_INDEX]], tf.int64),
        "code_xf": tf.constant([[MISSING_INDEX], [0], [OUT_OF_VOCABULARY]], tf.int64),
    }
    # 0..9 vocabulary, 10..14 bucket, 15 and 16 tool (unseen, missing), 17 and 18 code.
    expected = [[10, 9, 18], [14, 15, 0], [11, 16, 17]]
    assert network_inputs(transformed, space)["index"].numpy().tolist() == expected


def test_numbers_are_joined_and_signals_of_one_length_become_channels():
    table = {
        "a": Numeric(),
        "x": Signal(num_samples=2),
        "b": Numeric(),
        "y": Signal(num_samples=2),
        "z": Signal(num_samples=5),
    }
    space = IndexSpace(0, tuple(encodings(table)))
    transformed = {
        "a_xf": tf.constant([[1.0, 0.0]]),
        "b_xf": tf.constant([[2.0, 1.0]]),
        "x_xf": tf.fill([1, 2, 3], 3.0),
        "y_xf": tf.fill([1, 2, 3], 4.0),
        "z_xf": tf.fill([1, 5, 3], 5.0),
    }
    inputs = network_inputs(transformed, space)
    assert inputs["dense"].numpy().tolist() == [[1, 0, 2, 1]]
    assert inputs["signal_2"].numpy().tolist() == [[[3, 3, 3, 4, 4, 4]] * 2]
    assert inputs["signal_5"].shape == (1, 5, 3)


def test_missing_values_of_a_client_keep_their_marks_and_signals_get_holes():
    spec = {
        "number": tf.io.VarLenFeature(tf.float32),
        "text": tf.io.VarLenFeature(tf.string),
        "code": tf.io.VarLenFeature(tf.int64),
        "wave": tf.io.VarLenFeature(tf.float32),
    }
    columns = {
        "number": tf.constant([NAN, 2.5]),
        "text": tf.constant(["a", ""]),
        "code": tf.constant([MISSING_INT, 0], tf.int64),
        "wave": tf.constant([[1.0, NAN, 3.0], [NAN, NAN, NAN]]),
    }
    raw = raw_from_serving(columns, spec)
    np.testing.assert_array_equal(raw["number"].numpy(), [[NAN], [2.5]])
    assert raw["text"].numpy().tolist() == [[b"a"], [b""]]
    # 0 is a code like any other.
    assert raw["code"].numpy().tolist() == [[MISSING_INT], [0]]
    assert raw["wave"].indices.numpy().tolist() == [[0, 0], [0, 2]]
    assert raw["wave"].dense_shape.numpy().tolist() == [2, 3]


def test_a_column_that_is_always_present_becomes_a_column_of_one():
    raw = raw_from_serving(
        {"number": tf.constant([1.0, 2.0])}, {"number": tf.io.FixedLenFeature([1], tf.float32)}
    )
    assert np.array_equal(raw["number"], [[1.0], [2.0]])
