"""Loads the models once and answers events; see `serving.function`."""

import asyncio
import functools
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from serving.container.flags import model_flags
from serving.errors import ServingError
from serving.function.events import (
    Answer,
    Event,
    Request,
    document,
    event_response,
    received_headers,
    request_of_environ,
    request_of_event,
)
from serving.options import ServerOptions, parse_options
from serving.server import import_lightly, load_models, settle_process

if TYPE_CHECKING:
    from serving.lifecycle.version_manager import VersionManager
    from serving.rest.app import RestApp

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Function:
    """Answers requests to loaded models; thread-safe.

    Attributes:
        options: The options of the server that answers.
    """

    def __init__(self, options: ServerOptions) -> None:
        """Loads the models.

        Args:
            options: As of the server; ports and addresses are unused. The models are looked for
                once.

        Raises:
            ServingError: A model does not load, or a file is wrong.
        """
        import_lightly()
        # A load that fails is tried again at the next event, not by a thread that waits.
        options = replace(options, file_system_poll_wait_seconds=0, max_num_load_retries=0)
        self.options = options
        self._manager, self._app = _load(options)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="function", daemon=True).start()
        settle_process()

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], flags: Sequence[str] = ()
    ) -> "Function":
        """Loads the models that the environment names.

        Args:
            environment: The environment variables; see `serving.container`.
            flags: Further flags of the server.

        Raises:
            FlagError: A flag is wrong, or there is no model.
            ServingError: A model does not load.
        """
        return cls(parse_options([*model_flags(environment), *flags]))

    def answer(self, request: Request) -> Answer:
        """Returns the answer to an HTTP request, as the server would give it."""
        call = _Call(self._with_path(request))
        asyncio.run_coroutine_threadsafe(call.run(self._app), self._loop).result()
        return call.answer()

    def on_event(self, event: Event, context: object = None) -> Any:  # noqa: ARG002 - AWS's
        """Answers an event.

        Args:
            event: An HTTP request in AWS's format 1.0 or 2.0, or the body of a predict call.
            context: Unused.

        Returns:
            The response in AWS's format; the document of the answer if the event was no request.

        Raises:
            EventError: The event was no request, and the predict call failed.
        """
        try:
            request = request_of_event(event)
        except ServingError as error:
            return event_response(_refusal(error))
        if request is not None:
            return event_response(self.answer(request))
        body = json.dumps(event).encode()
        return document(self.answer(Request(method="POST", target="/", headers={}, body=body)))

    def on_request(self, request: Any) -> tuple[bytes, int, dict[str, str]]:
        """Answers a request of Flask; returns body, status and headers.

        Args:
            request: An object with a WSGI `environ`.
        """
        answer = self.answer(request_of_environ(request.environ))
        return answer.body, answer.status, dict(answer.headers)

    def application(
        self, environ: Mapping[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answers a request as a WSGI application."""
        answer = self.answer(request_of_environ(environ))
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:  # 499 has no name
            reason = "Error"
        headers = [*answer.headers.items(), ("content-length", str(len(answer.body)))]
        start_response(f"{answer.status} {reason}", headers)
        return [answer.body]

    def close(self) -> None:
        """Unloads the models; no request may be in progress."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._app.executors.shutdown()
        self._manager.stop()

    def _with_path(self, request: Request) -> Request:
        name = self.options.model_name
        if request.method != "POST" or request.target != "/" or self.options.model_config_file:
            return request
        return Request(
            method="POST",
            target=f"/v1/models/{quote(name, safe='')}:predict",
            headers=request.headers,
            body=request.body,
        )


class _Call:
    """One call of the ASGI application."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._is_read = False
        self._start: Mapping[str, Any] = {}
        self._body = b""

    async def run(self, app: "RestApp") -> None:
        """Lets the application answer."""
        path, _, query = self._request.target.partition("?")
        headers = [
            (name.encode("latin-1", "replace"), value.encode("utf-8"))
            for name, value in self._request.headers.items()
        ]
        scope = {
            "type": "http",
            "method": self._request.method,
            "raw_path": path.encode("utf-8", "surrogateescape"),
            "query_string": query.encode("utf-8", "surrogateescape"),
            "headers": headers,
        }
        await app(scope, self._receive, self._send)

    def answer(self) -> Answer:
        """Returns what the application sent."""
        headers = {name.decode(): value.decode() for name, value in self._start["headers"]}
        return Answer(
            status=self._start["status"], headers=received_headers(headers), body=self._body
        )

    async def _receive(self) -> dict[str, Any]:
        if self._is_read:
            return {"type": "http.disconnect"}
        self._is_read = True
        return {"type": "http.request", "body": self._request.body, "more_body": False}

    async def _send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._body += message["body"]


def _load(options: ServerOptions) -> tuple["VersionManager", "RestApp"]:
    from serving.metrics import Metrics
    from serving.rest.actions import Actions
    from serving.rest.app import Executors, RestApp
    from serving.rest.options import RestOptions

    metrics = Metrics()
    manager = load_models(options, metrics)
    app = RestApp(
        actions=Actions(manager, manager, metrics, is_lenient=options.rest_lenient),
        metrics=metrics,
        options=RestOptions(
            timeout_ms=max(options.rest_api_timeout_in_ms, 0),
            enable_cors=options.rest_api_enable_cors_support,
            is_ready=manager.is_ready,
            serves=manager.serves,
            shares_runs=options.enable_batching
            and not options.enable_per_model_batching_parameters,
        ),
        executors=Executors(manager.serves),
    )
    return manager, app


def _refusal(error: ServingError) -> Answer:
    from serving.rest.http_errors import error_answer

    status, body = error_answer(error)
    return Answer(status=status, headers={"content-type": "application/json"}, body=body)


_lock = threading.Lock()


@functools.cache
def _only_function() -> Function:
    return Function.from_environment(os.environ)


def load() -> Function:
    """Returns the function of this process; the first call loads the models."""
    with _lock:  # of two threads, one loads and the other waits; a failed load is tried again
        return _only_function()


def on_event(event: Event, context: object = None) -> Any:
    """Answers an event of AWS Lambda; see `Function.on_event`."""
    return load().on_event(event, context)


def on_request(request: Any) -> tuple[bytes, int, dict[str, str]]:
    """Answers a request of Flask; see `Function.on_request`."""
    return load().on_request(request)


def application(environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answers a request as a WSGI application; see `Function.application`."""
    return load().application(environ, start_response)
