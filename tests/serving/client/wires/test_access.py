"""Tokens and TLS of the client."""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import grpc
import pytest

from serving.client import AsyncClient, Client, ServingClientError
from serving.client.wires.access import Access
from tests.serving.certificates import make_identity

AUTHORITY = make_identity("authority")
SERVER = make_identity("server", AUTHORITY)
TOKEN = "token-of-ada"  # noqa: S105 - of no use elsewhere


def reached():
    """Expects the refusal of the servers below, which a request has then reached."""
    return pytest.raises(ServingClientError, match="reached")


class GrpcServer(grpc.GenericRpcHandler):
    """Notes the metadata of each call and answers NOT_FOUND."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str | bytes]] = []

    def service(self, details):
        self.seen.append(dict(details.invocation_metadata))

        def refuse(_request, context):
            context.abort(grpc.StatusCode.NOT_FOUND, "reached")

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.fixture
def over_grpc():
    handler = GrpcServer()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    pair = (SERVER.key_pem, SERVER.certificate_pem)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    yield f"grpcs://127.0.0.1:{port}", handler.seen
    server.stop(0)


@pytest.fixture
def over_rest(tmp_path):
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append({name.lower(): value for name, value in self.headers.items()})
            body = b'{"error": "reached"}'
            self.send_response(404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            """Logs nothing."""

    (tmp_path / "pair.pem").write_bytes(SERVER.key_pem + SERVER.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["over_grpc", "over_rest"])
def secured(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def ca_file(tmp_path) -> str:
    path = tmp_path / "authority.pem"
    path.write_bytes(AUTHORITY.certificate_pem)
    return str(path)


def test_the_token_goes_along_over_tls(secured, ca_file):
    address, seen = secured
    with (
        Client(address, model="m", token=TOKEN, ca_file=ca_file) as client,
        reached(),
    ):
        client.status()
    assert seen[-1]["authorization"] == f"Bearer {TOKEN}"


async def ask(address: str, ca_file: str) -> None:
    async with AsyncClient(address, model="m", token=TOKEN, ca_file=ca_file) as client:
        await client.status()


def test_the_asynchronous_client_does_the_same(secured, ca_file):
    address, seen = secured
    with reached():
        asyncio.run(ask(address, ca_file))
    assert seen[-1]["authorization"] == f"Bearer {TOKEN}"


def test_a_server_of_another_authority_is_not_trusted(secured, tmp_path):
    address, seen = secured
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(make_identity("stranger").certificate_pem)
    with (
        Client(address, model="m", token=TOKEN, ca_file=str(stranger), attempts=1) as client,
        pytest.raises(ServingClientError) as error,
    ):
        client.status(timeout_s=5)
    assert error.value.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
    assert seen == []


@pytest.mark.parametrize(
    ("label", "header"), [("stable", "stable"), ("candidate", "candidate"), ("canary", None)]
)
def test_a_label_of_an_arm_is_also_a_header_that_a_gateway_can_read(
    over_grpc, ca_file, label, header
):
    address, seen = over_grpc
    with (
        Client(address, model="m", ca_file=ca_file) as client,
        reached(),
    ):
        client.metadata(label=label)
    assert seen[-1].get("x-faultline-label") == header


@pytest.mark.parametrize("server", ["grpc://models.example.org:8500", "http://10.0.0.7:8501"])
def test_a_token_does_not_cross_a_network_in_plain_text(server):
    with pytest.raises(ValueError, match=r"would cross the network in plain text"):
        Client(server, model="m", token=TOKEN)


@pytest.mark.parametrize("server", ["grpc://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_a_token_may_go_to_a_server_of_this_machine_in_plain_text(server):
    Client(server, model="m", token=TOKEN).close()


def test_a_token_is_not_shown():
    assert TOKEN not in repr(Access(token=TOKEN))


def test_a_missing_file_of_authorities_is_an_error_with_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.pem"):
        Client("grpcs://127.0.0.1:1", model="m", ca_file=str(Path(tmp_path) / "no.pem"))
