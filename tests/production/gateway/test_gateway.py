"""A gateway of real processes on the loopback: Envoy, two servers, two versions of a tiny model."""

import os
import signal
import time
from collections import Counter
from functools import cache
from pathlib import Path

import httpx
import pytest

from benchmarks import gateway_switches
from benchmarks.gateway_switches import MODEL, clients, load, switches
from common.errors import InputError
from production.gateway.gateway import Gateway, GatewayError
from production.gateway.traffic import Pin, Traffic

pytestmark = pytest.mark.e2e

A, B = Pin(base=MODEL, version=1), Pin(base=MODEL, version=2)
SHADOW = Pin(base=f"{MODEL}_shadow", version=3)
BROKEN = Pin(base=MODEL, version=4)
# What x = 1 is answered by each version: 1 / 2 + its offset.
ANSWERS = {1: 2.5, 2: 3.5, 3: 5.5}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    from tests.serving import tiny_models

    # A socket's path may have 107 bytes, and that of this folder has more.
    output = tmp_path_factory.mktemp("output") / ("long" * 25)
    gateway_switches.write_versions(output)
    tiny_models.half_plus_two(output / "serving" / SHADOW.base / "3", offset=5.0)
    tiny_models.broken(output / "serving" / MODEL / "4")
    return output


@pytest.fixture(scope="module")
def running(output):
    with Gateway(gateway_switches.spec(output), Traffic(stable=A)) as gateway:
        yield gateway
        http_client().close()
        grpc_channel(gateway.ports.grpc).close()


@pytest.fixture
def gateway(running):
    """The gateway with all requests to version 1, before and after the test."""
    running.apply(Traffic(stable=A))
    yield running
    running.apply(Traffic(stable=A))


def canary(percent, **others):
    return Traffic(stable=A, candidate=B, candidate_percent=percent, salt="r1", **others)


@cache
def http_client():
    return httpx.Client(timeout=30)


@cache
def grpc_channel(port):
    import grpc

    return grpc.insecure_channel(f"127.0.0.1:{port}")


def ask(gateway, path=f"/v1/models/{MODEL}:predict", **headers):
    url = f"http://127.0.0.1:{gateway.ports.rest}{path}"
    return http_client().post(url, json={"instances": [1.0]}, headers=headers)


def ask_grpc(gateway, **headers):
    from tensorflow_serving.apis.predict_pb2 import PredictResponse

    from tests.serving.processes import predict_call, predict_request

    metadata = [(name.replace("_", "-"), value) for name, value in headers.items()]
    answer, call = predict_call(grpc_channel(gateway.ports.grpc)).with_call(
        predict_request(MODEL, 1.0), timeout=30, metadata=metadata
    )
    return PredictResponse.FromString(answer), dict(call.initial_metadata())


def version_of(answer):
    [value] = answer.json()["predictions"]
    return {answer: version for version, answer in ANSWERS.items()}[value]


