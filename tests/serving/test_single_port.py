"""gRPC and REST on one port, as platforms with one port need it."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.options import ServerOptions
from serving.rest.grpc_tunnel import PREFACE
from serving.server import ModelServer
from tests.serving import tiny_models
from tests.serving.processes import predict_call, running


@pytest.fixture(scope="module")
def echo_options(tmp_path_factory) -> ServerOptions:
    base = tmp_path_factory.mktemp("echo")
    tiny_models.echo(base / "1", tf.float32)
    return ServerOptions(
        port=0,
        rest_api_port=-1,
        single_port=True,
        model_name="echo",
        model_base_path=str(base),
        enable_grpc_healthcheck_service=True,
    )


@pytest.fixture(scope="module")
def port(echo_options) -> Iterator[int]:
    with ModelServer(echo_options) as server:
        yield server.rest_port


def ask(channel: grpc.Channel, x: np.ndarray) -> np.ndarray:
    request = PredictRequest()
    request.model_spec.name = "echo"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
    response = PredictionServiceStub(channel).Predict(request, timeout=30)
    return np.array(response.outputs["y"].float_val, np.float32)


def test_both_answer_on_the_same_port(port):
    url = f"http://127.0.0.1:{port}/v1/models/echo:predict"
    assert httpx.post(url, json={"instances": [2.5]}).json() == {"predictions": [2.5]}
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert ask(channel, np.float32([2.5])) == [2.5]
        health = HealthStub(channel).Check(HealthCheckRequest(service="ModelService"))
        assert health.status == 1  # SERVING
    assert httpx.post(url, json={"instances": [3.5]}).json() == {"predictions": [3.5]}


def test_large_messages_pass_in_both_directions_at_once(port):
    # 4 MB each way on four connections: far more than the buffers of a connection hold.
    sent = np.arange(1_000_000, dtype=np.float32)
    answers = []

    def call() -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            answers.append(ask(channel, sent))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 4
    assert all(np.array_equal(answer, sent) for answer in answers)


def talk(port: int, *parts: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(0.02)
        return connection.recv(2**16)


def test_a_preface_in_pieces_reaches_grpc(port):
    # An empty SETTINGS frame follows the preface; the server's first frame is SETTINGS (type 4).
    pieces = [PREFACE[at : at + 5] for at in range(0, len(PREFACE), 5)]
    answer = talk(port, *pieces, bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    assert answer[3] == 4


def test_a_method_that_begins_like_the_preface_is_rest(port):
    answer = talk(port, b"PR", b"OPFIND /v1/models/echo HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Malformed request: PROPFIND /v1/models/echo" in answer


def test_without_the_flag_http_2_on_the_rest_port_is_refused(echo_options):
    with ModelServer(replace(echo_options, single_port=False)) as server:
        assert talk(server.rest_port, PREFACE).startswith(b"HTTP/1.1 400 ")


@pytest.mark.e2e
def test_the_process_of_a_container_answers_what_is_in_progress_before_it_ends(tmp_path):
    base = tmp_path / "gated"
    tiny_models.gated(base / "1")
    rest, by_grpc = str(tmp_path / "rest"), str(tmp_path / "grpc")
    # A grace that a slow machine does not exceed.
    flags = (f"--model_base_path={base}", "--model_name=gated", "--grace=120")
    with running(*flags, module="serving.container") as server, ThreadPoolExecutor(2) as pool:

        def ask_by_grpc() -> bytes:
            request = PredictRequest()
            request.model_spec.name = "gated"
            request.inputs["x"].CopyFrom(tf.make_tensor_proto([by_grpc]))
            with grpc.insecure_channel(f"127.0.0.1:{server.rest_port}") as channel:
                return predict_call(channel)(request, timeout=120)

        body = json.dumps({"instances": [rest]}).encode()
        path = "/v1/models/gated:predict"
        rest_answer = pool.submit(server.call, "POST", path, body, timeout_s=120)
        grpc_answer = pool.submit(ask_by_grpc)
        wait_until(lambda: all(Path(f"{gate}.reached").exists() for gate in (rest, by_grpc)))
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server.rest_port))
        assert not rest_answer.done()
        assert not grpc_answer.done()
        for number in range(10):
            Path(f"{rest}.open{number}").touch()
            Path(f"{by_grpc}.open{number}").touch()
        status, answer = rest_answer.result(60)
        response = PredictResponse.FromString(grpc_answer.result(60))
        assert server.process.wait(60) == 0
    assert (status, json.loads(answer)) == (200, {"predictions": [rest]})
    assert [text.decode() for text in response.outputs["y"].string_val] == [by_grpc]


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 100
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 10).close()
    except ConnectionRefusedError:
        return True
    return False
