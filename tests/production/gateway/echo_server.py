"""A server of both wires that answers with what it got: `python echo_server.py NAME GRPC REST`.

REST: any path; GET /log returns all requests so far. gRPC: any method, bytes in and out; health is
SERVING. Checks of health by Envoy are not among the requests. The header
`x-delay-ms` delays an answer, `x-status` sets the status of a REST answer.
"""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

_LOG: list[dict[str, Any]] = []
_LOCK = threading.Lock()
# grpc.health.v1.HealthCheckResponse with the status SERVING
_SERVING = b"\x08\x01"


def _note(name: str, path: str, headers: dict[str, str], num_bytes: int) -> bytes:
    entry = {"server": name, "path": path, "headers": headers, "num_bytes": num_bytes}
    with _LOCK:
        _LOG.append(entry)
    time.sleep(float(headers.get("x-delay-ms", 0)) / 1000)
    return json.dumps(entry).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    name = ""

    def do_GET(self) -> None:
        if self.path == "/log":
            with _LOCK:
                self._answer(200, json.dumps(_LOG).encode())
            return
        if self.headers.get("user-agent", "").startswith("Envoy/HC"):
            self._answer(200, b"ok")
            return
        self._echo()

    def do_POST(self) -> None:
        self._echo()

    def log_message(self, *_args: Any) -> None:
        """Logs nothing."""

    def _echo(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(
            int(headers.get("x-status", 200)), _note(self.name, self.path, headers, len(body))
        )

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-faultline-version", "7")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, name: str) -> None:
        self._name = name

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        headers = {
            name: value if isinstance(value, str) else "(binary)"
            for name, value in details.invocation_metadata
        }

        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda _request, _context: _SERVING)

        def answer(request: bytes, _context: grpc.ServicerContext) -> bytes:
            return _note(self._name, details.method, headers, len(request))

        return grpc.unary_unary_rpc_method_handler(answer)


def main(name: str, grpc_port: int, rest_port: int) -> None:
    """Serves until the process is ended."""
    size = ("grpc.max_receive_message_length", -1)
    server = grpc.server(
        ThreadPoolExecutor(32), handlers=[_Methods(name)], options=[size, ("grpc.so_reuseport", 0)]
    )
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    _Handler.name = name
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", rest_port), _Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