def until(condition, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_both_wires_answer_by_the_stable_version_and_return_the_requests_id(gateway):
    answer = ask(gateway, **{"x-request-id": "mine-1"})
    assert (answer.status_code, version_of(answer)) == (200, 1)
    assert answer.headers["x-request-id"] == "mine-1"
    response, metadata = ask_grpc(gateway, x_request_id="mine-2")
    assert response.model_spec.version.value == 1
    assert list(response.outputs["y"].float_val) == [2.5]
    assert metadata["x-request-id"] == "mine-2"


def test_a_canary_gets_its_share_of_the_keys_and_keeps_them(gateway):
    gateway.apply(canary(30))
    keys = [f"pump-{number}" for number in range(60)]
    first = {key: version_of(ask(gateway, **{"x-faultline-key": key})) for key in keys}
    # 30 % of 60 keys: 18 +- 3.5
    assert 5 <= Counter(first.values())[2] <= 31
    gateway.apply(canary(60))
    for key in keys:
        second = version_of(ask(gateway, **{"x-faultline-key": key}))
        assert first[key] == 1 or second == 2
        response, _ = ask_grpc(gateway, x_faultline_key=key)
        assert response.model_spec.version.value == second


def test_labels_name_the_versions_of_both_arms(gateway):
    gateway.apply(canary(0))
    versions = {
        label: version_of(ask(gateway, f"/v1/models/{MODEL}/labels/{label}:predict"))
        for label in ("stable", "candidate")
    }
    assert versions == {"stable": 1, "candidate": 2}


def test_a_rollback_takes_effect_at_once_and_loads_nothing_that_answers(gateway):
    gateway.apply(canary(100, mirrored_percent=100))
    num_starts = gateway.check().stable.num_starts
    begin_s = time.monotonic()
    gateway.apply(Traffic(stable=A, salt="r1"))
    # About 0.1 s, see benchmarks/README.md; a machine that does other work may take longer.
    assert time.monotonic() - begin_s < 5
    assert {version_of(ask(gateway)) for _ in range(10)} == {1}
    assert gateway.check().stable.num_starts == num_starts
    # The candidate's server becomes the fallback in the background.
    until(lambda: gateway.check().candidate.is_serving and gateway.traffic.candidate is None)


def test_no_request_fails_over_twenty_switches(gateway):
    with load(clients(gateway)) as tally:
        for traffic, _ in zip(switches(A, B), range(20), strict=False):
            gateway.apply(traffic)
        num_requests = tally.num_requests
        until(lambda: tally.num_requests > num_requests + 100)
    assert tally.num_failed == 0
    assert tally.num_requests > 500
    assert version_of(ask(gateway)) == 1  # promoted, and back


def test_a_model_from_the_shadow_folder_takes_over_without_a_failed_request(gateway):
    with load(clients(gateway)) as tally:
        gateway.apply(Traffic(stable=A, candidate=SHADOW, mirrored_percent=100, salt="r2"))
        assert version_of(ask(gateway)) == 1
        gateway.apply(Traffic(stable=SHADOW, salt="r2"))
        assert version_of(ask(gateway)) == 3
    assert tally.num_failed == 0


def test_a_candidate_that_does_not_load_changes_no_answer_and_the_next_one_loads(gateway):
    with load(clients(gateway)) as tally:
        with pytest.raises(GatewayError, match=rf"{MODEL}/4 does not load: .*\nLog of the server"):
            gateway.apply(Traffic(stable=A, candidate=BROKEN, candidate_percent=50))
        with pytest.raises(GatewayError, match="does not load"):
            gateway.apply(Traffic(stable=BROKEN))
        assert version_of(ask(gateway)) == 1
        assert gateway.check().stable.is_serving
        gateway.apply(canary(100))
        assert version_of(ask(gateway)) == 2
    assert tally.num_failed == 0


def test_a_version_that_does_not_exist_is_refused_before_anything_changes(gateway):
    before = gateway.traffic
    with pytest.raises(InputError, match=f"{MODEL}/9 cannot be served: there is no folder"):
        gateway.apply(Traffic(stable=A, candidate=Pin(base=MODEL, version=9)))
    assert gateway.traffic == before
    until(lambda: gateway.check().candidate.is_serving)


def test_a_second_gateway_of_the_model_is_refused(gateway, output):
    with (
        pytest.raises(InputError, match=f"A gateway of `{MODEL}` already runs"),
        Gateway(gateway_switches.spec(output), Traffic(stable=A)),
    ):
        pass
    assert gateway.check().envoy.is_serving


@pytest.mark.parametrize("name", ["candidate", "stable"])
def test_a_killed_server_costs_the_requests_in_flight_and_is_started_again(name, gateway):
    if name == "candidate":
        gateway.apply(canary(50, mirrored_percent=100))
    else:
        until(lambda: gateway.traffic.candidate is None)
        # Both servers have the same version, which Envoy knows once it acknowledges these routes.
        gateway.apply(Traffic(stable=A, salt="r2"))
    killed = getattr(gateway.check(), name)
    makers = clients(gateway, count=1)
    with load(makers) as tally:
        until(lambda: tally.num_requests > 50)
        os.kill(killed.pid, signal.SIGKILL)
        until(lambda: getattr(gateway.check(), name).num_starts > killed.num_starts)
        until(lambda: getattr(gateway.check(), name).is_serving)
        num_requests = tally.num_requests
        until(lambda: tally.num_requests > num_requests + 50)
    # Each client has one request in flight.
    assert tally.num_failed <= len(makers)
    assert gateway.traffic.candidate_percent == (50 if name == "candidate" else 0)
    member = getattr(gateway.check(), name)
    assert (member.num_ends, member.last_end) == (killed.num_ends + 1, "signal 9 (SIGKILL)")


def test_a_server_that_hangs_is_killed_and_started_again(gateway, monkeypatch):
    monkeypatch.setattr("production.gateway.supervisor._HUNG_S", 1.0)
    gateway.apply(canary(50))
    hung = gateway.check().candidate
    os.kill(hung.pid, signal.SIGSTOP)
    until(lambda: gateway.check().candidate.num_starts > hung.num_starts)
    until(lambda: gateway.check().candidate.is_serving)
    member = gateway.check().candidate
    assert (member.num_ends, member.last_end) == (hung.num_ends + 1, "no answer for 1 s")


def test_a_killed_envoy_is_started_again_with_the_traffic_of_before(gateway):
    gateway.apply(canary(100))
    killed = gateway.check().envoy
    os.kill(killed.pid, signal.SIGKILL)
    begin_s = time.monotonic()

    def answers():
        try:
            return ask(gateway).status_code == 200
        except httpx.TransportError:
            return False

    until(lambda: gateway.check().envoy.num_starts > killed.num_starts and answers())
    assert time.monotonic() - begin_s < 10
    assert version_of(ask(gateway)) == 2
    gateway.apply(canary(10))  # acknowledged by the new one


def test_a_disk_that_is_full_for_a_while_ends_nothing(gateway, monkeypatch, caplog):
    before = gateway.check()

    def full():
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gateway._supervisor, "_step", full)
        until(lambda: "No space left on device" in caplog.text)
        assert ask(gateway).status_code == 200
    gateway.apply(canary(100))
    assert version_of(ask(gateway)) == 2
    assert gateway.check().stable.pid == before.stable.pid
    assert caplog.text.count("No space left") == 1  # not at each look


def test_both_servers_record_a_copied_request_under_one_id(gateway, output):
    from production.collection.records import read_records

    gateway.apply(canary(0, mirrored_percent=100))
    ask(gateway, **{"x-request-id": "pair-1"})

    def records():
        columns = ["request_id", "arm", "version", "answered"]
        batches = read_records(output / "collected" / MODEL, columns=columns)
        rows = [row for batch in batches for row in batch.to_pylist()]
        return [
            (row["arm"], row["version"], row["answered"])
            for row in rows
            if row["request_id"] == "pair-1"
        ]

    until(lambda: len(records()) == 2)
    assert sorted(records()) == [("candidate", 2, False), ("stable", 1, True)]


def test_no_file_of_the_gateway_is_open_to_others(gateway, output):
    folder = Path(output / "gateway" / MODEL)
    names = ("bootstrap.json", "rds.json", "admin.sock", "stable.log", "access.log")
    modes = {name: (folder / name).stat().st_mode & 0o077 for name in names}
    assert modes == dict.fromkeys(names, 0)
