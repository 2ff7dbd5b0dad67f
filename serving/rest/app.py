"""The ASGI application; slow work runs outside the event loop."""

import asyncio
import contextlib
import ctypes
import logging
import traceback
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

import grpc

from serving.errors import ServingError
from serving.metrics import Metrics
from serving.rest.actions import Actions, Steps
from serving.rest.bodies.json_output import error_json
from serving.rest.collector import paused_collector
from serving.rest.http_errors import NOT_FOUND_PAGE, NOT_IMPLEMENTED_PAGE, error_answer
from serving.rest.options import RestOptions
from serving.rest.routes import Route, UnreadableVersionError, find_route, is_api

logger = logging.getLogger(__name__)

_LARGE_BYTES = 2**20
# A body of this size is parsed in some hundred microseconds, which the event loop can afford.
_SMALL_BYTES = 2**14
_GZIP = 31  # zlib's largest window, with a gzip header
_NO_METHODS = frozenset({"TRACE", "CONNECT"})
_JSON, _TEXT = b"application/json", b"text/plain"
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    content_type: bytes = _JSON
    closes: bool = False


@dataclass(frozen=True)
class _Request:
    """A request without its body; `uri` is the path with the query, as sent."""

    method: str
    uri: str
    path: str
    headers: Mapping[bytes, bytes]


class ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


@dataclass(frozen=True, kw_only=True)
class Executors:
    """Thread pools for work outside the event loop.

    Attributes:
        usual: Threads for most requests; their number limits the concurrent requests.
        large: Few threads for large bodies, which take much memory.
    """

    usual: Executor
    large: Executor


