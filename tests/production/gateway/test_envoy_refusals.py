"""A real Envoy refuses what it should, on both wires: tokens, rates, sizes, times, methods, TLS."""

import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.production_options.gateway import GatewayOptions, RateLimit, Tls
from production.gateway.envoy_files import write_clients
from tests.production.gateway.envoy_rig import (
    Rig,
    ask_grpc,
    canary,
    running,
    token_line,
    wait_for,
)
from tests.serving.certificates import Identity, make_identity

pytestmark = pytest.mark.e2e

RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
HEALTH = "/grpc.health.v1.Health/Check"
ADA, BOB, SWIFT = "token-of-ada", "token-of-bob", "token-of-swift"
NUM_PER_S = 10
MIB = 2**20
AUTHORITY = make_identity("authority")


def put_certificate(folder: Path, identity: Identity) -> None:
    for name, pem in (("key.pem", identity.key_pem), ("cert.pem", identity.certificate_pem)):
        incoming = folder / f"{name}.new"
        incoming.write_bytes(pem)
        incoming.replace(folder / name)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "tls").mkdir()
    put_certificate(folder / "tls", make_identity("gateway", AUTHORITY))
    lines = "".join(map(token_line, ("ada", "bob", "swift"), (ADA, BOB, SWIFT)))
    (folder / "clients.txt").write_text(f"# Clients of the tests\n{lines}")
    options = GatewayOptions(
        tls=Tls(certificate="tls/cert.pem", key="tls/key.pem"),
        clients="clients.txt",
        rate_limit=RateLimit(requests_per_s=NUM_PER_S, burst=50),
        max_body_mib=1,
        timeout_s=1.0,
    )
    with running(folder, options.located(folder), canary(50, mirrored=100)) as rig:
        yield rig


@pytest.fixture(scope="module")
def trust(rig: Rig) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=AUTHORITY.certificate_pem.decode())


@pytest.fixture(scope="module")
def client(rig: Rig, trust: ssl.SSLContext) -> Iterator[httpx.Client]:
    with rig.rest(verify=trust) as client:
        yield client


