"""Calls and answers in the JSON of TensorFlow Serving."""

import json

import numpy as np
import pytest

from serving.client.errors import ServingClientError
from serving.client.signatures import ModelSignature, TensorSpec, VersionStatus
from serving.client.wires.calls import MetadataCall, PredictCall, StatusCall, Target
from serving.client.wires.rest_codec import decode_answer, encode_call


def call(inputs, **outputs) -> PredictCall:
    specs = {
        name: TensorSpec(name=name, dtype=np.dtype(dtype), shape=(-1,))
        for name, dtype in outputs.items()
    }
    return PredictCall(
        target=Target(model="m"),
        signature_name="serving_default",
        signature=ModelSignature(inputs={}, outputs=specs, method=""),
        inputs=inputs,
        timeout_s=1,
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (Target(model="m"), "/v1/models/m"),
        (Target(model="a b/c"), "/v1/models/a%20b%2Fc"),
        (Target(model="m", version=7), "/v1/models/m/versions/7"),
        (Target(model="m", label="stable/1"), "/v1/models/m/labels/stable%2F1"),
    ],
)
def test_paths(target, path):
    assert encode_call(StatusCall(target=target, timeout_s=1)).path == path
    assert encode_call(MetadataCall(target=target, timeout_s=1)).path == f"{path}/metadata"


def test_a_request_is_columnar_with_bare_nan_and_text_or_base64():
    inputs = {
        "x": np.float32([[0.1, np.nan], [np.inf, -np.inf]]),
        "n": np.int64([-(2**63)]),
        "t": np.array(["é".encode(), b"\xff"], object),
        "t2": np.array([[b"a"], [b""]], object),
    }
    request = encode_call(call(inputs))
    assert (request.method, request.path) == ("POST", "/v1/models/m:predict")
    # 0.1 as float32 is 0.100000001490116…; /w== is the byte 255 in base64.
    assert request.body.decode() == (
        '{"signature_name":"serving_default","inputs":{'
        '"x":[[0.10000000149011612,NaN],[Infinity,-Infinity]],'
        '"n":[-9223372036854775808],'
        '"t":["é",{"b64":"/w=="}],'
        '"t2":[["a"],[""]]}}'
    )


def test_one_output_stands_bare_and_several_by_name():
    bare = decode_answer(call({}, y="float32"), 200, b'{"outputs": [0.1, NaN]}')
    np.testing.assert_array_equal(bare.outputs["y"], np.float32([0.1, np.nan]))
    body = b'{"outputs": {"y": [1], "n": [9223372036854775807]}}'
    named = decode_answer(call({}, y="float32", n="int64"), 200, body)
    assert named.outputs["y"].dtype == np.float32
    assert named.outputs["n"].tolist() == [2**63 - 1]


def test_text_comes_as_text_base64_or_bytes_that_are_not_utf8():
    body = (
        b'{"outputs": {"t": ["\xc3\xa9", "\xff"], "t_bytes": [[{"b64": "/w=="}], [{"b64": ""}]]}}'
    )
    answer = decode_answer(call({}, t="object", t_bytes="object"), 200, body)
    assert answer.outputs["t"].tolist() == ["é".encode(), b"\xff"]
    assert answer.outputs["t_bytes"].tolist() == [[b"\xff"], [b""]]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b'{"error": "Servable not found for request: Latest(m)"}', "NOT_FOUND: Servable"),
        (400, b'{"error": "JSON Parse error"}', "INVALID_ARGUMENT: JSON Parse error"),
        (400, b"", r"INVALID_ARGUMENT: \(empty body\)"),
        (404, b"<html>no</html>", "NOT_FOUND: <html>no</html>"),
        (418, b"", "UNKNOWN"),
        (200, b"<html>a proxy</html>", "INTERNAL: The answer is not that of a model server"),
        (200, b'{"predictions": [1]}', "INTERNAL: The answer is not that of a model server"),
        (200, b'{"outputs": ["a"]}', "INTERNAL: The answer is not that of a model server"),
    ],
)
def test_any_other_answer_is_an_error_with_the_servers_text(status, body, words):
    with pytest.raises(ServingClientError, match=words) as caught:
        decode_answer(call({}, y="float32"), status, body)
    assert caught.value.http_status == status


def test_states_of_versions():
    document = {
        "model_version_status": [
            {
                "version": "2",
                "state": "END",
                "status": {"error_code": "NOT_FOUND", "error_message": "no file"},
            }
        ]
    }
    answer = decode_answer(
        StatusCall(target=Target(model="m"), timeout_s=1), 200, json.dumps(document).encode()
    )
    assert answer == (
        VersionStatus(version=2, state="END", error_code="NOT_FOUND", error_message="no file"),
    )


@pytest.mark.tensorflow
def test_signatures_as_protobuf_prints_them():
    from google.protobuf import json_format
    from tensorflow_serving.apis import get_model_metadata_pb2 as pb

    response = pb.GetModelMetadataResponse()
    response.model_spec.name, response.model_spec.version.value = "m", 3
    signatures = pb.SignatureDefMap()
    entry = signatures.signature_def["serving_default"]
    entry.method_name = "tensorflow/serving/predict"
    wave, free = entry.inputs["wave"], entry.inputs["free"]
    wave.dtype, free.dtype = 1, 7
    wave.tensor_shape.dim.add(size=-1)
    wave.tensor_shape.dim.add(size=256)
    free.tensor_shape.unknown_rank = True
    entry.outputs["y"].dtype = 14  # bfloat16, which NumPy does not have
    signatures.signature_def["__saved_model_init_op"].outputs["x"].dtype = 0
    response.metadata["signature_def"].Pack(signatures)
    document = json_format.MessageToDict(
        response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    call_ = MetadataCall(target=Target(model="m"), timeout_s=1)
    metadata = decode_answer(call_, 200, json.dumps(document).encode())
    assert (metadata.name, metadata.version, list(metadata.signatures)) == (
        "m",
        3,
        ["serving_default"],
    )
    signature = metadata.signatures["serving_default"]
    assert signature.inputs["wave"].shape == (-1, 256)
    assert signature.inputs["wave"].dtype == np.float32
    assert signature.inputs["free"].shape is None
    assert signature.inputs["free"].is_text
    assert signature.outputs["y"].dtype is None
