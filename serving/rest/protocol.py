"""uvicorn's HTTP protocol, with half-closed connections answered and silent ones closed."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD_BYTES = 2**17
_KEEP_ALIVE = (b"connection", b"keep-alive")


class RestProtocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        idle_s: Seconds of silence in the middle of a request until the connection is closed.
    """

    idle_s = 50.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heard_at = self.loop.time()
        self._is_in_head = False
        self._head_bytes = 0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timer for silence."""
        super().connection_made(transport)
        self._watch = self.loop.call_later(self.idle_s, self._check_silence)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses the data; closes the connection at a request head beyond the limit."""
        self._heard_at = self.loop.time()
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.transport.close()

    def on_message_begin(self) -> None:
        """Starts to count the bytes of the head."""
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stops to count: the head is complete. HTTP/1.0 may ask to keep the connection open."""
        self._is_in_head = False
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True
            self.cycle.default_headers = [*self.cycle.default_headers, _KEEP_ALIVE]

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps a half-closed connection open until its answer is sent."""
        if not self._is_answering():
            return False
        self.cycle.keep_alive = False
        return True

    def _is_answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _check_silence(self) -> None:
        if self.transport.is_closing():
            return
        silent_s = self.loop.time() - self._heard_at
        if self._is_answering():
            silent_s = 0.0
        elif silent_s >= self.idle_s:
            self.transport.close()
            return
        self._watch = self.loop.call_later(self.idle_s - silent_s, self._check_silence)
