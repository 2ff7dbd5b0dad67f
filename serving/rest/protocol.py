"""uvicorn's HTTP protocol, with half-closed connections answered and silent ones closed."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of a head, of the trailers of a body, and of the extensions of a chunk. The parser keeps a line
# without an end in memory, and copies it with each piece.
_MAX_HEAD_BYTES = 2**17
# A head that gives a new parser the framing of a request whose own head was parsed before.
_RESUMED_HEAD = b"POST / HTTP/1.1\r\n"
_FRAMING = (b"content-length", b"transfer-encoding")
_KEEP_ALIVE = (b"connection", b"keep-alive")  # HTTP/1.0 closes without it


class RestProtocol(HttpToolsProtocol):
    """One connection.

    An `Upgrade` is ignored, as HTTP allows: the request is answered over HTTP/1.1. (Java's
    HttpClient and `curl --http2` offer h2c with every request.)

    Attributes:
        idle_s: Seconds of silence in the middle of a request until the connection is closed, and
            of an answer of which the client reads nothing.
    """

    idle_s = 50.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heard_at = self.loop.time()
        self._unread = (0, 0.0)  # bytes of answers at the last look, and when the client was heard
        self._is_in_head = False
        self._head_bytes = 0
        self._watch: asyncio.TimerHandle | None = None
        self._upgrades = False  # the parser stops after the head
        self._is_resuming = False  # the parser reads `_RESUMED_HEAD`

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the timer for silence."""
        super().connection_made(transport)
        self._watch = self.loop.call_later(self.idle_s, self._check_silence)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Gives up the connection without closing it; another protocol takes it over."""
        self.connections.discard(self)
        self._unset_keepalive_if_required()
        if self._watch is not None:
            self._watch.cancel()

    def data_received(self, data: bytes) -> None:
        """Parses the data; closes the connection at a head or trailers beyond the limit."""
        self._heard_at = self.loop.time()
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse()
            return
        if self._head_bytes > _MAX_HEAD_BYTES:
            self.transport.close()

    def _parse(self, data: bytes) -> None:
        while not self.transport.is_closing():
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as stop:
                # The parser takes all that follows the head for another protocol.
                data = data[stop.args[0] :]
                self._resume()
            else:
                return

    def _resume(self) -> None:
        """Continues after the head of an upgrade, with its body, by a new parser."""
        self._upgrades = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        framing = [(name, value) for name, value in self.headers if name in _FRAMING]
        lines = b"".join(b"%s: %s\r\n" % header for header in framing)
        self._is_resuming = True
        self.parser.feed_data(_RESUMED_HEAD + lines + b"\r\n")

    def _refuse(self) -> None:
        """Answers bytes that are no HTTP request with 400 and closes the connection."""
        # An answer now could be taken for that of an earlier request.
        if self.pipeline:
            self.transport.close()
        elif self._is_answering():
            self.cycle.keep_alive = False
        else:
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        """Begins the head of the next request."""
        if not self._is_resuming:
            self._is_in_head = True
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Adds to the request target."""
        if not self._is_resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Adds a header; the trailers of a chunked body are no headers."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Ends the head.

        Raises:
            HttpParserError: The head leaves open where the body ends.
        """
        if self._is_resuming:
            self._is_resuming = False
            return
        self._is_in_head, self._head_bytes = False, 0
        self._check_framing()
        self._upgrades = self.parser.should_upgrade()
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True
            self.cycle.default_headers = [*self.cycle.default_headers, _KEEP_ALIVE]

    def _check_framing(self) -> None:
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        coding = b", ".join(codings).strip().lower()
        version = self.parser.get_http_version()
        is_framed = not codings or (version == "1.1" and coding == b"chunked")
        if version not in {"1.0", "1.1"} or not is_framed:
            raise httptools.HttpParserError("unsupported framing")

    def on_body(self, body: bytes) -> None:
        """Adds to the body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the body, unless the parser has skipped it and it follows."""
        self._head_bytes = 0
        if not self._upgrades:
            super().on_message_complete()

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
        unread = (self.transport.get_write_buffer_size(), self._heard_at)
        if unread[0]:
            if unread == self._unread:  # closing would wait for the client
                self.transport.abort()
                return
            self._unread = unread
            self._watch = self.loop.call_later(self.idle_s, self._check_silence)
            return
        if self.transport.is_closing():
            return
        silent_s = self.loop.time() - self._heard_at
        if self._is_answering():
            silent_s = 0.0
        elif silent_s >= self.idle_s:
            self.transport.close()
            return
        self._watch = self.loop.call_later(self.idle_s - silent_s, self._check_silence)
