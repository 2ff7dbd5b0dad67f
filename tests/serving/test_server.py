"""The whole server, in-process and as a command."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    ModelVersionStatus,
)
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from serving.errors import ServingError
from serving.options import ServerOptions
from serving.server import ModelServer


def ask(port: int, name: str, x: list[float], **spec) -> list[float]:
    request = PredictRequest()
    request.model_spec.name = name
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32(x)))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        response = PredictionServiceStub(channel).Predict(request, timeout=20)
    return list(response.outputs["y"].float_val)


@pytest.fixture(scope="module")
def half(models) -> ServerOptions:
    return ServerOptions(
        port=0,
        model_name="half",
        model_base_path=str(models / "half_plus_two"),
        enable_batching=True,
    )


def test_a_server_in_this_process_answers_on_a_free_port(half):
    with ModelServer(half) as server:
        assert ask(server.grpc_port, "half", [2]) == [4.0]  # version 2: x / 2 + 3
        assert server.rest_port == 0
        port = server.grpc_port
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
        pass


@pytest.mark.parametrize(
    ("compression", "words"),
    [
        (grpc.Compression.NoCompression, "larger than max"),
        (grpc.Compression.Gzip, "unpacked request exceeds the limit of 1000000 bytes"),
    ],
)
def test_a_channel_argument_bounds_messages_as_they_are_once_unpacked(half, compression, words):
    bounded = replace(half, grpc_channel_arguments="grpc.max_receive_message_length=1000000")
    request = PredictRequest()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.zeros(500_000, np.float32)))  # 2 MB
    with (
        ModelServer(bounded) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        with pytest.raises(grpc.RpcError, match=words) as caught:
            PredictionServiceStub(channel).Predict(request, timeout=20, compression=compression)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ask(server.grpc_port, "half", [2]) == [4.0]


def test_a_config_file_lists_models_with_versions_and_labels(models, tmp_path):
    file = tmp_path / "models.config"
    text = f"""model_config_list {{
      config {{ name: "half" base_path: "{models}/half_plus_two" model_platform: "tensorflow"
        model_version_policy {{ all {{}} }}
        version_labels {{ key: "stable" value: 1 }} }}
      config {{ name: "matrix" base_path: "{models}/matrix" model_platform: "tensorflow" }} }}"""
    file.write_text(text)
    options = ServerOptions(
        port=0,
        model_config_file=str(file),
        model_config_file_poll_wait_seconds=1,
        allow_version_labels_for_unavailable_models=True,
    )
    with ModelServer(options) as server:
        assert ask(server.grpc_port, "half", [2]) == [4.0]
        wait_until_available(server.grpc_port, "half", 1)  # the start waits for one version only
        assert ask(server.grpc_port, "half", [2], version=1) == [3.0]
        assert ask(server.grpc_port, "half", [2], label="stable") == [3.0]
        assert ask(server.grpc_port, "matrix", [[1, 2, 3]]) == [6.0]
        file.write_text(text.replace('"matrix" base', '"sums" base'))
        wait_until_available(server.grpc_port, "sums", 1)
        assert ask(server.grpc_port, "sums", [[1, 2, 3]]) == [6.0]


def wait_until_available(port: int, name: str, version: int) -> None:
    deadline = time.monotonic() + 20
    while not is_available(port, name, version):
        assert time.monotonic() < deadline, f"{name} {version} did not load within 20 s"
        time.sleep(0.05)


def is_available(port: int, name: str, version: int) -> bool:
    request = GetModelStatusRequest()
    request.model_spec.name = name
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            status = ModelServiceStub(channel).GetModelStatus(request, timeout=10)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return False
    states = {entry.version: entry.state for entry in status.model_version_status}
    return states.get(version) == ModelVersionStatus.AVAILABLE


def test_rest_on_a_free_port_answers_like_grpc_and_has_metrics(half, tmp_path):
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text('prometheus_config { enable: true path: "/numbers" }')
    options = replace(half, rest_api_port=-1, monitoring_config_file=str(monitoring))
    with ModelServer(options) as server:
        url = f"http://127.0.0.1:{server.rest_port}"
        answer = httpx.post(f"{url}/v1/models/half:predict", json={"instances": [2]}, timeout=20)
        assert answer.json() == {"predictions": [4.0]}
        assert httpx.get(f"{url}/readyz").status_code == 200
        assert ":tensorflow:serving:request_count" in httpx.get(f"{url}/numbers").text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/readyz")


def test_null_is_a_missing_value_with_the_flag_only(half):
    for is_lenient in (True, False):
        options = replace(half, rest_api_port=-1, rest_lenient=is_lenient, rest_api_timeout_in_ms=0)
        with ModelServer(options) as server:
            url = f"http://127.0.0.1:{server.rest_port}/v1/models/half:predict"
            answer = httpx.post(url, json={"instances": [2, None]}, timeout=20)
            if is_lenient:
                assert answer.text.split() == ["{", '"predictions":', "[4.0,", "NaN", "]", "}"]
            else:
                assert "Type: Null is not of expected type: float" in answer.json()["error"]


def test_a_rest_port_that_is_taken_is_an_error_and_closes_grpc(half):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = ModelServer(replace(half, rest_api_port=taken.getsockname()[1]))
        with pytest.raises(ServingError, match="Failed to start HTTP Server at 127"):
            server.start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.grpc_port), 1)


def test_grpc_listens_on_a_unix_socket_as_well(half, tmp_path):
    path = tmp_path / "grpc.sock"
    with ModelServer(replace(half, grpc_socket_path=str(path))):
        assert path.is_socket()


def test_health_is_served_only_where_asked(half):
    from grpc_health.v1.health_pb2 import HealthCheckRequest
    from grpc_health.v1.health_pb2_grpc import HealthStub

    def check(port: int) -> int:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            return HealthStub(channel).Check(HealthCheckRequest(service="ModelService")).status

    with ModelServer(replace(half, enable_grpc_healthcheck_service=True)) as server:
        assert check(server.grpc_port) == 1  # SERVING
    with ModelServer(half) as server, pytest.raises(grpc.RpcError) as caught:
        check(server.grpc_port)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_port_that_is_taken_is_an_error(half):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = replace(half, port=taken.getsockname()[1])
        with pytest.raises(ServingError, match="Failed to BuildAndStart gRPC server"):
            ModelServer(options).start()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_base_path": ""}, "Both server_options.model_base_path and server_options"),
        ({"model_base_path": "models"}, "to have an absolute path or URI"),
        ({"enable_batching": False, "batching_parameters_file": "/x"}, "without setting server_o"),
        ({"batching_parameters_file": "/x"}, "/x; No such file or directory"),
        ({"monitoring_config_file": "/x"}, "/x; No such file or directory"),
        ({"tensorflow_session_config_file": "/x"}, "/x; No such file or directory"),
        ({"ssl_config_file": "/x"}, "/x; No such file or directory"),
    ],
)
def test_wrong_options_do_not_start(half, changes, message):
    with pytest.raises(ServingError, match=message):
        ModelServer(replace(half, **changes)).start()


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "serving.server", "--port=0", *flags]


def run(project, *flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(command(*flags), cwd=project, capture_output=True, text=True, check=False)


def test_a_config_that_cannot_be_parsed_ends_the_start(project, tmp_path):
    file = tmp_path / "models.config"
    file.write_text("model_config_list { config { nme: 'half' } }")
    done = run(project, f"--model_config_file={file}")
    assert done.returncode == 255
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:30: " in done.stderr
    assert (
        f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{file}'\n"
        in done.stderr
    )


def test_a_model_that_does_not_load_ends_the_start(project, tmp_path):
    from tests.serving import tiny_models

    base = tmp_path / "half"
    tiny_models.broken(base / "1")
    done = run(
        project, "--model_name=half", f"--model_base_path={base}", "--max_num_load_retries=0"
    )
    assert done.returncode == 255
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: half version: 1} due to error: "
    )
    assert "as binary proto" in last


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_the_command_serves_until_a_signal_stops_it(project, models, tmp_path, number, code):
    base = tmp_path / "half"
    shutil.copytree(models / "half_plus_two" / "1", base / "1")
    with subprocess.Popen(
        command("--model_name=half", f"--model_base_path={base}"),
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        lines = iter(server.stderr)
        started = next(line for line in lines if "Running gRPC ModelServer at " in line)
        port = int(started.partition("127.0.0.1:")[2].partition(",")[0])
        assert ask(port, "half", [2]) == [3.0]
        server.send_signal(number)
        rest = list(lines)
    assert server.returncode == code
    assert any("Unloaded model half version 1" in line for line in rest)
    assert not any("Traceback" in line for line in rest)
