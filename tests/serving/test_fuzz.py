"""Thousands of random requests: each gets an answer, and the server is unaffected.

`FAULTLINE_FUZZ=10000` sends that many of each of the five kinds; the default suits everyday runs.
"""

import gzip
import http.client
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from benchmarks.serving_fuzz import Fuzzer, Outcome

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

PROJECT = Path(__file__).resolve().parents[2]
REQUESTS = int(os.environ.get("FAULTLINE_FUZZ", "200"))
fuzz = settings(
    max_examples=REQUESTS,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
# The error codes that a request by itself can call for.
ANSWERS = {200, 400, 404, 405, 411, 413, 501}
STATUSES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
}


class Server:
    """The server's process and how to reach it."""

    def __init__(self, base: Path) -> None:
        command = [sys.executable, "-m", "serving.server", "--port=0", "--rest_api_port=-1"]
        command += ["--model_name=half_plus_two", f"--model_base_path={base}"]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if match := re.search(r"ModelServer at (\S+:\d+), .*http://(\S+):(\d+)", line):
                break
        else:
            pytest.fail("the server did not start")
        self.address = match[1]
        self.channel = grpc.insecure_channel(self.address)
        self.rest = match[2], int(match[3])

    def call(self, method: str, request: bytes) -> grpc.StatusCode:
        call = self.channel.unary_unary(f"/tensorflow.serving.{method}")
        try:
            call(request, timeout=10)
        except grpc.RpcError as error:
            status: grpc.StatusCode = error.code()
            return status
        return grpc.StatusCode.OK

    def post(self, path: str, body: bytes, **headers: str) -> int:
        connection = http.client.HTTPConnection(*self.rest, timeout=30)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def is_well(self) -> bool:
        body = b'{"instances": [1.0]}'
        return self.post("/v1/models/half_plus_two:predict", body) == 200

    def resident_mb(self) -> float:
        return self._memory_mb("VmRSS")

    def peak_mb(self) -> float:
        return self._memory_mb("VmHWM")

    def _memory_mb(self, key: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [line] = [text for text in status.splitlines() if text.startswith(key)]
        return int(line.split()[1]) / 1024


@pytest.fixture(scope="module")
def server(models):
    running = Server(models / "half_plus_two")
    yield running
    running.channel.close()
    running.process.terminate()
    running.process.communicate(timeout=30)


@pytest.fixture(autouse=True)
def as_before(server):
    """After each test the server answers, and is not much larger than before."""
    before = server.resident_mb()
    yield
    assert server.process.poll() is None
    assert server.is_well()
    assert server.resident_mb() < before + 200


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([{"b64": "AAAA"}, {"b64": "!"}, 1e400, -(2**63), 2**64]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["x", "b64", "instances", "inputs", "examples", "signature_name"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)
keys = st.sampled_from(["instances", "inputs", "examples", "context", "signature_name", "other"])
bodies = st.dictionaries(keys, values, max_size=3).map(lambda body: json.dumps(body).encode())
verbs = st.sampled_from(["predict", "classify", "regress"])


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with a few bytes put in, taken out or changed."""
    change = st.tuples(st.floats(0, 1), st.integers(0, 4), st.binary(max_size=6))

    def apply(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
        for place, removed, added in changes:
            at = int(place * len(seed))
            seed = seed[:at] + added + seed[at + removed :]
        return seed

    return st.builds(apply, st.sampled_from(seeds), st.lists(change, min_size=1, max_size=4))


JSON_SEEDS = [
    b'{"instances": [1.0, 2.5, NaN, -Infinity]}',
    b'{"inputs": {"x": [[1, 2], [3, 4]]}, "signature_name": "serving_default"}',
    b'{"signature_name": "classify_x_to_y", "examples": [{"x": 1.0}, {"x": [2.0]}]}',
    b'{"signature_name": "regress_x_to_y", "context": {"x": 1.0}, "examples": [{"y": "a"}]}',
    b'{"instances": [{"x": {"b64": "aGVsbG8="}}, {"x": "h\\u00e4\\ud83d\\ude00"}]}',
]


@fuzz
@given(verb=verbs, body=bodies)
def test_json_of_any_form_is_answered(server, verb, body):
    assert server.post(f"/v1/models/half_plus_two:{verb}", body) in ANSWERS


@fuzz
@given(verb=verbs, body=mutated(JSON_SEEDS), packed=st.booleans())
def test_broken_json_is_answered(server, verb, body, packed):
    headers = {"Content-Encoding": "gzip"} if packed else {}
    sent = gzip.compress(body) if packed and len(body) % 2 else body
    assert server.post(f"/v1/models/half_plus_two:{verb}", sent, **headers) in ANSWERS


@fuzz
@given(
    parts=st.lists(
        st.sampled_from(["v1", "models", "half_plus_two", "versions", "labels", "1", "metadata"])
        | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8),
        max_size=7,
    ),
    verb=st.sampled_from(["", ":predict", ":Predict", ":classify", ":regress", "%3Apredict", ":"]),
)
def test_any_path_is_answered(server, parts, verb):
    path = "/" + "/".join(parts) + verb
    assert server.post(path, b'{"instances": [1.0]}') in ANSWERS


def _predict(**fields) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, **fields))
    request.inputs["x"].tensor_shape.dim.add().size = 2
    return bytes(request.SerializeToString())


def _input(request) -> bytes:
    task = request.tasks.add() if hasattr(request, "tasks") else request
    task.model_spec.name = "half_plus_two"
    task.model_spec.signature_name = "regress_x_to_y"
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2.0)
    return bytes(request.SerializeToString())


def _spec(request, **fields) -> bytes:
    request.model_spec.name = "half_plus_two"
    for name, value in fields.items():
        getattr(request, name).extend(value)
    return bytes(request.SerializeToString())


PROTO_SEEDS = {
    "PredictionService/Predict": [
        _predict(float_val=[1, 2]),
        _predict(tensor_content=b"\0\0\x80?\0\0\0@"),
    ],
    "PredictionService/Classify": [_input(classification_pb2.ClassificationRequest())],
    "PredictionService/Regress": [_input(regression_pb2.RegressionRequest())],
    "PredictionService/MultiInference": [_input(inference_pb2.MultiInferenceRequest())],
    "PredictionService/GetModelMetadata": [
        _spec(get_model_metadata_pb2.GetModelMetadataRequest(), metadata_field=["signature_def"])
    ],
    "ModelService/GetModelStatus": [_spec(get_model_status_pb2.GetModelStatusRequest())],
}
seeded = st.sampled_from(sorted(PROTO_SEEDS)).flatmap(
    lambda method: st.tuples(st.just(method), mutated(PROTO_SEEDS[method]))
)
shapes = st.lists(st.sampled_from([-1, 0, 1, 2, 3, 2**31, 2**62, -(2**63)]), max_size=4)


@fuzz
@given(call=seeded)
def test_mutated_protobufs_are_answered(server, call):
    method, request = call
    assert server.call(method, request) in STATUSES


@fuzz
@given(
    dtype=st.sampled_from(sorted(types_pb2.DataType.values())) | st.integers(0, 200),
    shape=shapes,
    content=st.binary(max_size=16),
    floats=st.lists(st.floats(width=32), max_size=4),
    texts=st.lists(st.binary(max_size=4), max_size=3),
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
)
def test_tensors_of_any_type_and_shape_are_answered(
    server, *, dtype, shape, content, floats, texts, numbers
):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half_plus_two"
    tensor = tensor_pb2.TensorProto(
        dtype=dtype,
        tensor_content=content,
        float_val=floats,
        string_val=texts,
        int64_val=numbers,
    )
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    request.inputs["x"].CopyFrom(tensor)
    status = server.call("PredictionService/Predict", bytes(request.SerializeToString()))
    assert status in STATUSES


def test_mutations_that_know_the_structure_are_answered_and_take_little_memory(server):
    """A small, seeded part of `python -m benchmarks.serving_fuzz`."""
    fuzzer = Fuzzer(server.address, server.rest, seed=REQUESTS)
    outcome = Outcome()
    fuzzer.run(REQUESTS, math.inf, outcome)
    assert outcome.wrong == []
    kinds = {kind for kind, _ in outcome.counts}
    assert kinds == {"protobuf", "JSON", "HTTP", "gzip"}
    assert server.peak_mb() < 2_000


def _compressed(server, request: bytes, compression: grpc.Compression) -> grpc.StatusCode:
    call = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    try:
        call(request, timeout=60, compression=compression)
    except grpc.RpcError as error:
        status: grpc.StatusCode = error.code()
        return status
    return grpc.StatusCode.OK


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_grpc_requests_are_answered_and_bombs_refused(server, compression):
    padded = predict_pb2.PredictRequest.FromString(_predict(float_val=[1, 2]))
    padded.model_spec.signature_name = "x" * 2_000  # long enough that gRPC compresses it
    status = _compressed(server, padded.SerializeToString(), compression)
    assert status is grpc.StatusCode.FAILED_PRECONDITION  # read: it has no such signature
    bomb = _predict(tensor_content=bytes(150 * 2**20))  # 150 kB on the wire
    before = server.peak_mb()
    status = _compressed(server, bomb, compression)
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert server.peak_mb() < before + 200


@pytest.mark.parametrize(
    "tiny", [b"\x12\0", b"\x1a\0", b"\x12\x04\x0a\0\x12\0"], ids=["inputs", "names", "tensors"]
)
def test_compressed_messages_of_tiny_fields_are_refused_before_they_are_parsed(server, tiny):
    # 20 MiB of empty inputs would take 1.8 GB.
    request = _predict(float_val=[1, 2]) + tiny * (20 * 2**20 // len(tiny))
    before = server.peak_mb()
    status = _compressed(server, request, grpc.Compression.Gzip)
    assert status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert server.peak_mb() < before + 300


def test_a_tensor_whose_bytes_look_like_tiny_fields_is_served(server):
    request = predict_pb2.PredictRequest.FromString(_predict())
    request.inputs["x"].tensor_content = b"\x12\0\x12\0" * 2**19
    request.inputs["x"].tensor_shape.dim[0].size = 2**19
    call = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    answer = predict_pb2.PredictResponse.FromString(
        call(request.SerializeToString(), timeout=60, compression=grpc.Compression.Gzip)
    )
    assert len(answer.outputs["y"].float_val) == 2**19


def test_json_of_texts_beyond_the_bound_is_refused_in_little_memory(server):
    before = server.peak_mb()
    body = b'{"instances": [' + b'"",' * (30 * 2**20) + b'""]}'
    assert server.post("/v1/models/half_plus_two:predict", body) == 413
    assert server.peak_mb() < before + 500
