"""TLS on the gRPC port."""

from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub

from serving.credentials import read_credentials
from serving.errors import ServingError
from serving.options import ServerOptions
from serving.server import ModelServer
from tests.serving.certificates import Identity, make_identity, write_config


@pytest.fixture(scope="module")
def authority() -> Identity:
    return make_identity("authority")


@pytest.fixture(scope="module")
def server(authority) -> Identity:
    return make_identity("server", authority)


@pytest.fixture(scope="module")
def half(models) -> ServerOptions:
    return ServerOptions(port=0, model_name="half", model_base_path=str(models / "half_plus_two"))


@pytest.fixture(scope="module")
def tls(half, authority, server, tmp_path_factory) -> Iterator[int]:
    """Port of a server with TLS."""
    path = tmp_path_factory.mktemp("tls") / "ssl.config"
    file = write_config(path, server.key_pem, server.certificate_pem)
    with ModelServer(replace(half, ssl_config_file=file)) as running:
        yield running.grpc_port


@pytest.fixture(scope="module")
def mutual(half, authority, server, tmp_path_factory) -> Iterator[int]:
    """Port of a server that asks clients for a certificate."""
    path = tmp_path_factory.mktemp("mutual") / "ssl.config"
    file = write_config(
        path,
        server.key_pem,
        server.certificate_pem,
        authority.certificate_pem,
        "client_verify: true\n",
    )
    with ModelServer(replace(half, ssl_config_file=file)) as running:
        yield running.grpc_port


def ask(channel: grpc.Channel) -> list[int]:
    """Returns the versions of the model."""
    request = GetModelStatusRequest()
    request.model_spec.name = "half"
    with channel:
        answer = ModelServiceStub(channel).GetModelStatus(request, timeout=10)
    return [entry.version for entry in answer.model_version_status]


def secure(port: int, authority: Identity, client: Identity | None = None) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(
        authority.certificate_pem,
        client.key_pem if client else None,
        client.certificate_pem if client else None,
    )
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials)


def unavailable(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_with_tls_a_client_that_trusts_the_authority_gets_answers(tls, authority):
    assert ask(secure(tls, authority)) == [2]


def test_with_tls_plain_text_and_a_client_of_another_authority_get_none(tls):
    unavailable(grpc.insecure_channel(f"127.0.0.1:{tls}"))
    unavailable(secure(tls, make_identity("another")))


def test_with_client_verify_a_client_needs_a_certificate_of_the_authority(mutual, authority):
    assert ask(secure(mutual, authority, make_identity("client", authority))) == [2]
    unavailable(secure(mutual, authority))
    stranger = make_identity("stranger", make_identity("another"))
    unavailable(secure(mutual, authority, stranger))


def test_the_unix_socket_has_tls_too(half, authority, server, tmp_path):
    file = write_config(tmp_path / "ssl.config", server.key_pem, server.certificate_pem)
    socket = tmp_path / "socket"
    options = replace(half, ssl_config_file=file, grpc_socket_path=str(socket))
    name = [("grpc.ssl_target_name_override", "127.0.0.1")]
    with ModelServer(options):
        unavailable(grpc.insecure_channel(f"unix:{socket}"))
        credentials = grpc.ssl_channel_credentials(authority.certificate_pem)
        assert ask(grpc.secure_channel(f"unix:{socket}", credentials, options=name)) == [2]


def test_without_a_file_there_is_no_tls():
    assert read_credentials("") is None


def test_a_wrong_file_is_reported_before_a_port_opens(half, server, authority, tmp_path):
    other = make_identity("other")
    key, certificate = server.key_pem, server.certificate_pem
    cases = [
        ((key, certificate, b"", "client_verify: true"), "client_verify needs custom_ca"),
        ((b"", certificate), "server_key, server_cert and custom_ca must be a key"),
        ((key, b""), "server_key, server_cert and custom_ca must be a key"),
        ((other.key_pem, certificate), "server_key, server_cert and custom_ca must be a key"),
        ((key, certificate, b"no PEM"), "server_key, server_cert and custom_ca must be a key"),
        ((key, certificate, b"", "server_kee: 'x'"), "Invalid protobuf file"),
    ]
    for number, (texts, message) in enumerate(cases):
        file = write_config(tmp_path / f"{number}.config", *texts)
        with pytest.raises(ServingError, match=message):
            ModelServer(replace(half, ssl_config_file=file)).start()
    with pytest.raises(ServingError, match="No such file or directory"):
        read_credentials(str(tmp_path / "none.config"))
