"""Flags: failing starts, waiting starts, and the effect of each flag."""

import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.serving.contract.launching import always, eventually, takes_connections, within
from tests.serving.contract.lifecycle import AVAILABLE, END, SECONDS_OF_TWO_POLLS, Models
from tests.serving.contract.wires import Grpc

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row
X = {"instances": [0.0]}
EXIT_CODE = 255


def write_config(folder: Path, entries) -> Path:
    from tests.serving.contract.models import model_config

    path = folder / "models.config"
    # By a rename: a server that polls the file never reads half of it.
    (folder / "new.config").write_text(model_config(entries), encoding="utf-8")
    return (folder / "new.config").replace(path)


@pytest.fixture(scope="module")
def failing(launch, tmp_path_factory, waiting):
    """Servers that must not start, by what is wrong; all are started at once, with `waiting`."""
    from tests.serving import tiny_models

    folder = tmp_path_factory.mktemp("failing")
    good = tiny_models.half_plus_two(folder / "m" / "1").parent
    broken = tiny_models.broken(folder / "broken" / "1").parent
    (folder / "label").mkdir()
    label = 'version_labels { key: "stable" value: 1 }'
    (folder / "no.config").write_text("this is { no config", encoding="utf-8")
    (folder / "batching.config").write_text("max_batch_size { value: 4 }", encoding="utf-8")
    one = {"model_name": "m", "model_base_path": good}
    return {
        "broken": launch(model_name="m", model_base_path=broken, max_num_load_retries=0),
        "label": launch(model_config_file=write_config(folder / "label", {"m": (good, label)})),
        "config": launch(model_config_file=folder / "no.config"),
        "batching": launch(batching_parameters_file=folder / "batching.config", **one),
    }


@row("start-up: failure")
def test_a_model_that_does_not_load_ends_the_start(failing):
    server = failing["broken"]
    assert server.wait_for_exit() == EXIT_CODE
    assert "Failed to start server. Error: " in server.output()
    assert "did not become available" in server.output()


@row("start-up: labels need the flag")
def test_a_label_in_the_first_config_ends_the_start(failing):
    server = failing["label"]
    assert server.wait_for_exit() == EXIT_CODE
    message = (
        "Request to assign label to version 1 of model m, "
        "which is not currently available for inference"
    )
    assert message in server.output()


@row("start-up: a config that cannot be read")
def test_a_config_that_cannot_be_read_ends_the_start(failing):
    server = failing["config"]
    assert server.wait_for_exit() != 0
    message = "Error parsing text-format tensorflow.serving.ModelServerConfig"
    assert message in server.output()


@row("batching: a file needs the flag")
def test_a_batching_file_without_batching_ends_the_start(failing):
    assert failing["batching"].wait_for_exit() != 0
    assert "batching" in failing["batching"].output()


@pytest.fixture(scope="module")
def plain(launch, tmp_path_factory):
    """As few flags as can be: gRPC on 8500, nothing else."""
    from tests.serving import tiny_models

    if takes_connections("127.0.0.1:8500"):
        pytest.skip("port 8500, the default of gRPC, is taken on this machine")
    folder = tmp_path_factory.mktemp("plain")
    tiny_models.half_plus_two(folder / "m" / "1", offset=1.0)
    server = launch(
        port=None,
        rest_api_port=None,
        model_name="m",
        model_base_path=folder / "m",
        file_system_poll_wait_seconds=0,
        allow_version_labels_for_unavailable_models="true",
    )
    return Models(server.wait_until_open(), folder)


def predict(grpc: Grpc, model: str, *, label: str = "", metadata=()):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    if label:
        request.model_spec.version_label = label
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([0.0]))
    return grpc.prediction.Predict(request, timeout=30, metadata=metadata)


@row("flag: --port")
@row("flag: --model_name")
@row("flag: --model_base_path")
def test_grpc_listens_on_8500_by_default(plain):
    answer = predict(plain.server.grpc, "m")
    assert (list(answer.outputs["y"].float_val), answer.model_spec.version.value) == ([1.0], 1)


@row("flag: --rest_api_port")
@row("path: REST is off by default")
def test_rest_is_off_by_default(plain):
    pid = plain.server.process.pid
    listening = Path(f"/proc/{pid}/net/tcp")
    if not listening.exists():
        pytest.skip("which ports a process listens on is read from /proc")
    assert not takes_connections("127.0.0.1:8501")
    sockets = {
        str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()
    }
    ports = {
        int(line.split()[1].rsplit(":", 1)[1], 16)
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in sockets
    }
    assert ports == {8500}