@pytest.fixture(scope="module")
def channel(rig: Rig) -> Iterator[grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(AUTHORITY.certificate_pem)
    with grpc.secure_channel(f"127.0.0.1:{rig.ports.grpc}", credentials) as channel:
        yield channel


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def post(client: httpx.Client, *, body: bytes = b"{}", **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/v1/models/signals:predict", content=body, headers=names)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value.code(), error.value.details()


def status_of(channel: grpc.Channel, token: str) -> grpc.StatusCode:
    try:
        ask_grpc(channel, **bearer(token))
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def num_handled(rig: Rig) -> int:
    return len(rig.log_of("stable")) + len(rig.log_of("candidate"))


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer token-of-eve", f"Basic {ADA}", ADA, f"Bearer {ADA} {ADA}"],
)
def test_a_client_without_a_known_token_is_refused_on_both_wires(
    rig: Rig, client: httpx.Client, channel: grpc.Channel, authorization: str
) -> None:
    num_before = num_handled(rig)

    answer = post(client, authorization=authorization)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "a known bearer token is needed" in answer.json()["error"]
    code, message = refusal(lambda: ask_grpc(channel, authorization=authorization))
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert "a known bearer token is needed" in message

    assert num_handled(rig) == num_before


def test_a_digest_is_no_token(client: httpx.Client) -> None:
    digest = token_line("ada", ADA).split()[1]

    assert post(client, **bearer(digest)).status_code == 401


def test_a_client_with_a_token_is_served_and_logged_by_name(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    answer = post(client, **bearer(ADA), x_request_id="of-ada-1")
    assert answer.status_code == 200
    assert "authorization" not in answer.json()["headers"]
    entry = ask_grpc(channel, **bearer(BOB), x_request_id="of-bob-1")
    assert "authorization" not in entry["headers"]

    def clients() -> dict[str, str]:
        return {e["request_id"]: e["client"] for e in rig.access_log() if e["client"]}

    wait_for(lambda: {"of-ada-1", "of-bob-1"} <= clients().keys(), "the lines are written")
    assert (clients()["of-ada-1"], clients()["of-bob-1"]) == ("ada", "bob")


def test_no_token_is_in_any_file(rig: Rig, client: httpx.Client, channel: grpc.Channel) -> None:
    post(client, **bearer(ADA))
    ask_grpc(channel, **bearer(ADA))
    post(client, **bearer("token-of-eve"))

    texts = {path: path.read_bytes() for path in rig.folder.rglob("*") if path.is_file()}
    assert len(texts) > 8
    assert [path for path, text in texts.items() if b"token-of-" in text] == []


def test_tokens_change_without_a_restart_and_with_the_connections_open(
    rig: Rig, client: httpx.Client, channel: grpc.Channel
) -> None:
    file = rig.folder / "clients.txt"
    before = file.read_text()
    assert post(client, **bearer("new-token")).status_code == 401

    file.write_text(before.replace(token_line("bob", BOB), token_line("bob", "new-token")))
    write_clients(rig.folder, rig.options)
    wait_for(lambda: post(client, **bearer("new-token")).status_code == 200, "it is known")
    assert ask_grpc(channel, **bearer("new-token"))["server"] in {"stable", "candidate"}
    assert post(client, **bearer(BOB)).status_code == 401

    file.write_text(before)
    write_clients(rig.folder, rig.options)
    wait_for(lambda: post(client, **bearer("new-token")).status_code == 401, "it is forgotten")


def test_health_needs_no_token_and_nothing_else_does_without(
    client: httpx.Client, channel: grpc.Channel
) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    check = channel.unary_unary(HEALTH)
    # The status SERVING of grpc.health.v1.
    assert check(b"", timeout=10) == b"\x08\x01"
    for path in ("/healthz/", "/healthz?x=1", "/HEALTHZ", "/v1/models/signals", "/", "//healthz"):
        assert client.get(path).status_code == 401, path
    assert refusal(lambda: ask_grpc(channel, method=STATUS))[0] is grpc.StatusCode.UNAUTHENTICATED


def test_each_client_has_a_rate_of_its_own_on_each_wire(
    client: httpx.Client, channel: grpc.Channel
) -> None:
    start_s = time.monotonic()
    statuses = Counter(post(client, **bearer(SWIFT)).status_code for _ in range(100))
    duration_s = time.monotonic() - start_s

    # A burst of 50, and ten more in each second that passed.
    assert statuses.keys() == {200, 429}
    assert 50 <= statuses[200] <= 50 + NUM_PER_S * (duration_s + 1)
    codes = Counter(status_of(channel, SWIFT) for _ in range(100))
    assert codes.keys() == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert post(client, **bearer(ADA)).status_code == 200
    limited = next(a for a in (post(client, **bearer(SWIFT)) for _ in range(50)) if a.is_error)
    assert limited.headers["x-ratelimit-remaining"] == "0"
    assert "error" in limited.json()


def test_requests_over_the_limit_are_refused_and_those_at_it_are_served(
    client: httpx.Client, channel: grpc.Channel
) -> None:
    assert post(client, body=b"x" * MIB, **bearer(ADA)).json()["num_bytes"] == MIB
    # A gRPC message has five bytes before it.
    fits, large = b"x" * (MIB - 5), b"x" * MIB
    assert ask_grpc(channel, request=fits, **bearer(ADA))["num_bytes"] == MIB - 5

    answer = post(client, body=b"x" * (MIB + 1), **bearer(ADA))
    assert (answer.status_code, answer.json()) == (413, {"error": "Payload Too Large"})
    code, _ = refusal(lambda: ask_grpc(channel, request=large, **bearer(ADA)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_body_without_a_length_is_bounded_too(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b"x" * 2**16 for _ in range(17))

    answer = client.post("/v1/models/m:predict", content=chunks(), headers=bearer(ADA))
    assert answer.status_code == 413


def test_an_answer_that_takes_too_long_is_a_timeout(
    client: httpx.Client, channel: grpc.Channel
) -> None:
    assert post(client, x_delay_ms="100", **bearer(ADA)).status_code == 200

    answer = post(client, x_delay_ms="1500", **bearer(ADA))
    assert (answer.status_code, answer.json()) == (504, {"error": "upstream request timeout"})
    code, _ = refusal(lambda: ask_grpc(channel, x_delay_ms="1500", **bearer(ADA)))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_clients_cannot_steer_envoy_by_headers(client: httpx.Client) -> None:
    forged = {"x-envoy-upstream-rq-timeout-ms": "5000", "x-envoy-retry-on": "5xx"}

    answer = post(client, x_delay_ms="1500", **bearer(ADA), **forged)

    assert answer.status_code == 504
    headers = post(client, **bearer(ADA), **forged).json()["headers"]
    assert not headers.keys() & {*forged, "x-envoy-internal"}


def test_writes_of_the_model_service_are_refused_even_with_a_token(
    rig: Rig, channel: grpc.Channel
) -> None:
    assert ask_grpc(channel, method=STATUS, **bearer(ADA))["path"] == STATUS
    code, message = refusal(lambda: ask_grpc(channel, method=RELOAD, **bearer(ADA)))
    assert (code, message) == (
        grpc.StatusCode.PERMISSION_DENIED,
        "the gateway's allow_reload is false",
    )
    for method in ("/tensorflow.ProfilerService/Profile", f"/{RELOAD}", RELOAD.lower()):
        code, _ = refusal(lambda method=method: ask_grpc(channel, method=method, **bearer(ADA)))
        assert code is grpc.StatusCode.UNIMPLEMENTED
    logs = rig.log_of("stable") + rig.log_of("candidate")
    assert RELOAD not in {entry["path"] for entry in logs}


def test_metrics_of_the_servers_do_not_pass(client: httpx.Client) -> None:
    answer = client.get("/monitoring/prometheus/metrics", headers=bearer(ADA))
    assert answer.status_code == 404


def test_plain_text_other_authorities_and_old_tls_are_refused(
    rig: Rig, trust: ssl.SSLContext
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://127.0.0.1:{rig.ports.rest}/healthz")
    with grpc.insecure_channel(f"127.0.0.1:{rig.ports.grpc}") as plain:
        code, _ = refusal(lambda: ask_grpc(plain, method=HEALTH, timeout=2))
        assert code is grpc.StatusCode.UNAVAILABLE
    stranger = ssl.create_default_context(cadata=make_identity("x").certificate_pem.decode())
    with rig.rest(verify=stranger) as distrustful, pytest.raises(httpx.ConnectError, match="CERT"):
        distrustful.get("/healthz")
    old = ssl.create_default_context(cadata=AUTHORITY.certificate_pem.decode())
    old.set_ciphers("DEFAULT:@SECLEVEL=0")  # else the client itself would refuse
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with rig.rest(verify=old) as outdated, pytest.raises(httpx.ConnectError):
        outdated.get("/healthz")


def test_a_renewed_certificate_is_taken_without_a_restart(
    rig: Rig, trust: ssl.SSLContext, client: httpx.Client
) -> None:
    renewed = make_identity("renewed", AUTHORITY)

    put_certificate(rig.folder / "tls", renewed)

    pem = ssl.DER_cert_to_PEM_cert(renewed.certificate.public_bytes(Encoding.DER))
    address = ("127.0.0.1", rig.ports.rest)
    wait_for(lambda: ssl.get_server_certificate(address) == pem, "it is shown")
    assert client.get("/healthz").status_code == 200


def test_one_that_may_reload_reaches_the_server_and_an_address_has_a_rate_without_tokens(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    options = GatewayOptions(allow_reload=True, rate_limit=RateLimit(requests_per_s=5))
    folder = tmp_path_factory.mktemp("open")
    with (
        running(folder, options, canary(50)) as rig,
        rig.rest() as client,
        rig.channel() as channel,
    ):
        assert ask_grpc(channel, method=RELOAD)["path"] == RELOAD
        statuses = Counter(post(client).status_code for _ in range(40))
        assert statuses.keys() == {200, 429}
        wait_for(lambda: post(client).status_code == 200, "the bucket has filled up again")
