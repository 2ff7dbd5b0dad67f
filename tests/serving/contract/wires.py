"""Plain requests over gRPC and REST, without a client library."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back over HTTP: names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of an error body, which holds nothing else."""
        body = self.json
        assert set(body) == {"error"}, body
        return str(body["error"])


@dataclass(frozen=True, kw_only=True)
class Rest:
    """The HTTP side of a server.

    Attributes:
        address: `host:port`.
    """

    address: str

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Answer:
        """Sends `body`: bytes and text as they are, anything else as JSON."""
        if isinstance(body, str):
            body = body.encode()
        elif body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=timeout_s)
        try:
            connection.request(method, path, body, dict(headers or {}))
            got = connection.getresponse()
            named = {key.lower(): value for key, value in got.getheaders()}
            return Answer(status=got.status, headers=named, body=got.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        return self.call("POST", path, body, headers)

    def predict(self, model: str, body: Any) -> Answer:
        return self.post(f"/v1/models/{model}:predict", body)


class Grpc:
    """The gRPC side of a server, by the official stubs.

    Args:
        address: `host:port` or `unix:path`.
    """

    def __init__(self, address: str) -> None:
        from tensorflow_serving.apis import (
            model_service_pb2_grpc,
            prediction_service_pb2_grpc,
        )

        unbounded = [
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        self.address = address
        self.channel = grpc.insecure_channel(address, options=unbounded)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def raw(self, method: str, message: bytes = b"") -> bytes:
        """Calls a method that no stub is here for."""
        call: Any = self.channel.unary_unary(method)
        return bytes(call(message, timeout=30))

    def close(self) -> None:
        self.channel.close()


def refusal(call: Any, request: Any) -> tuple[str, str]:
    """Status and message of a call that must fail, such as `("NOT_FOUND", "Servable …")`."""
    try:
        answer = call(request, timeout=30)
    except grpc.RpcError as error:
        return error.code().name, str(error.details())
    raise AssertionError(f"Expected an error, the server answered: {answer}")


def free_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
