"""The client's messages against TensorFlow Serving's."""

import numpy as np
import pytest

from serving.client.tensors import from_tensor, to_tensor
from serving.client.wires.messages import _FIELDS, MESSAGES

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def official():
    from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2
    from tensorflow.core.protobuf import meta_graph_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_pb2,
        predict_pb2,
        status_pb2,
    )

    return {
        "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
        "TensorShape": tensor_shape_pb2.TensorShapeProto,
        "Tensor": tensor_pb2.TensorProto,
        "ModelSpec": model_pb2.ModelSpec,
        "PredictRequest": predict_pb2.PredictRequest,
        "PredictResponse": predict_pb2.PredictResponse,
        "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
        "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
        "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
        "SignatureDef": meta_graph_pb2.SignatureDef,
        "TensorInfo": meta_graph_pb2.TensorInfo,
        "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
        "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
        "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
        "Status": status_pb2.StatusProto,
    }


def _wire_kind(field) -> tuple:
    """What the wire shows of a field; an enum is an int32 there."""
    kind = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    return field.number, kind, field.is_repeated


@pytest.mark.parametrize("name", _FIELDS)
def test_every_field_has_the_official_number_and_type(name, official):
    ours, theirs = MESSAGES[name].DESCRIPTOR, official[name].DESCRIPTOR
    for field in ours.fields:
        assert _wire_kind(field) == _wire_kind(theirs.fields_by_name[field.name]), field.name


ARRAYS = [
    np.float32([[1.5, np.nan], [np.inf, -0.0]]),
    np.float64([1e300]),
    np.float16([0.5, 2.0]),
    np.int64([-(2**63), 2**63 - 1]),
    np.int32([[1], [2]]),
    np.uint8([0, 255]),
    np.uint64([2**64 - 1]),
    np.array([True, False]),
    np.array([b"a", b"", b"\xff\x00"], object),
    np.float32(3.0).reshape(()),
    np.zeros([0, 3], np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_tensorflow_and_the_client_read_each_others_tensors(array, official):
    import tensorflow as tf

    written = official["Tensor"].FromString(to_tensor(array).SerializeToString())
    np.testing.assert_array_equal(tf.make_ndarray(written), array)
    typed = official["Tensor"](dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    typed.CopyFrom(tf.make_tensor_proto(array, shape=array.shape))
    for theirs in (typed, written):
        ours = MESSAGES["Tensor"].FromString(theirs.SerializeToString())
        read = from_tensor("y", ours)
        assert read.dtype == array.dtype
        np.testing.assert_array_equal(read, array)


def test_a_cut_tensor_is_a_slice_in_the_order_of_rows():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    assert from_tensor("y", to_tensor(array)).tolist() == [[0, 2], [4, 6], [8, 10]]


def test_fewer_values_than_the_shape_asks_for_repeat_the_last():
    tensor = MESSAGES["Tensor"](dtype=1, float_val=[1.0, 2.0])
    tensor.tensor_shape.dim.add(size=4)
    assert from_tensor("y", tensor).tolist() == [1.0, 2.0, 2.0, 2.0]
    del tensor.float_val[:]
    assert from_tensor("y", tensor).tolist() == [0.0] * 4
