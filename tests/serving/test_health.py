"""grpc.health.v1: one answer, and a stream of changes."""

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from serving.health import Health, add_health

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def channel(health):
    """A channel to a server with a single thread."""
    server = grpc.server(ThreadPoolExecutor(1))
    add_health(server, health)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    server.stop(None)


@pytest.mark.parametrize("service", ["", "ModelService", "PredictionService"])
def test_the_services_serve_until_the_server_drains(health, channel, service):
    check = HealthStub(channel).Check
    request = HealthCheckRequest(service=service)
    assert check(request, timeout=10).status == SERVING
    health.drain()
    assert check(request, timeout=10).status == NOT_SERVING


def test_an_unknown_service_is_not_found(channel):
    with pytest.raises(grpc.RpcError) as caught:
        HealthStub(channel).Check(HealthCheckRequest(service="x"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "unknown service x"


def test_watch_sends_the_state_at_once_and_each_change(health, channel):
    states = HealthStub(channel).Watch(HealthCheckRequest(service="ModelService"), timeout=10)
    assert next(states).status == SERVING
    health.drain()
    assert next(states).status == NOT_SERVING


def test_watch_waits_for_an_unknown_service(channel):
    states = HealthStub(channel).Watch(HealthCheckRequest(service="x"), timeout=10)
    assert next(states).status == HealthCheckResponse.SERVICE_UNKNOWN


def test_those_who_watch_hold_no_thread(channel):
    stub = HealthStub(channel)
    watched = [stub.Watch(HealthCheckRequest(), timeout=20) for _ in range(20)]
    assert [next(states).status for states in watched] == [SERVING] * 20
    # The server's only thread is free.
    assert stub.Check(HealthCheckRequest(), timeout=10).status == SERVING
    ended = threading.Event()
    watched[0].add_done_callback(lambda _: ended.set())
    watched[0].cancel()
    assert ended.wait(10)


@pytest.mark.parametrize("method", ["Check", "Watch"])
def test_an_invalid_message_is_refused_at_once(channel, method):
    path = f"/grpc.health.v1.Health/{method}"
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.unary_stream(path)(b"\x0f\xff", timeout=5))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