@row("health: off by default")
def test_health_is_off_by_default(plain):
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    check = health_pb2_grpc.HealthStub(plain.server.grpc.channel).Check
    with pytest.raises(grpc.RpcError) as caught:
        check(health_pb2.HealthCheckRequest(service="ModelService"), timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@row("flag: --file_system_poll_wait_seconds")
@row("lifecycle: 0 polls once")
def test_zero_polls_for_versions_once(plain):
    from tests.serving import tiny_models

    tiny_models.half_plus_two(plain.folder / "m" / "2")
    always(
        1,
        lambda: predict(plain.server.grpc, "m").model_spec.version.value,
        duration_s=SECONDS_OF_TWO_POLLS,
    )
    shutil.rmtree(plain.folder / "m" / "2")


@row("flag: --allow_version_labels_for_unavailable_models")
@row("lifecycle: the flag covers new labels only")
def test_the_flag_allows_new_labels_only(plain):
    import grpc

    def labels(version: int) -> str:
        return f'version_labels {{ key: "stable" value: {version} }}'

    plain.reload(m=labels(1))
    assert predict(plain.server.grpc, "m", label="stable").model_spec.version.value == 1
    code, message = plain.refused(m=labels(9))
    assert code == "FAILED_PRECONDITION"
    assert message.startswith("Request to assign label to version 9 of model m, ")
    plain.reload(m=labels(1) + ' version_labels { key: "later" value: 9 }')
    with pytest.raises(grpc.RpcError) as caught:
        predict(plain.server.grpc, "m", label="later")
    assert caught.value.details() == "Servable not found for request: Specific(m, 9)"


@pytest.fixture(scope="module")
def waiting(launch, tmp_path_factory):
    """Every flag that the others leave out; its model has no version yet."""
    from tests.serving import tiny_models
    from tests.serving.contract.models import BATCHING

    folder = tmp_path_factory.mktemp("waiting")
    (folder / "m").mkdir()
    tiny_models.slow(folder / "slow" / "1", num_rounds=500_000)
    (folder / "batching.config").write_text(BATCHING, encoding="utf-8")
    (folder / "monitoring.config").write_text(
        'prometheus_config { enable: true path: "/metrics/here" }', encoding="utf-8"
    )
    server = launch(
        model_config_file=write_config(
            folder, {"m": (folder / "m", ""), "slow": (folder / "slow", "")}
        ),
        model_config_file_poll_wait_seconds=1,
        monitoring_config_file=folder / "monitoring.config",
        enable_batching="true",
        batching_parameters_file=folder / "batching.config",
        rest_api_enable_cors_support="true",
        rest_api_timeout_in_ms=200,
        grpc_socket_path=folder / "socket",
        grpc_channel_arguments="grpc.max_metadata_size=150000,grpc.absolute_max_metadata_size=200000",
    )
    return Models(server, folder)


@pytest.fixture(scope="module")
def opened(waiting):
    """The same server once its model has a version, 1."""
    from tests.serving import tiny_models

    # A server that does not wait opens within ten seconds of its start.
    remaining_s = waiting.server.started_s + 10.0 - time.monotonic()
    was_open = within(waiting.server.is_open, timeout_s=remaining_s)
    assert waiting.server.process.poll() is None, waiting.server.output()
    written = tiny_models.half_plus_two(waiting.folder / ".m" / "1", offset=1.0)
    shutil.move(written, waiting.folder / "m" / "1")
    waiting.server.wait_until_open()
    return waiting, was_open


@row("start-up: ports open when every model has a version")
@row("start-up: no version waits")
@row("start-up: gRPC opens when every model is loaded")
def test_ports_are_closed_until_every_model_has_a_version(opened):
    models, was_open = opened
    assert not was_open
    assert models.states("m") == {"1": AVAILABLE}
    assert list(predict(models.server.grpc, "m").outputs["y"].float_val) == [1.0]


@row("flag: --monitoring_config_file")
def test_metrics_have_the_path_of_the_config(opened):
    rest = opened[0].server.rest
    assert b":tensorflow:serving:" in rest.get("/metrics/here").body
    assert rest.get("/monitoring/prometheus/metrics").status == 404


@row("flag: --rest_api_enable_cors_support")
@row("CORS: only with the flag")
def test_cors_headers_with_the_flag(opened):
    rest = opened[0].server.rest
    origin = {"Origin": "http://example.org"}
    for method, body in (("OPTIONS", None), ("POST", X)):
        answer = rest.call(method, "/v1/models/m:predict", body, origin)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] in ("*", "http://example.org")


