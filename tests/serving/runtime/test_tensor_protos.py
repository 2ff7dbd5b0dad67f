import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DataType

from serving.errors import ServingError
from serving.runtime.tensor_protos import (
    FilledTooLargeError,
    TensorParsingError,
    fill_content,
    fill_proto,
    from_proto,
    from_protos,
)

NUMBERS = [
    *(np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64),
    *(np.uint8, np.uint16, np.uint32, np.uint64, np.bool_, np.complex64, np.complex128),
]
any_numbers = st.sampled_from(NUMBERS).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_side=4))
)


def shaped(dtype: int, *sizes: int, **fields) -> TensorProto:
    tensor = TensorProto(dtype=dtype, **fields)
    for size in sizes:
        tensor.tensor_shape.dim.add().size = size
    return tensor


def to_proto(array: np.ndarray) -> TensorProto:
    proto = TensorProto()
    fill_proto(proto, array)
    return proto


@settings(deadline=None)
@given(any_numbers)
def test_numbers_come_back_as_they_were(array):
    back = from_proto(to_proto(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@settings(deadline=None)
@given(any_numbers)
def test_tensorflow_and_this_module_read_each_others_protos(array):
    np.testing.assert_array_equal(from_proto(tf.make_tensor_proto(array)), array)
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(array)), array)


def test_bfloat16_comes_back():
    array = np.array([1.5, -2], tf.bfloat16.as_numpy_dtype)
    assert from_proto(to_proto(array)).tolist() == [1.5, -2]


def test_text_keeps_its_zero_bytes():
    array = np.array([[b"a\0", b""], [b"\xff", b"b"]], object)
    back = from_proto(to_proto(array))
    assert back.dtype == object
    assert back.tolist() == array.tolist()


def test_answers_are_in_typed_fields():
    proto = to_proto(np.array([1, 2], np.float32))
    assert list(proto.float_val) == [1, 2]
    assert proto.tensor_content == b""


def test_content_of_no_elements_is_ignored():
    assert from_proto(shaped(DataType.DT_FLOAT, 0, 3, tensor_content=b"12")).shape == (0, 3)


def test_text_in_tensor_content_is_lengths_and_then_texts():
    tensor = shaped(DataType.DT_STRING, 2, tensor_content=b"\x01\x02abb")
    assert from_proto(tensor).tolist() == [b"a", b"bb"]


def test_missing_values_repeat_the_last_and_surplus_ones_are_ignored():
    assert from_proto(shaped(DataType.DT_FLOAT, 3, float_val=[1, 2])).tolist() == [1, 2, 2]
    assert from_proto(shaped(DataType.DT_INT64, 2)).tolist() == [0, 0]
    assert from_proto(shaped(DataType.DT_STRING, 2)).tolist() == [b"", b""]
    assert from_proto(shaped(DataType.DT_FLOAT, 1, float_val=[1, 2])).tolist() == [1]


@pytest.mark.parametrize(
    "tensor",
    [
        shaped(DataType.DT_FLOAT, 2, tensor_content=b"123"),
        shaped(DataType.DT_FLOAT, -1, float_val=[1]),
        shaped(DataType.DT_FLOAT, 2**40, float_val=[1]),
        shaped(DataType.DT_FLOAT, 2**62, 2**62),
        shaped(DataType.DT_FLOAT, 0, 2**62, 2**62),
        shaped(DataType.DT_INVALID, 1),
        shaped(DataType.DT_RESOURCE, 1),
        shaped(DataType.DT_STRING, 2, tensor_content=b"\x01\x02ab"),
        shaped(DataType.DT_STRING, 2, tensor_content=b"\xff\xff"),
        shaped(DataType.DT_STRING, 2**50, tensor_content=b"a"),
        shaped(DataType.DT_FLOAT, *[1] * 65, float_val=[1]),
        shaped(DataType.DT_FLOAT, 0, 2**61, 1),
    ],
    ids=lambda tensor: str(tensor).replace("\n", " ")[:40],
)
def test_an_invalid_proto_is_refused_at_once(tensor):
    with pytest.raises(TensorParsingError):
        from_proto(tensor)


def test_a_type_without_a_proto_is_refused():
    with pytest.raises(TypeError, match="datetime64"):
        to_proto(np.array(["2026-01-01"], "datetime64[s]"))


def test_values_that_stand_for_many_elements_count_by_their_true_size():
    # A text takes 24 bytes and its characters: 2^21 - 1 more of 300 are 679,476,924 bytes.
    bomb = shaped(DataType.DT_STRING, 2**21, string_val=[b"x" * 300])
    with pytest.raises(FilledTooLargeError, match=r"679476924 bytes; .* is 16777216"):
        from_proto(bomb)
    # 2^24 / 324 bytes: 51,781 texts fit, and one is the given one.
    assert from_proto(shaped(DataType.DT_STRING, 51_782, string_val=[b"x" * 300])).size == 51_782
    with pytest.raises(FilledTooLargeError, match="1 values for 51783 elements"):
        from_proto(shaped(DataType.DT_STRING, 51_783, string_val=[b"x" * 300]))


@pytest.mark.parametrize("fields", [{"int_val": [1]}, {}], ids=["one value", "no value"])
def test_the_bound_holds_for_every_field(fields):
    with pytest.raises(FilledTooLargeError):
        from_proto(shaped(DataType.DT_INT8, 2**24 + 2, **fields))
    with pytest.raises(FilledTooLargeError):
        from_proto(shaped(DataType.DT_COMPLEX64, 2**21 + 2, scomplex_val=[1, 2]))


def test_the_bound_is_that_of_the_whole_request():
    half = shaped(DataType.DT_FLOAT, 2**21, float_val=[1])  # 8 MiB
    assert set(from_protos({"a": half, "b": half})) == {"a", "b"}
    with pytest.raises(ServingError, match="tensor parsing error: c: 1 values for 2097152 el"):
        from_protos({"a": half, "b": half, "c": half})


def test_values_that_the_request_holds_are_not_bounded():
    values = [0.0] * (2**22 + 1)  # 16 MiB and 4 bytes
    assert from_proto(shaped(DataType.DT_FLOAT, len(values), float_val=values)).size == len(values)


@settings(deadline=None)
@given(any_numbers)
def test_numbers_come_back_from_content(array):
    proto = TensorProto()
    fill_content(proto, array)
    np.testing.assert_array_equal(from_proto(proto), array)
    np.testing.assert_array_equal(tf.make_ndarray(proto), array)


def test_texts_come_back_from_content():
    # A length of 300 takes two bytes.
    array = np.array([[b"", b"a" * 300], ["\u00e9".encode(), b"\x00"]], object)
    proto = TensorProto()
    fill_content(proto, array)
    assert not proto.string_val
    assert from_proto(proto).tolist() == array.tolist()
