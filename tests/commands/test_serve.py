"""`faultline serve` in a process of its own, and what it prints."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from commands.serve import _is_taken, models_config, pushed_models, sample_row
from common.output_folder import OutputFolder
from serving.client import Client, ServingClientError, TensorSpec


def spec(name, dtype, *shape) -> TensorSpec:
    return TensorSpec(name=name, dtype=np.dtype(dtype), shape=shape)


def test_a_sample_row_has_what_each_input_takes():
    inputs = [spec("a", "float32", -1), spec("b", "object", -1), spec("c", "int64", -1, 2)]
    assert sample_row({each.name: each for each in inputs}) == {"a": 0.0, "b": "", "c": [0, 0]}


def test_only_use_cases_with_a_version_are_served(tmp_path):
    for path in ("signals/12", "taxi", "notes.txt"):
        (tmp_path / "serving" / path).mkdir(parents=True)
    assert pushed_models(OutputFolder(tmp_path)) == ["signals"]
    assert pushed_models(OutputFolder(tmp_path / "absent")) == []


def test_of_one_use_case_the_model_and_its_shadow_are_served(tmp_path):
    for path in ("signals/12", "signals_shadow/1", "taxi/3"):
        (tmp_path / "serving" / path).mkdir(parents=True)
    assert pushed_models(OutputFolder(tmp_path), "signals") == ["signals", "signals_shadow"]
    assert pushed_models(OutputFolder(tmp_path), "pumps") == []


@pytest.mark.tensorflow
def test_the_config_of_models_is_tensorflow_servings(tmp_path):
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    text = models_config(OutputFolder(tmp_path), ["signals", "taxi"])
    parsed = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert [each.name for each in parsed] == ["signals", "taxi"]
    assert parsed[1].base_path == str(tmp_path / "serving" / "taxi")


def _start(project, pushed, *more):
    return subprocess.Popen(
        [sys.executable, str(project / "faultline.py"), "serve", "--output", str(pushed), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def _read_until(stream, pattern: str, timeout_s: float = 60) -> tuple[str, re.Match]:
    text, deadline = "", time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        line = stream.readline()
        text += line
        found = re.search(pattern, text)
        if found:
            return text, found
        assert line, text
    raise AssertionError(text)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGTERM, 0, "Stopped by SIGTERM.\n"),
        (signal.SIGHUP, 129, "Stopped by SIGHUP.\n"),
    ],
)
def test_a_signal_stops_it_in_order(number, code, words, project, pushed):
    flags = ("--", "--port=0", "--rest_api_port=0")
    with _start(project, pushed, *flags) as process:
        try:
            _read_until(process.stdout, "New versions are served")
        finally:
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (code, words)


@pytest.mark.e2e
def test_the_printed_addresses_answer_and_the_printed_curl_works(project, pushed):
    flags = ("--", "--port=0", "--rest_api_port=-1")
    with _start(project, pushed, *flags) as process:
        try:
            text, found = _read_until(process.stdout, r"(curl -d .*:predict)\n")
            assert "Serving readings: gRPC on 127.0.0.1:" in text
            answer = subprocess.run(
                ["bash", "-c", f"{found[1]} --silent"], capture_output=True, text=True, check=True
            ).stdout
            # Zeros: sigmoid(0) = 0.5.
            assert re.search(r'"probability": \[\s*0.5\s*\]', answer), answer
            port = re.search(r"gRPC on 127.0.0.1:(\d+)", text)
            with Client(f"grpc://127.0.0.1:{port[1]}", model="readings") as client:
                assert [each.state for each in client.status()] == ["AVAILABLE"]
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "Stopped.\n"


def _push(source, base, version):
    """As the Pusher does: the version appears whole."""
    base.mkdir(exist_ok=True)
    shutil.copytree(source, base / ".incoming-1")
    (base / ".incoming-1").rename(base / version)


def _wait_for_version(client, version, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if client.metadata().version == version:
                return
        except ServingClientError as error:
            if error.code != "NOT_FOUND":  # the model is not there yet
                raise
        time.sleep(0.1)
    raise AssertionError(f"version {version} is not served")


@pytest.mark.e2e
def test_use_cases_and_shadows_that_are_pushed_later_are_served_too(project, pushed, tmp_path):
    serving = tmp_path / "serving"
    model = pushed / "serving" / "readings" / "7"
    shutil.copytree(model, serving / "readings" / "7")
    with _start(project, tmp_path, "--", "--port=0", "--rest_api_port=0") as process:
        try:
            text, _ = _read_until(process.stdout, "New versions are served")
            port = re.search(r"gRPC on 127.0.0.1:(\d+)", text)[1]
            for name, version in (("readings_shadow", "8"), ("pumps", "9"), ("readings", "10")):
                _push(model, serving / name, version)
                if name != "readings":
                    _read_until(process.stdout, f"Serving {name} too")
                with Client(f"grpc://127.0.0.1:{port}", model=name) as client:
                    _wait_for_version(client, int(version))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--", "--prot=1"), 2, "Did you mean: port"),
        (("--config", "absent.yaml"), 2, "no such file"),
        (("--", "--grpc_channel_arguments=x"), 2, "is not of the form key=value"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_loaded(flags, code, words, project, pushed):
    with _start(project, pushed, *flags) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert words in errors


@pytest.mark.e2e
def test_a_port_that_is_taken_is_named_with_the_flags_that_choose_another(project, pushed):
    with socket.create_server(("127.0.0.1", 0)) as rest:
        port = rest.getsockname()[1]
        with _start(project, pushed, "--", "--port=0", f"--rest_api_port={port}") as process:
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors == (
        f"Error: Already in use on 127.0.0.1: port {port} (REST). Stop the program that listens "
        "there, or choose other ports, such as:\n"
        "faultline serve -- --port=9000 --rest_api_port=9001\n"
    )


def test_only_a_port_that_another_program_listens_on_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert _is_taken("127.0.0.1", port)
    assert not _is_taken("127.0.0.1", port)
    assert not _is_taken("127.0.0.1", -1)
    assert not _is_taken("no-such-host.invalid", port)
