"""The ASGI application; slow work runs outside the event loop."""

import asyncio
import contextlib
import contextvars
import logging
import math
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from common.logs import answering
from serving.errors import ServingError
from serving.metrics import Metrics
from serving.recording.exchanges import Exchange, Tags, tags_of_headers
from serving.rest.actions import Actions, Steps
from serving.rest.bodies.json_output import error_json
from serving.rest.documents import TooLargeError, check_values, unpack
from serving.rest.http_errors import NOT_FOUND_PAGE, NOT_IMPLEMENTED_PAGE, error_answer
from serving.rest.options import RestOptions
from serving.rest.routes import Route, UnreadableVersionError, find_route, is_api
from serving.runtime.arrival.trimming import trimmed
from serving.runtime.arrival.unpacking import counted
from serving.runtime.deadlines import deadline_at, timed_out

if TYPE_CHECKING:
    from serving.recording.recorder import Recorder

logger = logging.getLogger(__name__)

# A body of this size is parsed in some hundred microseconds, which the event loop can afford.
_SMALL_BYTES = 2**14
_NUM_THREADS = 64
_NUM_BESIDE = 4
_NO_METHODS = frozenset({"TRACE", "CONNECT"})
_JSON, _TEXT = b"application/json", b"text/plain"
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    content_type: bytes = _JSON
    closes: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class _Request:
    """A request without its body; `uri` is the path with the query, as sent.

    Attributes:
        is_read: Whether the whole body was read.
        tags: The headers that concern the recording.
        exchange: What is recorded; None without.
    """

    method: str
    uri: str
    path: str
    headers: Mapping[bytes, bytes]
    is_read: bool = False
    tags: Tags = Tags()  # noqa: RUF009 - it never changes
    exchange: Exchange | None = None

    @property
    def returned_headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that the answer has because of the recording."""
        return self.tags.headers if self.exchange is None else self.exchange.headers

    @property
    def request_id(self) -> str | None:
        """Id of the request; None if it has none."""
        return self.tags.request_id if self.exchange is None else self.exchange.request_id

    @property
    def leaves_body_open(self) -> bool:
        """Whether the client may or may not send a body after an answer."""
        return not self.is_read and b"expect" in self.headers


class ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


class Executors:
    """Thread pools for work outside the event loop; each model has its own.

    A hung model can therefore keep all threads of its pool busy, but no others.

    Attributes:
        beside: Threads for status, metadata and metrics, which never wait for a model.
    """

    def __init__(self, serves: Callable[[str], bool]) -> None:
        """Creates no thread yet.

        Args:
            serves: Returns whether there is a model of a name. All other names share one pool.
        """
        self.beside: Executor = ThreadPoolExecutor(_NUM_BESIDE, thread_name_prefix="rest-beside")
        self._serves = serves
        self._by_model: dict[str, ThreadPoolExecutor] = {}

    def of(self, model: str) -> Executor:
        """Returns the pool of a model; call it on the event loop."""
        name = model if self._serves(model) else ""
        pool = self._by_model.get(name)
        if pool is None:
            for old in [old for old in self._by_model if old and not self._serves(old)]:
                self._by_model.pop(old).shutdown(wait=False)
            num_threads = _NUM_THREADS if name else _NUM_BESIDE
            pool = ThreadPoolExecutor(num_threads, thread_name_prefix=f"rest-{name}")
            self._by_model[name] = pool
        return pool

    def shutdown(self) -> None:
        """Drops the work that has not begun, and ends the threads that are idle."""
        for pool in (self.beside, *self._by_model.values()):
            pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, kw_only=True)
class RestApp:
    """The ASGI application.

    Attributes:
        actions: Answers requests for models.
        metrics: The metrics served at `options.metrics_path`.
        options: Limits and paths.
        executors: Threads that answer requests.
        recorder: Records requests; None records none.
    """

    actions: Actions
    metrics: Metrics
    options: RestOptions
    executors: Executors
    recorder: "Recorder | None" = None

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
        except asyncio.CancelledError:  # the grace of a stop is over
            answer = _Answer(503, error_json("The server is stopping"), closes=True)
        closes = answer.closes or request.leaves_body_open or answer.status == 413
        answer = replace(answer, closes=closes, headers=request.returned_headers)
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
            request.tags = self._tags(request)
            route = find_route(request.method, request.uri)
            chunks = [] if request.method == "GET" else await self._read(request, receive)
            if self.recorder is not None and request.method == "POST":
                request.exchange = self.recorder.begin(request.tags, sum(map(len, chunks)))
            with answering(request.request_id):
                return _Answer(200, await self._run(route, request, chunks))
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - every request gets an answer
            with answering(request.request_id):
                answer = self._refusal(error)
            # The frames of an error hold the request, and are themselves held until the collector
            # runs.
            traceback.clear_frames(error.__traceback__)
            return answer

    def _tags(self, request: _Request) -> Tags:
        key_header = "" if self.recorder is None else self.recorder.options.key_header
        return tags_of_headers(request.headers, key_header)

    def _refusal(self, error: Exception) -> _Answer:
        if isinstance(error, ServingError):
            return _Answer(*error_answer(error))
        if isinstance(error, UnreadableVersionError):
            return _Answer(400, b"")
        if isinstance(error, TooLargeError):
            return _Answer(413, error_json(str(error)))
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
            page = await loop.run_in_executor(self.executors.beside, self.metrics.render)
            return _Answer(200, page, _TEXT)
        if request.method in {"GET", "HEAD"}:
            if request.path == "/healthz":
                return _Answer(200, b"ok\n", _TEXT)
            if request.path == "/readyz":
                is_ready = self.options.is_ready()
                return (
                    _Answer(200, b"ok\n", _TEXT)
                    if is_ready
                    else _Answer(503, b"not ready: a model has no version that answers\n", _TEXT)
                )
        return _Answer(404, NOT_FOUND_PAGE, b"text/html", closes=True)

    async def _read(self, request: _Request, receive: Receive) -> list[bytes]:
        limit = self.options.max_body_bytes
        length = request.headers.get(b"content-length", b"0").strip()
        size = int(length) if length.isdigit() else 0
        chunks: list[bytes] = []
        if size <= limit:
            size = 0
        while size <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            chunks.append(chunk)
            if not message.get("more_body", False):
                request.is_read = True
                break
        if size > limit:
            raise TooLargeError(f"The body exceeds the limit of {limit} bytes")
        return chunks

    async def _run(self, route: Route, request: _Request, chunks: list[bytes]) -> bytes:
        timeout_ms = self.options.timeout_ms
        deadline_s = time.monotonic() + timeout_ms / 1000 if timeout_ms else math.inf
        with deadline_at(deadline_s):
            if route.action in {"status", "metadata"}:
                return await self._in_thread(self.executors.beside, self.actions.answer, route, b"")
            is_gzip = b"gzip" in request.headers.get(b"content-encoding", b"")
            is_small = not is_gzip and sum(map(len, chunks)) <= _SMALL_BYTES
            if self.options.shares_runs and is_small and route.action == "predict":
                return await self._predict_here(route, b"".join(chunks), request.exchange)
            pool = self.executors.of(route.model)
            return await self._in_thread(
                pool, self._answer_body, route, chunks, is_gzip, request.exchange
            )

    async def _in_thread(self, pool: Executor, work: Callable[..., bytes], *args: Any) -> bytes:
        context = contextvars.copy_context()  # with the deadline
        running = asyncio.get_running_loop().run_in_executor(pool, context.run, work, *args)
        await self._wait(running)
        return running.result()

    async def _wait(self, running: "asyncio.Future[Any]") -> None:
        timeout_s = self.options.timeout_ms / 1000 or None
        done, _ = await asyncio.wait([running], timeout=timeout_s)
        if not done:
            # Work that has begun ends at the same deadline, and its result is discarded.
            running.add_done_callback(lambda late: late.cancelled() or late.exception())
            running.cancel()
            raise timed_out()

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

    async def _predict_here(self, route: Route, body: bytes, exchange: Exchange | None) -> bytes:
        """Answers on the event loop while a batch runs in another thread."""
        steps = self.actions.predict(route, body, exchange)
        run = next(steps)
        if run.servable.submit is None:
            raise ValueError(f"{run.servable.name} does not batch, but the server does")
        try:
            running = run.servable.submit(run.feeds, run.fetches)
        except ServingError as error:
            steps.throw(error)
            raise
        if not await self._ended(running):
            late = timed_out()
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

    def _answer_body(
        self, route: Route, chunks: list[bytes], is_gzip: bool, exchange: Exchange | None
    ) -> bytes:
        with trimmed(sum(map(len, chunks))):
            return self._answer_content(route, chunks, is_gzip, exchange)

    def _answer_content(
        self, route: Route, chunks: list[bytes], is_gzip: bool, exchange: Exchange | None
    ) -> bytes:
        body = b"".join(chunks)
        chunks.clear()
        if not is_gzip:
            check_values(body)
            return self.actions.answer(route, body, exchange)
        with counted() as take:  # the memory counts until the model has run
            body = unpack(body, max_bytes=self.options.max_unpacked_bytes, take=take)
            return self.actions.answer(route, body, exchange)

    async def _send(self, answer: _Answer, is_api_path: bool, send: Send) -> None:
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(answer.body)).encode()),
        ]
        if answer.closes:
            headers.append((b"connection", b"close"))
        headers += [(name.encode(), value.encode()) for name, value in answer.headers]
        if is_api_path and self.options.enable_cors:
            headers += _CORS
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _abandon(steps: Steps, error: ServingError) -> None:
    with contextlib.suppress(ServingError):
        steps.throw(error)