@dataclass(frozen=True, kw_only=True)
class RestApp:
    """The ASGI application.

    Attributes:
        actions: Answers requests for models.
        metrics: The metrics served at `options.metrics_path`.
        options: Limits and paths.
        executors: Threads that answer requests.
    """

    actions: Actions
    metrics: Metrics
    options: RestOptions
    executors: Executors

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            raise ValueError(f"scope type must be http, got {scope['type']}")
        path = scope["raw_path"].decode("utf-8", "surrogateescape")
        query = scope["query_string"].decode("utf-8", "surrogateescape")
        uri = f"{path}?{query}" if query else path
        request = _Request(scope["method"], uri, path, dict(scope["headers"]))
        try:
            answer = await self._answer(request, receive)
        except ClientGoneError:
            return
        await self._send(answer, is_api(path), send)

    async def _answer(self, request: _Request, receive: Receive) -> _Answer:
        if request.method in _NO_METHODS:
            return _Answer(501, NOT_IMPLEMENTED_PAGE, b"text/html", closes=True)
        if not is_api(request.uri) or request.path == self.options.metrics_path:
            return await self._answer_beside(request)
        if request.method == "OPTIONS":
            origin = request.headers.get(b"origin", b"")
            allowed = b"http://" in origin or b"https://" in origin
            return _Answer(200 if allowed else 400, b"")
        try:
            route = find_route(request.method, request.uri)
            chunks = [] if request.method == "GET" else await self._read(request, receive)
            return _Answer(200, await self._run(route, request, chunks))
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - every request gets an answer
            return self._refusal(error)

    def _refusal(self, error: Exception) -> _Answer:
        if isinstance(error, ServingError):
            return _Answer(*error_answer(error))
        if isinstance(error, UnreadableVersionError):
            return _Answer(400, b"")
        if isinstance(error, _TooLargeError):
            text = f"The body exceeds the limit of {self.options.max_body_bytes} bytes"
            return _Answer(413, error_json(text), closes=True)
        # The traceback without the error's text, which may quote the request.
        places = "".join(traceback.format_tb(error.__traceback__))
        logger.error("A request failed unexpectedly: %s at\n%s", type(error).__name__, places)
        return _Answer(500, error_json(f"{type(error).__name__} in the server"))

    async def _answer_beside(self, request: _Request) -> _Answer:
        """Answers metrics, `/healthz` and `/readyz`."""
        if request.path == self.options.metrics_path:
            if request.uri != request.path:
                text = f"Unexpected path: {request.uri}. Should be {request.path}"
                return _Answer(400, text.encode("utf-8", "surrogateescape"), _TEXT)
            loop = asyncio.get_running_loop()
            page = await loop.run_in_executor(self.executors.usual, self.metrics.render)
            return _Answer(200, page, _TEXT)
        if request.method in {"GET", "HEAD"}:
            if request.path == "/healthz":
                return _Answer(200, b"ok\n", _TEXT)
            if request.path == "/readyz":
                is_ready = self.options.is_ready()
                return (
                    _Answer(200, b"ok\n", _TEXT)
                    if is_ready
                    else _Answer(503, b"not ready: a model has no version that serves\n", _TEXT)
                )
        return _Answer(404, NOT_FOUND_PAGE, b"text/html", closes=True)

    async def _read(self, request: _Request, receive: Receive) -> list[bytes]:
        limit = self.options.max_body_bytes
        length = request.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            raise _TooLargeError
        chunks = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise _TooLargeError
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks

    async def _run(self, route: Route, request: _Request, chunks: list[bytes]) -> bytes:
        is_gzip = b"gzip" in request.headers.get(b"content-encoding", b"")
        is_large = is_gzip or sum(map(len, chunks)) > _LARGE_BYTES
        is_small = not is_gzip and sum(map(len, chunks)) <= _SMALL_BYTES
        if self.options.shares_runs and is_small and route.action == "predict":
            return await self._predict_here(route, b"".join(chunks))
        executor = self.executors.large if is_large else self.executors.usual
        work = self._answer_large if is_large else self._answer_usual
        running = asyncio.get_running_loop().run_in_executor(executor, work, route, chunks, is_gzip)
        await self._wait(running)
        return running.result()

    async def _wait(self, running: "asyncio.Future[Any]") -> None:
        timeout_s = self.options.timeout_ms / 1000 or None
        done, _ = await asyncio.wait([running], timeout=timeout_s)
        if not done:
            # The work cannot be stopped; its result is discarded.
            running.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise _timed_out()

    async def _ended(self, running: "Future[Any]") -> bool:
        """Waits for a thread's future, at far less cost than `asyncio.wrap_future` and `wait`."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def end() -> None:
            if not ended.done():
                ended.set_result(None)

        running.add_done_callback(lambda _: loop.call_soon_threadsafe(end))
        timeout_ms = self.options.timeout_ms
        timer = loop.call_later(timeout_ms / 1000, end) if timeout_ms else None
        await ended
        if timer is not None:
            timer.cancel()
        return running.done()

    async def _predict_here(self, route: Route, body: bytes) -> bytes:
        """Answers on the event loop while a batch runs in another thread."""
        steps = self.actions.predict(route, body)
        run = next(steps)
        if run.servable.submit is None:
            raise ValueError(f"{run.servable.name} does not batch, but the server does")
        try:
            running = run.servable.submit(run.feeds, run.fetches)
        except ServingError as error:
            steps.throw(error)
            raise
        if not await self._ended(running):
            late = _timed_out()
            # The model stays loaded until the batch has run.
            running.add_done_callback(lambda _: _abandon(steps, late))
            raise late
        try:
            if (failed := running.exception()) is not None:
                steps.throw(failed)
            else:
                steps.send(running.result())
        except StopIteration as end:
            answer: bytes = end.value
            return answer
        raise RuntimeError("a predict call asked for a second run")

    def _answer_usual(self, route: Route, chunks: list[bytes], _is_gzip: bool) -> bytes:
        return self.actions.answer(route, chunks[0] if len(chunks) == 1 else b"".join(chunks))

    def _answer_large(self, route: Route, chunks: list[bytes], is_gzip: bool) -> bytes:
        body = b"".join(chunks)
        chunks.clear()
        if is_gzip:
            body = _unpack(body, self.options.max_body_bytes)
        if len(body) <= _LARGE_BYTES:
            return self.actions.answer(route, body)
        try:
            with paused_collector():
                return self.actions.answer(route, body)
        finally:
            if _TRIM is not None:
                _TRIM(0)

    async def _send(self, answer: _Answer, is_api_path: bool, send: Send) -> None:
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        if answer.closes:
            headers.append((b"connection", b"close"))
        if is_api_path and self.options.enable_cors:
            headers += _CORS
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


class _TooLargeError(Exception):
    pass


def _timed_out() -> ServingError:
    return ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")


def _abandon(steps: Steps, error: ServingError) -> None:
    with contextlib.suppress(ServingError):
        steps.throw(error)


def _unpack(body: bytes, limit: int) -> bytes:
    """Returns the decompressed body; empty for invalid gzip, as in TensorFlow Serving."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(body, limit)
    except zlib.error:
        return b""
    if unpacker.unconsumed_tail and not unpacker.eof:
        raise _TooLargeError
    return unpacked if unpacker.eof and not unpacker.unused_data else b""
