"""`faultline serve` in a process of its own, and what it prints."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPResponse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from commands.serve.alone import (
    differences_from_rollouts,
    models_config,
    print_addresses,
    pushed_models,
    serve,
    signing_flags,
)
from commands.serve.gateway import _gateway_spec, serve_gateway, traffic_words
from commands.serve.printing import Curl, example_line, sample_row
from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config_loading import load_config
from production.gateway.envoy_files import ServerAddress
from production.gateway.members import server_command
from production.gateway.traffic import Arm, Pin, Traffic
from production.rollout.actions import begin
from serving.client import Client, ServingClientError, TensorSpec
from tests.pipeline.prediction.readings import CONFIG, write_config
from tests.signed_versions import make_pair


def spec(name, dtype, *shape) -> TensorSpec:
    return TensorSpec(name=name, dtype=np.dtype(dtype), shape=shape)


def test_a_sample_row_has_what_each_input_takes():
    inputs = [spec("a", "float32", -1), spec("b", "object", -1), spec("c", "int64", -1, 2)]
    assert sample_row({each.name: each for each in inputs}) == {"a": 0.0, "b": "", "c": [0, 0]}


@pytest.mark.parametrize("num_samples", [2, 500])
def test_the_line_for_a_model_of_pictures_sends_a_file_of_any_size(tmp_path, num_samples):
    # 300 kB are more than a single argument may have.
    content = bytes(range(256)) * 1_200
    (tmp_path / "FILE").write_bytes(content)
    row = {'5 % "wet"': 0.0, "image": "", "v": [0.0] * num_samples, "site's": ""}
    line = Curl("http://host:1", tmp_path, "-k ").predict("parts", row, {"image"})
    body, send = line.split(" | ")
    assert send == "curl -k -d @- http://host:1/v1/models/parts:predict"
    assert len(line) < 600
    sent = subprocess.run(
        ["bash", "-c", body], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    picture = {"b64": base64.b64encode(content).decode()}
    assert json.loads(sent) == {"instances": [row | {"image": picture}]}


def test_the_documents_show_the_line_that_is_printed(project, tmp_path):
    line = Curl("http://127.0.0.1:8501", tmp_path).predict(
        "spoken_digits", {"sound": ""}, ["sound"]
    )
    text = (project / "docs/recordings.md").read_text().replace("|\n  curl -s", "| curl")
    assert line.replace("FILE", "four.wav") in text


@pytest.mark.parametrize("content", [b"", b"[]", b'{"inputs": 3}', b"\xff"])
def test_a_damaged_description_of_a_model_costs_only_the_example(tmp_path, content):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra/model_info.json").write_bytes(content)
    line = example_line(Curl("http://127.0.0.1:8501", tmp_path), "wells", tmp_path, {})
    assert line.startswith("# no example, since ")
    assert "model_info.json cannot be read" in line


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


def test_it_warns_if_rollouts_chose_another_version(tmp_path):
    folder = OutputFolder(tmp_path)
    (tmp_path / "serving" / "signals" / "1").mkdir(parents=True)
    assert differences_from_rollouts(folder, ["signals"]) == []
    begin(folder, "signals")
    assert differences_from_rollouts(folder, ["signals"]) == []
    (tmp_path / "serving" / "signals" / "2").mkdir()
    (warning,) = differences_from_rollouts(folder, ["signals"])
    assert "signals/2, the newest version, is served" in warning
    assert "chose signals/1" in warning
    (folder.rollouts("signals") / "journal.jsonl").write_text("{}\n", encoding="utf-8")
    (damage,) = differences_from_rollouts(folder, ["signals"])
    assert "line 1" in damage


def test_an_address_in_brackets_is_printed_as_it_is(tmp_path, capsys):
    server = SimpleNamespace(grpc_port=8500, rest_port=0)
    print_addresses(server, OutputFolder(tmp_path), "[fd00::1]", ["wells"], tmp_path)
    assert capsys.readouterr().out.startswith("Serving wells: gRPC on [fd00::1]:8500\n")


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


def _processes(output) -> dict[str, int]:
    """The process ids that a gateway has written down."""
    files = (output / "gateway" / "readings").glob("*.pid")
    return {file.stem: int(file.read_text().split()[0]) for file in files}


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _until(condition, timeout_s: float = 60):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


@pytest.fixture
def two_versions(pushed, tmp_path):
    """An output folder with versions 7 and 8 of `readings`."""
    for version in ("7", "8"):
        shutil.copytree(
            pushed / "serving" / "readings" / "7", tmp_path / "serving/readings" / version
        )
    return tmp_path


@pytest.mark.e2e
def test_a_killed_gateway_leaves_no_process_and_the_next_one_goes_on(project, two_versions):
    flags = ("--gateway", "--", "--port=0", "--rest_api_port=-1", "--grace=5")
    with _start(project, two_versions, *flags) as killed:
        text, _ = _read_until(killed.stdout, r"curl -d .*:predict\n")
        assert "Serving readings: gRPC on 127.0.0.1:" in text
        assert "readings/8 answers all requests." in text
        left = _processes(two_versions)
        assert sorted(left) == ["candidate", "envoy", "stable"]
        killed.kill()
        killed.communicate(timeout=30)
    with _start(project, two_versions, *flags) as process:
        try:
            text, address = _read_until(process.stdout, r"REST on (\S+)\n")
            assert not any(map(_is_running, left.values()))
            _read_until(process.stdout, r"curl -d .*:predict\n")
            left = _processes(two_versions)
            host, port = address[1].split(":")
            with socket.create_connection((host, int(port)), timeout=30) as request:
                # The body is yet to come when the signal does.
                path = "/v1/models/readings:predict"
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{"
                request.sendall(head.encode())
                time.sleep(0.5)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.5)
                request.sendall(b"}")
                # Head and body may come apart.
                answer = HTTPResponse(request)
                answer.begin()
                body = answer.read().decode()
            assert (answer.version, answer.status) == (11, 400)
            assert "Missing 'inputs' or 'instances' key" in body  # the server's own words
        except BaseException:
            process.kill()
            raise
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "Stopped by SIGTERM.\n")
    assert not any(map(_is_running, left.values()))
    assert _processes(two_versions) == {}


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--model_name=x",), "--model_name cannot be used with --gateway: the gateway serves one"),
        (("--ssl_config_file=x",), "set `gateway.tls` in the config"),
        (("--rest_api_port=0",), "--rest_api_port=0 cannot be used with --gateway"),
        (("--port=9", "--rest_api_port=9"), "--rest_api_port and --port are both 9"),
        (("--host=nowhere",), "host must be an IP address"),
        (("--prot=1",), "Did you mean: port"),
    ],
)
def test_flags_that_do_not_suit_a_gateway_are_refused(flags, words, two_versions):
    with pytest.raises(InputError, match=re.escape(words)):
        serve_gateway(None, two_versions, flags)
    assert not (two_versions / "gateway").exists()


@pytest.mark.tensorflow  # writes a model
def test_a_config_that_trusts_keys_makes_the_server_require_signatures(two_versions, tmp_path):
    pair = make_pair(tmp_path / "keys")
    path = write_config(tmp_path, CONFIG + "signing: {public_keys: [keys/model-key.pub]}")
    flags = ["--require_signed_models", f"--model_public_key={pair.public}"]
    assert signing_flags(load_config(path)) == flags
    assert signing_flags(load_config(write_config(tmp_path))) == signing_flags(None) == []
    pair.public.unlink()
    path = write_config(tmp_path, CONFIG + "signing: {public_keys: [keys/model-key.pub]}")
    with pytest.raises(InputError, match=r"public key .* cannot be read"):
        serve(path, two_versions, ())
    with pytest.raises(InputError, match=r"public key .* cannot be read"):
        serve_gateway(path, two_versions, ())


@pytest.mark.tensorflow  # writes a model
def test_both_servers_behind_a_gateway_require_signatures(two_versions, tmp_path):
    make_pair(tmp_path / "keys")
    path = write_config(tmp_path, CONFIG + "signing: {public_keys: [keys/model-key.pub]}")
    config = load_config(path)
    spec = _gateway_spec(OutputFolder(two_versions), "readings", config, ("--enable_batching",))
    assert spec.server_flags == (*signing_flags(config), "--enable_batching")
    for arm in Arm:
        address = ServerAddress(host="127.0.0.1", grpc=1, rest=2)
        command = server_command(spec, arm, address, tmp_path / "models.config")
        assert "--require_signed_models" in command.arguments


@pytest.mark.tensorflow  # writes a model
def test_a_key_in_a_flag_is_read_before_the_server_starts(two_versions, tmp_path):
    flags = ("--require_signed_models", f"--model_public_key={tmp_path / 'none.pub'}")
    with pytest.raises(InputError, match=r"public key .* cannot be read"):
        serve(None, two_versions, flags)


def test_a_gateway_of_several_models_needs_a_config(tmp_path):
    for path in ("signals/12", "taxi/3"):
        (tmp_path / "serving" / path).mkdir(parents=True)
    with pytest.raises(InputError, match=r"Several models were pushed: signals, taxi\. "):
        serve_gateway(None, tmp_path, ())
    with pytest.raises(InputError, match="No model was pushed below"):
        serve_gateway(None, tmp_path / "absent", ())


def test_the_traffic_is_told_in_words():
    stable, candidate = Pin(base="m", version=7), Pin(base="m", version=8)
    assert traffic_words(Traffic(stable=stable)) == "m/7 answers all requests."
    rollout = Traffic(
        stable=stable, candidate=candidate, candidate_percent=10, mirrored_percent=50, salt="r3"
    )
    assert traffic_words(rollout) == (
        "Rollout r3: m/8 answers 10 % of the keys, m/7 answers the others. Copies to the other "
        "model: 50 % of the requests."
    )
