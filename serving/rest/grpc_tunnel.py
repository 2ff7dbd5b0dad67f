"""gRPC on the REST port: connections that begin with HTTP/2 are passed on to the gRPC server.

Platforms such as Cloud Run and Knative give a container one port. An HTTP/2 client that knows that
the server speaks it (h2c) begins with a fixed preface, which no HTTP/1 request begins with.
"""

import asyncio
from typing import Any

from serving.rest.protocol import RestProtocol

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LOOPBACK = "127.0.0.1"


class SharedPortProtocol(RestProtocol):
    """One connection, whose first bytes tell gRPC from REST."""

    def __init__(self, *args: Any, grpc_port: int, **kwargs: Any) -> None:
        """Takes uvicorn's arguments.

        Args:
            *args: As of `RestProtocol`.
            grpc_port: Port of the gRPC server on the loopback interface.
            **kwargs: As of `RestProtocol`.
        """
        super().__init__(*args, **kwargs)
        self._grpc_port = grpc_port
        self._first_bytes: bytes | None = b""  # None once the connection is known to be REST

    def data_received(self, data: bytes) -> None:
        """Decides on the first bytes; waits for more while they may be part of the preface."""
        if self._first_bytes is None:
            super().data_received(data)
            return
        first = self._first_bytes = self._first_bytes + data
        if first.startswith(PREFACE):
            self._pass_on(first)
        elif not PREFACE.startswith(first):
            self._first_bytes = None
            super().data_received(first)

    def _pass_on(self, first: bytes) -> None:
        self.leave()
        client = _ClientSide(self.connections)
        self.transport.set_protocol(client)
        client.connection_made(self.transport)
        client.open(self.loop, self._grpc_port, first)


class _Side(asyncio.Protocol):
    """One of the two connections of a tunnel; what it receives, the other one sends."""

    def __init__(self, other: "_Side | None" = None) -> None:
        self.transport: asyncio.Transport | None = None
        self.other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the connection."""
        self.transport = transport  # type: ignore[assignment]  # TCP's is a Transport

    def data_received(self, data: bytes) -> None:
        """Sends the bytes on."""
        if transport := self._other_transport():
            transport.write(data)

    def pause_writing(self) -> None:
        """Stops to read what this side cannot send yet."""
        if transport := self._other_transport():
            transport.pause_reading()

    def resume_writing(self) -> None:
        """Reads on."""
        if transport := self._other_transport():
            transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Ends the other side, once it has sent what it was given."""
        self.transport = None
        if transport := self._other_transport():
            transport.close()

    def _other_transport(self) -> asyncio.Transport | None:
        return None if self.other is None else self.other.transport


class _ClientSide(_Side):
    """The connection of a client, one of uvicorn's connections."""

    def __init__(self, connections: set[Any]) -> None:
        super().__init__()
        self._connections = connections
        self._opening: asyncio.Task[None] | None = None
        connections.add(self)

    def open(self, loop: asyncio.AbstractEventLoop, grpc_port: int, first: bytes) -> None:
        """Connects to the gRPC server and sends the bytes that were already received."""
        assert self.transport is not None  # noqa: S101 - for the type checker
        self.transport.pause_reading()
        self._opening = loop.create_task(self._open(loop, grpc_port, first))

    async def _open(self, loop: asyncio.AbstractEventLoop, grpc_port: int, first: bytes) -> None:
        try:
            backend, _ = await loop.create_connection(lambda: _Side(self), _LOOPBACK, grpc_port)
        except OSError:  # the gRPC server has stopped
            if self.transport is not None:
                self.transport.close()
            return
        if self.transport is None:  # the client has gone
            backend.close()
            return
        self.other = backend.get_protocol()  # type: ignore[assignment]
        backend.write(first)
        self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the tunnel."""
        self._connections.discard(self)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Leaves the end to the gRPC server, which first answers its calls."""
