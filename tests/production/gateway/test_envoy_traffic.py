"""A real Envoy with the files of the gateway: arms, keys, copies, labels, and what survives."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import httpx
import pytest

from pipeline.production_options.gateway import GatewayOptions
from production.gateway.traffic import Pin, Traffic
from tests.production.gateway.envoy_rig import (
    CANDIDATE,
    STABLE,
    Rig,
    arms_of,
    ask_grpc,
    ask_rest,
    canary,
    running,
    start_echo,
    wait_for,
)

pytestmark = pytest.mark.e2e

KEYS = [f"pump-{number}" for number in range(200)]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("gateway")
    with running(folder, GatewayOptions(), Traffic(stable=STABLE)) as rig:
        yield rig


@pytest.fixture(scope="module")
def client(rig: Rig) -> Iterator[httpx.Client]:
    with rig.rest() as client:
        yield client


@pytest.fixture(scope="module")
def channel(rig: Rig) -> Iterator[grpc.Channel]:
    with rig.channel() as channel:
        yield channel


def test_without_a_rollout_the_stable_server_answers_everything_and_nothing_is_copied(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(Traffic(stable=STABLE))
    num_before = len(rig.log_of("candidate"))

    servers = {ask_rest(client, key=key)["server"] for key in KEYS[:20]}
    servers |= {ask_grpc(channel)["server"] for _ in KEYS[:20]}

    assert servers == {"stable"}
    assert len(rig.log_of("candidate")) == num_before


def test_a_key_has_one_arm_over_both_wires_and_keeps_it_from_step_to_step(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    candidates: set[str] = set()
    for percent in (10, 25, 50):
        rig.apply(canary(percent))
        arms = arms_of(client, KEYS)

        assert arms == {key: ask_grpc(channel, key=key)["server"] for key in KEYS}
        now = {key for key, arm in arms.items() if arm == "candidate"}
        assert candidates < now
        # 200 keys: a share of 50 % has a standard deviation of 3.5 points.
        assert abs(len(now) / len(KEYS) - percent / 100) < 0.15
        candidates = now


def test_another_rollout_begins_with_other_keys_and_the_same_one_with_the_same(
    rig: Rig, client: httpx.Client
) -> None:
    def candidates(salt: str) -> set[str]:
        rig.apply(canary(25, salt=salt))
        return {key for key, arm in arms_of(client, KEYS).items() if arm == "candidate"}

    first, second = candidates("r17"), candidates("r18")

    assert candidates("r17") == first
    # By chance a quarter of each quarter is common: 12 or 13 keys of 50.
    assert 2 <= len(first & second) <= 28


def test_requests_without_a_key_are_drawn_one_by_one(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(canary(50))

    for ask in (
        lambda: ask_rest(client),
        lambda: ask_grpc(channel),
        lambda: ask_rest(client, key=""),
    ):
        num_candidate = sum(ask()["server"] == "candidate" for _ in range(100))
        # 100 draws: 50 with a standard deviation of 5.
        assert 25 <= num_candidate <= 75


def test_at_0_and_100_percent_one_arm_answers_every_key(rig: Rig, client: httpx.Client) -> None:
    rig.apply(canary(0))
    assert set(arms_of(client, KEYS[:50]).values()) == {"stable"}

    rig.apply(canary(100))
    assert set(arms_of(client, KEYS[:50]).values()) == {"candidate"}


def test_each_request_is_copied_to_the_other_arm_once_with_its_id_and_without_its_token(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(canary(50, mirrored=100))
    ids = [f"copied-{number}" for number in range(150)]
    forged = {
        "authorization": "Bearer secret",
        "x-faultline-arm": "both",
        "x-faultline-copy": "1",
    }

    def ask(request_id: str) -> str:
        number = int(request_id.rpartition("-")[2])
        headers = forged | {"x-request-id": request_id}
        if number % 2:
            answer = ask_rest(client, key=KEYS[number], **headers)
        else:
            answer = ask_grpc(channel, key=KEYS[number], request=b"x" * number, **headers)
        return str(answer["server"])

    with ThreadPoolExecutor(8) as pool:
        answered = dict(zip(ids, pool.map(ask, ids), strict=True))

    assert set(answered.values()) == {"stable", "candidate"}
    address = f"127.0.0.1:{rig.ports.rest}"
    for arm in ("stable", "candidate"):
        wait_for(lambda arm=arm: _ids(rig, arm).total() == len(ids), f"{arm} got all copies")
        assert _ids(rig, arm) == Counter(ids)
        for entry in rig.log_of(arm):
            headers = entry["headers"]
            if headers["x-request-id"] in answered:
                # Both arms are told whose the key is, and the copy that it is one.
                assert headers["x-faultline-arm"] == answered[headers["x-request-id"]]
                is_copy = headers["x-faultline-arm"] != arm
                assert headers.get("x-faultline-copy") == ("1" if is_copy else None)
                assert headers["x-faultline-rollout"] == "r17"
                assert "authorization" not in headers
                assert headers.get("host", address) == address


def _ids(rig: Rig, arm: str) -> Counter[str]:
    ids = (entry["headers"].get("x-request-id", "") for entry in rig.log_of(arm))
    return Counter(value for value in ids if value.startswith("copied-"))


def test_large_requests_are_copied_whole(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(canary(0, mirrored=100))
    body = b"x" * 5_000_000

    answer = client.post("/v1/models/m:predict", content=body, headers={"x-request-id": "large-r"})
    assert answer.json()["num_bytes"] == len(body)
    assert ask_grpc(channel, request=body, x_request_id="large-g")["num_bytes"] == len(body)

    def sizes() -> dict[str, int]:
        return {
            entry["headers"]["x-request-id"]: entry["num_bytes"]
            for entry in rig.log_of("candidate")
            if entry["headers"].get("x-request-id", "").startswith("large-")
        }

    wait_for(lambda: len(sizes()) == 2, "both copies have arrived")
    assert sizes() == {"large-r": len(body), "large-g": len(body)}


def test_a_share_of_the_requests_is_copied(rig: Rig, client: httpx.Client) -> None:
    rig.apply(canary(0, mirrored=30))
    num_before = len(rig.log_of("candidate"))

    for _ in range(200):
        ask_rest(client)

    # 200 draws: 60 with a standard deviation of 6.5.
    assert 30 <= len(rig.log_of("candidate")) - num_before <= 90


def test_clients_wait_neither_for_a_slow_copy_nor_for_a_failed_one(
    rig: Rig, client: httpx.Client
) -> None:
    rig.apply(canary(0, mirrored=100))
    rig.servers["candidate"].send_signal(signal.SIGSTOP)
    try:
        start_s = time.monotonic()
        for _ in range(20):
            assert ask_rest(client)["server"] == "stable"
        assert time.monotonic() - start_s < 5
    finally:
        rig.servers["candidate"].send_signal(signal.SIGCONT)


def test_the_request_id_comes_back_the_clients_own_or_a_new_one(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(Traffic(stable=STABLE))

    own = client.post("/v1/models/m:predict", headers={"x-request-id": "order-12"})
    assert own.headers["x-request-id"] == own.json()["headers"]["x-request-id"] == "order-12"
    new = client.post("/v1/models/m:predict")
    assert len(new.headers["x-request-id"]) == 36
    assert new.headers["x-request-id"] == new.json()["headers"]["x-request-id"]

    _, call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict").with_call(
        b"", metadata=[("x-request-id", "order-13")]
    )
    assert ("x-request-id", "order-13") in {(m.key, m.value) for m in call.initial_metadata()}


@pytest.mark.parametrize("request_id", ["two words", "x" * 129, "\u00fc"])
def test_an_id_that_servers_cannot_send_back_is_refused(
    rig: Rig, client: httpx.Client, channel: grpc.Channel, request_id: str
) -> None:
    headers = {"x-request-id": request_id.encode()}
    answer = client.post("/v1/models/m:predict", headers=headers)
    assert answer.status_code == 400
    assert "1 to 128 printable ASCII characters" in answer.json()["error"]
    if request_id.isascii():
        with pytest.raises(grpc.RpcError, match="1 to 128 printable") as error:
            ask_grpc(channel, **{"x-request-id": request_id})
        assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_client_may_ask_for_an_arm_by_its_label(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(canary(50))

    for arm in ("stable", "candidate"):
        for key in KEYS[:5]:
            path = f"/v1/models/signals/labels/{arm}"
            rest = client.post(f"{path}:predict", headers={"x-faultline-key": key}).json()
            assert (rest["server"], rest["path"]) == (arm, "/v1/models/signals:predict")
            assert client.get(f"{path}/metadata").json()["path"] == "/v1/models/signals/metadata"
            entry = ask_grpc(channel, key=key, x_faultline_label=arm)
            assert entry["server"] == entry["headers"]["x-faultline-arm"] == arm


def test_labels_that_name_no_arm_are_refused_or_left_to_the_server(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(Traffic(stable=STABLE))

    answer = client.post("/v1/models/signals/labels/candidate:predict")
    assert answer.status_code == 400
    assert "no rollout is in progress" in answer.json()["error"]
    with pytest.raises(grpc.RpcError, match="no rollout is in progress") as error:
        ask_grpc(channel, x_faultline_label="candidate")
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.RpcError, match="must be stable or candidate") as error:
        ask_grpc(channel, x_faultline_label="canary")
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    other = client.post("/v1/models/signals/labels/stables:predict").json()
    assert other["path"] == "/v1/models/signals/labels/stables:predict"


def test_the_access_log_names_id_arm_server_version_key_and_status(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    rig.apply(canary(100))
    ask_rest(client, key="pump-1", **{"x-request-id": "logged-1"})
    ask_grpc(channel, key="pump-1", **{"x-request-id": "logged-2"})
    client.post("/v1/models/m:predict", headers={"x-request-id": "logged-3", "x-status": "500"})

    def entries() -> dict[str, dict]:
        logged = {entry["request_id"]: entry for entry in rig.access_log()}
        return {key: value for key, value in logged.items() if key.startswith("logged-")}

    wait_for(lambda: len(entries()) == 3, "the lines are written")
    rest, over_grpc, failed = (entries()[f"logged-{number}"] for number in (1, 2, 3))
    assert rest["upstream"] == f"127.0.0.1:{rig.ports.candidate.rest}"
    assert (rest["arm"], rest["version"], rest["key"]) == ("candidate", "7", "pump-1")
    assert (rest["status"], rest["rollout"], rest["flags"]) == (200, "r17", "-")
    assert (over_grpc["grpc_status"], over_grpc["key"]) == ("OK", "pump-1")
    assert over_grpc["upstream"] == f"127.0.0.1:{rig.ports.candidate.grpc}"
    assert failed["status"] == 500
    assert failed["duration_ms"] >= 0


def test_an_error_that_a_server_answers_is_not_sent_to_the_other_one(
    rig: Rig, client: httpx.Client
) -> None:
    rig.apply(canary(100))
    num_before = len(rig.log_of("stable"))

    for _ in range(20):
        headers = {"x-status": "503", "x-faultline-key": "pump-1"}
        assert client.post("/v1/models/m:predict", headers=headers).json()["server"] == "candidate"

    assert len(rig.log_of("stable")) == num_before


class Load:
    """Clients of both wires that ask one request after the other, until the end of `with`."""

    def __init__(self, rig: Rig, num_clients: int = 4) -> None:
        self.servers: list[str] = []
        self.errors: list[str] = []
        self._rig = rig
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._rest if number % 2 else self._grpc)
            for number in range(num_clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, number: int) -> None:
        goal = len(self.servers) + number
        wait_for(lambda: len(self.servers) >= goal, f"{number} more are answered")

    def _rest(self) -> None:
        with self._rig.rest() as client:
            self._ask(lambda key: ask_rest(client, key=key))

    def _grpc(self) -> None:
        with self._rig.channel() as channel:
            self._ask(lambda key: ask_grpc(channel, key=key))

    def _ask(self, ask) -> None:
        for number in count():
            if self._is_over.is_set():
                return
            try:
                self.servers.append(ask(f"pump-{number % 50}")["server"])
            except (AssertionError, httpx.HTTPError, grpc.RpcError) as error:
                self.errors.append(str(error))


def test_no_request_fails_while_the_arms_are_switched(rig: Rig) -> None:
    rig.apply(canary(0))
    with Load(rig) as load:
        for switch in range(20):
            rig.apply(canary(0 if switch % 2 else 100, mirrored=100 if switch % 3 else 0))
            load.wait_for_more(10)

    assert load.errors == []
    assert set(load.servers) == {"stable", "candidate"}


def test_a_killed_candidate_costs_the_requests_in_flight_and_comes_back(rig: Rig) -> None:
    rig.apply(canary(50))
    with Load(rig) as load:
        load.wait_for_more(50)
        process = rig.servers["candidate"]
        os.kill(process.pid, signal.SIGKILL)
        load.wait_for_more(200)
        # Each of the four clients had one request in flight at most.
        assert len(load.errors) <= 4
        num_errors = len(load.errors)
        assert set(load.servers[-50:]) == {"stable"}

        with start_echo(rig.folder, "candidate", rig.ports.candidate):
            wait_for(lambda: "candidate" in load.servers[-20:], "the candidate answers again")
            assert len(load.errors) == num_errors


def test_a_killed_stable_server_is_replaced_only_by_one_of_its_version(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("stable")
    with running(folder, GatewayOptions(), Traffic(stable=STABLE)) as rig, rig.rest() as client:
        os.kill(rig.servers["stable"].pid, signal.SIGKILL)
        wait_for(lambda: not rig.admin.healthy()["stable_rest"], "Envoy has seen it")
        assert ask_rest(client)["server"] == "candidate"

        rig.apply(Traffic(stable=STABLE, candidate=STABLE, candidate_percent=100))
        assert ask_rest(client)["server"] == "candidate"
        rig.apply(Traffic(stable=STABLE, candidate=CANDIDATE))
        assert client.post("/v1/models/m:predict").status_code == 503
        rig.apply(Traffic(stable=STABLE, candidate=Pin(base="signals_shadow", version=1)))
        assert client.post("/v1/models/m:predict").status_code == 503


def test_a_candidate_that_hangs_is_replaced_by_the_stable_server_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("hanging")
    options = GatewayOptions(timeout_s=0.5)
    with running(folder, options, canary(100)) as rig, rig.rest() as client:
        candidate = rig.servers["candidate"]
        candidate.send_signal(signal.SIGSTOP)
        try:
            assert client.post("/v1/models/m:predict").status_code == 504
            wait_for(lambda: not rig.admin.healthy()["candidate_rest"], "Envoy has seen it")
            assert ask_rest(client)["server"] == "stable"
            wait_for(lambda: not rig.admin.healthy()["candidate_grpc"], "Envoy has seen it")
            with rig.channel() as channel:
                assert ask_grpc(channel)["server"] == "stable"
        finally:
            candidate.send_signal(signal.SIGCONT)
        wait_for(lambda: ask_rest(client)["server"] == "candidate", "the candidate answers again")
