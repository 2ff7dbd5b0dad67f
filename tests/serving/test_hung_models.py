"""A model that hangs: its requests end at their deadlines, everything else goes on."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

from tests.serving import tiny_models
from tests.serving.processes import models_flag, predict_call, predict_request, running

pytestmark = pytest.mark.e2e

METRICS = "/monitoring/prometheus/metrics"
BATCHING = "max_batch_size { value: 4 } batch_timeout_micros { value: 0 }"


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Base paths: `hanging` waits for ever if x starts with -1, `half` answers x / 2 + 2."""
    root = tmp_path_factory.mktemp("bases")
    tiny_models.hanging(root / "hanging" / "1")
    tiny_models.half_plus_two(root / "half" / "1")
    return {"hanging": root / "hanging", "half": root / "half"}


@pytest.fixture
def flags(bases, tmp_path):
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    batching = tmp_path / "batching.config"
    batching.write_text(BATCHING)
    return {
        "alone": [models_flag(tmp_path, **bases), f"--monitoring_config_file={monitoring}"],
        "batching": [
            models_flag(tmp_path, **bases),
            f"--monitoring_config_file={monitoring}",
            "--enable_batching",
            f"--batching_parameters_file={batching}",
        ],
    }


@pytest.mark.parametrize("mode", ["alone", "batching"])
def test_64_rest_calls_of_a_hung_model_hold_up_nothing_else(flags, mode):
    with (
        running(*flags[mode], "--rest_api_timeout_in_ms=3000") as server,
        ThreadPoolExecutor(64) as pool,
    ):
        assert server.call("GET", "/readyz")[0] == 200
        started_s = time.monotonic()
        hung = [pool.submit(server.predict, "hanging", -1) for _ in range(64)]
        time.sleep(0.5)
        for _ in range(20):
            assert server.predict("half", 2)[0] == 200
        assert server.call("GET", "/v1/models/hanging")[0] == 200
        assert server.call("GET", "/v1/models/hanging/metadata")[0] == 200
        assert b'model_ready{model_name="half"} 1' in server.call("GET", METRICS)[1]
        assert server.call("GET", "/healthz")[0] == 200
        assert time.monotonic() - started_s < 3, "the other calls waited for the hung ones"
        statuses = [future.result(20)[0] for future in hung]
        # 503: the queue of batches was full; 429: the whole batch expired in the queue.
        assert set(statuses) <= {504, 503, 429}
        assert 504 in statuses
        status, text = server.call("GET", "/readyz")
        assert (status, text) == (503, b"not ready: a model has no version that answers\n")
        assert b'model_ready{model_name="hanging"} 0' in server.call("GET", METRICS)[1]
        # The runs have ended with their requests, so the model answers again, and is ready.
        assert server.predict("hanging", 1)[0] == 200
        assert server.call("GET", "/readyz")[0] == 200
        assert server.stop() < 5


@pytest.mark.parametrize("mode", ["alone", "batching"])
def test_grpc_calls_without_a_deadline_hold_up_nothing_else(flags, mode):
    with (
        running(*flags[mode], "--grace=2", "--enable_grpc_healthcheck_service") as server,
        server.channel() as channel,
    ):
        call = predict_call(channel)
        hung = [call.future(predict_request("hanging", -1)) for _ in range(600)]
        time.sleep(2)
        assert call(predict_request("half", 2), timeout=5)
        status = GetModelStatusRequest()
        status.model_spec.name = "hanging"
        assert ModelServiceStub(channel).GetModelStatus(status, timeout=5)
        assert HealthStub(channel).Check(HealthCheckRequest(), timeout=5)
        refused = [future for future in hung if future.done()]
        assert {future.code() for future in refused} == {grpc.StatusCode.UNAVAILABLE}
        # One SIGTERM ends the process, although 500 calls would never end.
        assert server.stop() < 3
        assert server.process.returncode == 0


@pytest.mark.parametrize("max_threads", [1, 4, 999])
def test_a_hung_model_starves_no_other_at_any_limit_of_threads(flags, max_threads):
    flag = f"--grpc_max_threads={max_threads}"
    with running(*flags["alone"], flag, "--grace=1") as server, server.channel() as channel:
        call = predict_call(channel)
        hung = [call.future(predict_request("hanging", -1)) for _ in range(100)]
        time.sleep(1)
        for _ in range(20):
            assert call(predict_request("half", 2), timeout=5)
        # Those beyond the limit wait; none is refused.
        assert not any(future.done() for future in hung)
        with pytest.raises(grpc.RpcError) as caught:
            call(predict_request("hanging", -1), timeout=0.5)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_calls_beyond_the_limit_of_threads_run_later(flags):
    with (
        running(*flags["alone"], "--grpc_max_threads=2") as server,
        server.channel() as channel,
    ):
        call = predict_call(channel)
        hung = [call.future(predict_request("hanging", -1), timeout=1) for _ in range(2)]
        time.sleep(0.3)
        waiting = [call.future(predict_request("hanging", 1)) for _ in range(50)]
        assert all(future.result(10) for future in waiting)
        assert all(future.done() for future in hung)


def test_a_grpc_deadline_ends_the_run(flags):
    with running(*flags["alone"]) as server, server.channel() as channel:
        call = predict_call(channel)
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as caught:
                call(predict_request("hanging", -1), timeout=0.3)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # No run is left to wait for.
        assert server.stop() < 3


