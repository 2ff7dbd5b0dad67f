"""Receivers of alarms on the loopback: an HTTP server and an SMTP server, in threads."""

import base64
import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from typing import Any


class LocalServer(socketserver.ThreadingTCPServer):
    """A server on a free port of the loopback.

    Attributes:
        status: Status of the answers of HTTP.
        pause_s: Pause before an answer of HTTP.
        drips: Whether an answer of HTTP or SMTP begins, but does not end; a byte comes each 50 ms.
        num_requests: Number of requests of HTTP that have begun.
        bodies: What came by POST.
        headers: The headers that it came with.
        mails: What came by SMTP.
        recipients: Addresses that the mails were for.
        login: What came as a login, decoded.
        tls: Context for STARTTLS; None without.
        refuses: Whether mails are refused.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, handler: type[socketserver.BaseRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.status, self.pause_s, self.num_requests = 200, 0.0, 0
        self.drips = False
        self.is_stopped = threading.Event()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        self.login = b""
        self.tls: ssl.SSLContext | None = None
        self.refuses = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Web(BaseHTTPRequestHandler):
    server: LocalServer

    def do_POST(self) -> None:
        self.server.num_requests += 1
        if self.server.drips:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            drip(self.server, self.wfile)
            return
        time.sleep(self.server.pause_s)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.bodies.append(json.loads(body))
            self.server.headers.append(dict(self.headers))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


class _Mail(socketserver.StreamRequestHandler):
    server: LocalServer

    def handle(self) -> None:
        if self.server.drips:
            self.wfile.write(b"220-")
            return drip(self.server, self.wfile)
        self.say("220 local")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                return self.say("221 bye")
            self.answer(verb, line)
        return None

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # STARTTLS replaced the one that the server closes

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")
        self.wfile.flush()

    def answer(self, verb: str, line: str) -> None:
        if verb == "EHLO":
            self.say("250-local")
            self.say("250-AUTH PLAIN")
            self.say("250 STARTTLS" if self.server.tls else "250 8BITMIME")
        elif verb == "STARTTLS" and self.server.tls:
            self.say("220 go on")
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        elif verb == "AUTH":
            self.server.login = base64.b64decode(line.split()[2])
            is_known = self.server.login.endswith(b"lovelace")
            self.say("235 welcome" if is_known else f"535 not {self.server.login!r}")
        elif verb == "DATA":
            self.say("354 go on")
            lines = iter(self.rfile.readline, b".\r\n")
            self.server.mails.append(message_from_bytes(b"".join(lines)))
            self.say("250 taken")
        else:
            if verb == "RCPT":
                self.server.recipients.append(line.partition("<")[2].partition(">")[0])
            self.say("550 not here" if verb == "RCPT" and self.server.refuses else "250 yes")


def drip(server: LocalServer, stream: BufferedIOBase) -> None:
    """Writes a byte now and then until the server stops or the client has gone."""
    with suppress(OSError):
        while not server.is_stopped.wait(0.05):
            stream.write(b"x")
            stream.flush()


@contextmanager
def _running(server: LocalServer) -> Iterator[LocalServer]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.is_stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def web_server(port: int = 0) -> Iterator[LocalServer]:
    """Runs an HTTP server while the context is open."""
    with _running(LocalServer(_Web, port)) as server:
        yield server


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[LocalServer]:
    """Runs an SMTP server while the context is open."""
    with _running(LocalServer(_Mail)) as server:
        server.tls = tls
        yield server
