"""Connections over gRPC."""

from typing import Any

import grpc
import grpc.aio

from serving.client.wires.access import Access
from serving.client.wires.calls import Call, headers_of, with_request_id
from serving.client.wires.grpc_codec import (
    CHANNEL_OPTIONS,
    METADATA,
    PREDICT,
    STATUS,
    decode_answer,
    encode_call,
    to_error,
)
from serving.headers import REQUEST_ID_HEADER


def _methods(channel: grpc.Channel | grpc.aio.Channel) -> dict[str, Any]:
    """Returns the callables of the methods, for requests and answers in bytes."""
    return {method: channel.unary_unary(method) for method in (PREDICT, METADATA, STATUS)}


class GrpcWire:
    """A thread-safe gRPC channel.

    Attributes:
        address: `HOST:PORT`.
    """

    def __init__(self, address: str, access: Access, *, is_secure: bool) -> None:
        self.address = address
        self._headers = access.headers
        if is_secure:
            credentials = grpc.ssl_channel_credentials(access.authorities)
            self._channel = grpc.secure_channel(address, credentials, options=CHANNEL_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._methods = _methods(self._channel)

    def send(self, call: Call, timeout_s: float) -> Any:
        """Returns the answer to a call.

        Raises:
            ServingClientError: The call failed, or got no answer in time.
        """
        method, request = encode_call(call)
        try:
            body, answered = self._methods[method].with_call(
                request, timeout=timeout_s, metadata=self._headers + headers_of(call)
            )
        except grpc.RpcError as error:
            raise to_error(error) from None
        request_id = dict(answered.initial_metadata()).get(REQUEST_ID_HEADER)
        return with_request_id(decode_answer(call, body), request_id)

    def close(self) -> None:
        """Closes the channel; calls in progress end with CANCELLED."""
        self._channel.close()


class AsyncGrpcWire:
    """A gRPC channel for one event loop.

    Attributes:
        address: `HOST:PORT`.
    """

    def __init__(self, address: str, access: Access, *, is_secure: bool) -> None:
        self.address = address
        self._headers = access.headers
        self._credentials = grpc.ssl_channel_credentials(access.authorities) if is_secure else None
        self._channel: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}

    async def send(self, call: Call, timeout_s: float) -> Any:
        """Returns the answer to a call.

        Raises:
            ServingClientError: The call failed, or got no answer in time.
        """
        if self._channel is None:  # created here, because it belongs to the running event loop
            self._channel = self._open()
            self._methods = _methods(self._channel)
        method, request = encode_call(call)
        try:
            headers = self._headers + headers_of(call)
            sent = self._methods[method](request, timeout=timeout_s, metadata=headers)
            body = await sent
            request_id = dict(await sent.initial_metadata()).get(REQUEST_ID_HEADER)
        except grpc.RpcError as error:
            raise to_error(error) from None
        return with_request_id(decode_answer(call, body), request_id)

    def _open(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self.address, options=CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(self.address, self._credentials, options=CHANNEL_OPTIONS)

    async def close(self) -> None:
        """Closes the channel; calls in progress end with CANCELLED."""
        if self._channel is not None:
            await self._channel.close()
