"""The HTTP endpoint that Prometheus scrapes."""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from common.errors import InputError
from common.output_folder import OutputFolder
from production.monitoring.exposition.exposition import Exposition
from production.monitoring.exposition.targets import find_targets

logger = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


class _QuietHandler(WSGIRequestHandler):
    """Logs no line for each scrape."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        logger.debug(format, *args)


@contextmanager
def exposing(folder: OutputFolder, *, host: str, port: int) -> Iterator[int]:
    """Serves the metrics of an output folder while the context is open.

    `/metrics` has the metrics, `/targets` the servers behind gateways, `/healthz` answers.

    Args:
        folder: The output folder.
        host: IP address to listen on.
        port: The port; 0 picks a free one.

    Yields:
        The port.

    Raises:
        InputError: The port is taken.
    """
    try:
        server = make_server(host, port, make_app(folder), ThreadingWSGIServer, _QuietHandler)
    except OSError as error:
        raise InputError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. Stop the program that "
            "listens there, or choose another port with --port."
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_app(folder: OutputFolder) -> App:
    """Returns the WSGI application of `exposing`."""
    exposition = Exposition(folder)
    lock = threading.Lock()
    metrics: App = make_wsgi_app(exposition.registry)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = partial(_answer, start_response)
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return answer("405 Method Not Allowed", b"GET and HEAD only\n")
        if path == "/metrics":
            with lock:  # what was read of files is kept for the next scrape
                return metrics(environ, start_response)
        if path == "/targets":
            body = json.dumps(find_targets(folder)).encode()
            return answer("200 OK", body, "application/json")
        if path == "/healthz":
            return answer("200 OK", b"ok\n")
        return answer("404 Not Found", b"/metrics, /targets or /healthz\n")

    return app


def _answer(
    start_response: StartResponse, status: str, body: bytes, kind: str = "text/plain"
) -> Iterable[bytes]:
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