def test_an_expired_request_does_not_block_the_batches_after_it(flags):
    with running(*flags["batching"]) as server, server.channel() as channel:
        call = predict_call(channel)
        expiring = [call.future(predict_request("hanging", -1), timeout=0.5) for _ in range(8)]
        time.sleep(1)
        assert {future.code() for future in expiring} <= {
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.RESOURCE_EXHAUSTED,  # the whole batch expired in the queue
        }
        assert call(predict_request("hanging", 1), timeout=5)


def test_waits_for_batches_of_several_models_do_not_add_up(tmp_path, bases):
    batching = tmp_path / "batching.config"
    batching.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 500000 }")
    models = {f"half{number}": bases["half"] for number in range(4)}
    with (
        running(
            models_flag(tmp_path, **models),
            "--enable_batching",
            f"--batching_parameters_file={batching}",
        ) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        started_s = time.monotonic()
        assert {status for status, _ in pool.map(server.predict, models, [2.0] * 4)} == {200}
        # Each batch waits half a second for more requests: 0.5 s together, 2 s one by one.
        assert 0.5 <= time.monotonic() - started_s < 1.2


class TestStop:
    def test_requests_in_progress_end_and_new_ones_are_refused(self, bases, tmp_path):
        tiny_models.slow(tmp_path / "slow" / "1", num_rounds=300_000)
        flag = models_flag(tmp_path, half=bases["half"], slow=tmp_path / "slow")
        with (
            running(flag, "--grace=20", "--enable_grpc_healthcheck_service") as server,
            server.channel() as channel,
            ThreadPoolExecutor(2) as pool,
        ):
            call = predict_call(channel)
            assert call(predict_request("half", 2), timeout=5)
            statuses = HealthStub(channel).Watch(HealthCheckRequest())
            assert next(statuses).status == HealthCheckResponse.SERVING
            begun = call.future(predict_request("slow", 1))
            begun_by_rest = pool.submit(server.predict, "slow", 1)
            time.sleep(0.2)
            stopping = pool.submit(server.stop)
            assert next(statuses).status == HealthCheckResponse.NOT_SERVING
            time.sleep(0.3)
            with pytest.raises(grpc.RpcError) as caught:
                call(predict_request("half", 2), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            with pytest.raises((ConnectionError, httpx.ConnectError)):
                server.predict("half", 2)
            assert begun.result(20)
            assert begun_by_rest.result(20)[0] == 200
            assert stopping.result(20) < 20
            assert server.process.returncode == 0

    def test_hung_requests_of_both_wires_share_one_grace(self, flags):
        with (
            running(*flags["alone"], "--grace=3", "--rest_api_timeout_in_ms=60000") as server,
            server.channel() as channel,
            ThreadPoolExecutor(4) as pool,
        ):
            hung = predict_call(channel).future(predict_request("hanging", -1))
            futures = [pool.submit(server.predict, "hanging", -1) for _ in range(3)]
            time.sleep(0.5)
            assert not hung.done()
            assert 2 < server.stop() < 4
            assert server.process.returncode == 0
            expected = (503, b'{\n    "error": "The server is stopping"\n}')
            assert [future.result(10) for future in futures] == [expected] * 3

    @pytest.mark.parametrize("mode", ["alone", "batching"])
    def test_a_run_that_ignores_its_deadline_does_not_hold_up_the_stop(self, flags, mode):
        # A queue of TensorFlow finds a waiting run by the address of its cancellation manager,
        # which is on the stack of the run's thread. While another run waits in front, an entry
        # that has timed out stays in the queue and hides the next run of the same thread.
        with running(*flags[mode], "--grace=20") as server, server.channel() as channel:
            call = predict_call(channel)
            in_front = call.future(predict_request("hanging", -1), timeout=4)
            time.sleep(0.3)
            for _ in range(3):
                with pytest.raises(grpc.RpcError) as caught:
                    call(predict_request("hanging", -1), timeout=0.5)
                assert caught.value.code() in {
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    grpc.StatusCode.RESOURCE_EXHAUSTED,  # the hung runs hold all batch slots
                }
            assert in_front.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert server.stop() < 4
            assert server.process.returncode == 0

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
    def test_the_exit_code_is_that_of_the_signal_even_if_a_request_hangs(self, flags, number, code):
        with running(*flags["alone"], "--grace=1") as server, server.channel() as channel:
            predict_call(channel).future(predict_request("hanging", -1))
            time.sleep(0.5)
            server.process.send_signal(number)
            assert server.process.wait(10) == code

    def test_a_signal_while_a_model_hangs_in_its_start_ends_the_process(self, bases, tmp_path):
        # A pipe in place of the graph: the load waits for a writer for ever.
        (tmp_path / "pipe" / "1").mkdir(parents=True)
        os.mkfifo(tmp_path / "pipe" / "1" / "saved_model.pb")
        flag = models_flag(tmp_path, pipe=tmp_path / "pipe", half=bases["half"])
        command = [sys.executable, "-m", "serving.server", "--port=0", "--grace=2", flag]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            next(line for line in process.stderr if "Loaded model half" in line)
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
        finally:
            process.kill()
            process.communicate()
