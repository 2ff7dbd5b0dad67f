"""The ASGI application: HTTP around the handlers."""

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc

from serving.errors import ServingError, invalid_argument
from serving.metrics import Metrics
from serving.rest.handlers import Handlers
from serving.rest.options import RestOptions
from serving.rest.output import error_json
from serving.rest.routes import EmptyAnswerError, parse_route

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_CLIENT_CLOSED_REQUEST = 499
_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: _CLIENT_CLOSED_REQUEST,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
_TEXT: tuple[bytes, bytes] = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]
# What a gzip body may grow to: a few bytes must not take all memory.
_MAX_INFLATED_BYTES = 2**30
_THREADS = 64


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        code: HTTP status.
        body: The body.
        headers: Without the length.
    """

    code: int
    body: bytes = b""
    headers: Headers = field(default_factory=lambda: [_JSON])


def _html_not_found() -> Answer:
    """What the HTTP library under TensorFlow Serving says of a path that nobody has."""
    body = (
        b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n"
        b"</BODY></HTML>\n"
    )
    return Answer(404, body, [(b"content-type", b"text/html")])


def error_answer(error: ServingError) -> Answer:
    """Returns the answer of a call that failed."""
    return Answer(_CODES[error.code], error_json(error.message))


class RestApp:
    """TensorFlow Serving's REST interface, metrics, `/healthz` and `/readyz`."""

    def __init__(self, handlers: Handlers, metrics: Metrics, options: RestOptions) -> None:
        self._handlers = handlers
        self._metrics = metrics
        self._options = options
        # Parsing and running stay off the event loop, which serves all the other clients.
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="rest")

    def close(self) -> None:
        """Ends the threads; calls under way are waited for."""
        self._pool.shutdown()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        body = await _read(receive)
        if body is None:
            return
        answer = await self._answer(scope, body)
        headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
        if self._options.enable_cors:
            headers += _CORS
        await send({"type": "http.response.start", "status": answer.code, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": sent})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        verb, path = scope["method"], _path(scope)
        headers = dict(scope["headers"])
        own = self._own_route(verb, path)
        if own is not None:
            return own
        if not path.lower().startswith("/v1/"):
            return _html_not_found()
        if verb == "OPTIONS":
            origin = headers.get(b"origin", b"")
            allowed = b"http://" in origin or b"https://" in origin
            return Answer(200 if allowed else 400, b"", [])
        loop = asyncio.get_running_loop()
        zipped = headers.get(b"content-encoding", b"").strip().lower() == b"gzip"
        call = loop.run_in_executor(self._pool, self._call, verb, path, body, zipped)
        try:
            return await asyncio.wait_for(call, self._options.timeout_ms / 1e3)
        except TimeoutError:
            late = ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for answer")
            return error_answer(late)

    def _own_route(self, verb: str, path: str) -> Answer | None:
        """Routes that do not wait for a model."""
        if verb != "GET":
            return None
        if path == self._options.metrics_path:
            return Answer(200, self._metrics.render(), [_TEXT])
        if path == "/healthz":
            return Answer(200, b"ok\n", [_TEXT])
        if path == "/readyz":
            ready = self._options.is_ready()
            return Answer(200 if ready else 503, b"ready\n" if ready else b"loading\n", [_TEXT])
        return None

    def _call(self, verb: str, path: str, body: bytes, zipped: bool) -> Answer:
        try:
            route = parse_route(verb, path)
            return Answer(200, self._handlers.answer(route, inflate(body) if zipped else body))
        except ServingError as error:
            return error_answer(error)
        except EmptyAnswerError:
            return Answer(HTTPStatus.BAD_REQUEST)
        except Exception as error:
            logger.exception("A request failed unexpectedly")
            text = f"{type(error).__name__} in the server"
            return error_answer(ServingError(grpc.StatusCode.INTERNAL, text))


def inflate(body: bytes) -> bytes:
    """Returns what a gzip body holds.

    Raises:
        ServingError: INVALID_ARGUMENT for what is no gzip, or grows beyond a gibibyte.
    """
    try:
        return b"".join(_inflated(body))
    except zlib.error as error:
        raise invalid_argument(f"Failed to uncompress the request body: {error}") from error


def _inflated(body: bytes) -> Iterable[bytes]:
    size = 0
    while body:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not inflater.eof:
            part = inflater.decompress(body, 2**20)
            body = inflater.unconsumed_tail
            size += len(part)
            if size > _MAX_INFLATED_BYTES:
                raise invalid_argument(
                    f"The request body is larger than {_MAX_INFLATED_BYTES} bytes uncompressed"
                )
            yield part
            if not part and not body and not inflater.eof:
                raise zlib.error("the stream ends too early")
        body = inflater.unused_data


def _path(scope: Scope) -> str:
    """The path as sent: percent-encoded, without the query."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None if the client went away."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