@row("flag: --grpc_socket_path")
def test_grpc_listens_on_a_unix_socket_as_well(opened):
    grpc = Grpc(f"unix:{opened[0].folder / 'socket'}")
    try:
        assert list(predict(grpc, "m").outputs["y"].float_val) == [1.0]
    finally:
        grpc.close()


@row("flag: --grpc_channel_arguments")
def test_channel_arguments_reach_grpc(opened, stubs):
    import grpc

    # 100 kB of metadata; without the arguments gRPC refuses more than 16 kB.
    metadata = [("padding", "x" * 100_000)]
    answer = predict(opened[0].server.grpc, "m", metadata=metadata)
    assert list(answer.outputs["y"].float_val) == [1.0]
    with pytest.raises(grpc.RpcError) as caught:
        predict(stubs, "half_plus_two", metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@row("flag: --rest_api_timeout_in_ms")
@row("HTTP: DEADLINE_EXCEEDED 504")
def test_a_rest_call_that_takes_too_long_is_504(opened):
    assert opened[0].server.rest.predict("slow", X).status == 504


@row("flag: --enable_batching")
@row("flag: --batching_parameters_file")
@row("batching: fields of the file")
def test_batching_merges_and_splits_requests(opened):
    # Of ten clients at once each gets its own answer, whatever they share a run with.
    rest, answers = opened[0].server.rest, {}

    def ask(number: int) -> None:
        answers[number] = rest.predict("m", {"instances": [number] * (number % 3 + 1)})

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert {number: answer.json for number, answer in answers.items()} == {
        number: {"predictions": [number / 2 + 1] * (number % 3 + 1)} for number in range(10)
    }


@row("batching: fields of the file")
def test_a_request_larger_than_a_batch_is_refused(opened):
    answer = opened[0].server.rest.predict("m", {"instances": [0.0] * 5})
    assert answer.status == 400
    assert "5" in answer.error


@row("flag: --model_config_file")
@row("flag: --model_config_file_poll_wait_seconds")
@row("lifecycle: config file polling")
def test_a_changed_config_file_is_read_again(opened):
    from tests.serving import tiny_models

    models = opened[0]
    tiny_models.half_plus_two(models.folder / "second" / "1", offset=5.0)
    write_config(models.folder, {name: (models.folder / name, "") for name in ("m", "second")})
    eventually(lambda: models.states("second") == {"1": AVAILABLE})
    models.wait_for("slow", {"1": END})
    assert (models.offset("second"), models.offset("m")) == (5.0, 1.0)


@row("metrics: batching_session")
def test_batches_are_measured(opened):
    opened[0].server.rest.predict("m", X)
    lines = opened[0].server.rest.get("/metrics/here").body.decode().splitlines()
    names = {line.partition("{")[0].partition(" ")[0] for line in lines}
    prefix = ":tensorflow:serving:batching_session:"
    assert f"{prefix}wrapped_run_count" in names
    sampled = ("queuing_latency", "input_batch_size", "padding_size", "processed_batch_size")
    assert {f"{prefix}{name}_count" for name in sampled} <= names


@row("gRPC: metric_names of a reload")
def test_a_reload_answers_the_increase_of_counters(plain):
    from tensorflow_serving.apis import model_management_pb2

    request = model_management_pb2.ReloadConfigRequest(metric_names=["/tensorflow/nothing"])
    request.config.model_config_list.config.add(
        name="m", base_path=str(plain.folder / "m"), model_platform="tensorflow"
    )
    answer = plain.server.grpc.models.HandleReloadConfigRequest(request, timeout=60)
    got = [(metric.name, metric.int64_value_increase) for metric in answer.metric]
    assert got == [("/tensorflow/nothing", 0)]


@pytest.fixture(scope="module")
def rarer(launch, tmp_path_factory):
    """Flags that few use, and values that change nothing; its model has no method names."""
    from tests.serving import tiny_models

    folder = tmp_path_factory.mktemp("rarer")
    tiny_models.native(folder / "m" / "1")
    tiny_models.half_plus_two(folder / "batched" / "1")
    (folder / "batched" / "1" / "batching_params.pbtxt").write_text(
        "max_batch_size { value: 4 } enable_large_batch_splitting { value: true } "
        "max_execution_batch_size { value: 2 }",
        encoding="utf-8",
    )
    (folder / "session.config").write_text("log_device_placement: false", encoding="utf-8")
    server = launch(
        model_config_file=write_config(
            folder, {"m": (folder / "m", ""), "batched": (folder / "batched", "")}
        ),
        enable_signature_method_name_check="true",
        enable_serialization_as_tensor_content="true",
        enable_batching="true",
        enable_per_model_batching_parameters="true",
        tensorflow_session_config_file=folder / "session.config",
        rest_api_timeout_in_ms=0,
        num_request_iterations_for_warmup=0,
        model_config_file_poll_wait_seconds=-1,
        ssl_config_file="",
        platform_config_file="",
        thread_pool_factory_config_file="",
        mixed_precision="",
        rest_api_num_threads=16,
        grpc_max_threads=16,
        num_load_threads=2,
        num_unload_threads=2,
        flush_filesystem_caches="false",
        use_alts_credentials="false",
        per_process_gpu_memory_fraction=0,
        remove_unused_fields_from_bundle_metagraph="true",
        prefer_tflite_model="false",
        num_tflite_pools=4,
        num_tflite_interpreters_per_pool=1,
        xla_cpu_compilation_enabled="false",
        xla_gpu_compilation_enabled="false",
        enable_profiler="false",
        skip_initialize_tpu="true",
    )
    return server.wait_until_open()


@row("flags: values that change nothing")
@row("flag: --tensorflow_session_config_file")
def test_a_server_with_rarer_flags_answers(rarer):
    assert rarer.rest.get("/v1/models/m").status == 200


@row("flag: --enable_signature_method_name_check")
def test_method_names_are_checked_with_the_flag(rarer):
    body = {"signature_name": "no_method", "examples": [{}]}
    answer = rarer.rest.post("/v1/models/m:regress", body)
    message = "Expected regression signature method_name to be tensorflow/serving/regress. Was: "
    assert (answer.status, answer.error) == (400, message)
    body = {"signature_name": "no_method", "instances": ["a"]}
    assert rarer.rest.predict("m", body).status == 500


@row("flag: --enable_serialization_as_tensor_content")
def test_outputs_are_tensor_content_with_the_flag(rarer):
    import numpy as np

    output = predict(rarer.grpc, "batched").outputs["y"]
    assert (list(output.float_val), output.tensor_content) == ([], np.float32(2).tobytes())


@row("flag: --enable_per_model_batching_parameters")
@row("batching: fields of the file")
def test_only_a_model_with_batching_settings_batches(rarer):
    # Four rows run as twice two; the model without settings takes any number.
    answer = rarer.rest.predict("batched", {"instances": [0.0] * 4})
    assert answer.json == {"predictions": [2.0] * 4}
    assert rarer.rest.predict("batched", {"instances": [0.0] * 5}).status == 400
    body = {"signature_name": "left", "instances": ["a"] * 2000}
    assert rarer.rest.predict("m", body).status == 200


@row("flag: --version")
def test_the_version_is_printed(launch):
    server = launch(version="true")
    assert server.wait_for_exit() == 0
    assert "TensorFlow ModelServer: " in server.output()
    assert "TensorFlow Library: " in server.output()


@row("flag: --ssl_config_file")
def test_with_tls_plain_text_gets_no_answer(launch, tmp_path_factory):
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from tests.serving import tiny_models
    from tests.serving.certificates import make_identity
    from tests.serving.certificates import write_config as write_ssl_config

    folder = tmp_path_factory.mktemp("tls")
    tiny_models.half_plus_two(folder / "m" / "1")
    authority = make_identity("authority")
    identity = make_identity("server", authority)
    server = launch(
        model_name="m",
        model_base_path=folder / "m",
        enable_grpc_healthcheck_service="true",
        ssl_config_file=write_ssl_config(
            folder / "ssl.config", identity.key_pem, identity.certificate_pem
        ),
    ).wait_until_open()
    request = health_pb2.HealthCheckRequest(service="ModelService")
    credentials = grpc.ssl_channel_credentials(authority.certificate_pem)
    with grpc.secure_channel(server.grpc_address, credentials) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(request, timeout=30).status == 1
    with (
        grpc.insecure_channel(server.grpc_address) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        health_pb2_grpc.HealthStub(channel).Check(request, timeout=30)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@row("flags: a negative poll wait never polls")
def test_a_negative_poll_wait_waits_for_ever(launch, tmp_path_factory):
    from tests.serving import tiny_models

    folder = tmp_path_factory.mktemp("never")
    tiny_models.half_plus_two(folder / "m" / "1")
    server = launch(model_name="m", model_base_path=folder / "m", file_system_poll_wait_seconds=-1)
    assert not within(server.is_open, timeout_s=10.0)
    assert server.process.poll() is None, server.output()


@row("flag: --enable_grpc_healthcheck_service")
@row("health: on")
def test_health_is_on_with_the_flag(stubs):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    check = health_pb2_grpc.HealthStub(stubs.channel).Check
    answer = check(health_pb2.HealthCheckRequest(service="PredictionService"), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
