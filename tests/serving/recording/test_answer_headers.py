"""What an answer of a recording server says besides its body."""

from collections.abc import Iterator

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.options import ServerOptions
from serving.server import ModelServer
from tests.serving.tiny_models import half_plus_two

BEHIND_A_GATEWAY = {"x-request-id": "mine", "x-faultline-arm": "stable"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("served")
    half_plus_two(folder / "half" / "3")
    options = ServerOptions(
        port=0,
        rest_api_port=-1,
        model_name="half",
        model_base_path=str(folder / "half"),
        collect_dir=str(folder / "collected"),
        collect_arm="stable",
    )
    with ModelServer(options) as server:
        yield server


def rest_headers(server: ModelServer, headers: dict[str, str], body: str) -> httpx.Headers:
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/half:predict"
    return httpx.post(url, content=body, headers=headers).headers


def grpc_headers(server: ModelServer, headers: dict[str, str]) -> dict[str, str]:
    request = PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        predict = PredictionServiceStub(channel).Predict
        _, call = predict.with_call(request, metadata=list(headers.items()), timeout=30)
        return dict(call.initial_metadata())


def test_behind_a_gateway_an_answer_names_the_version_that_gave_it(server):
    rest = rest_headers(server, BEHIND_A_GATEWAY, '{"instances": [1.0]}')
    over_grpc = grpc_headers(server, BEHIND_A_GATEWAY)

    assert (rest["x-request-id"], rest["x-faultline-version"]) == ("mine", "3")
    assert (over_grpc["x-request-id"], over_grpc["x-faultline-version"]) == ("mine", "3")


def test_a_refusal_of_a_version_names_it_and_one_of_no_version_names_none(server):
    wrong_input = rest_headers(server, BEHIND_A_GATEWAY, '{"inputs": {"y": [1.0]}}')
    no_json = rest_headers(server, {**BEHIND_A_GATEWAY, "x-request-id": "b"}, "{")
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/other:predict"
    no_model = httpx.post(url, content='{"instances": [1.0]}', headers=BEHIND_A_GATEWAY)

    assert wrong_input["x-faultline-version"] == "3"
    assert no_model.status_code == 404
    assert "x-faultline-version" not in no_model.headers
    assert no_json["x-request-id"] == "b"


def test_without_a_gateway_an_answer_is_that_of_tensorflow_serving(server):
    rest = rest_headers(server, {"x-request-id": "mine"}, '{"instances": [1.0]}')

    assert rest["x-request-id"] == "mine"
    assert "x-faultline-version" not in rest
    assert "x-faultline-version" not in grpc_headers(server, {"x-request-id": "mine"})
