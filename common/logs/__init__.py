"""Logs as text for people or as JSON lines for machines, with the id of the request at hand."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import MemoryHandler
from typing import Any, TextIO

_FIELDS = "fields"
_MAX_HELD = 1000
_events = logging.getLogger("faultline")
_requests = logging.getLogger("faultline.requests")
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON.

    A line has `time` (UTC, ISO 8601), `level`, `logger` and `message`; `request_id` if the record
    was made while a request was answered; `exception` with a traceback; and further fields.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        line: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (request_id := _request_id.get()) is not None:
            line["request_id"] = request_id
        line |= getattr(record, _FIELDS, {})
        # Where errors are redacted, the text was made when the record was.
        text = record.exc_text
        if text is None and record.exc_info:
            text = self.formatException(record.exc_info)
        if text:
            line["exception"] = text
        return json.dumps(line, ensure_ascii=False, default=str)


def hold_logs() -> None:
    """Keeps what is logged until `set_up_logs` decides on its format."""
    held = MemoryHandler(_MAX_HELD, flushLevel=logging.CRITICAL + 1)
    logging.basicConfig(level=logging.INFO, handlers=[held], force=True)


def set_up_logs(form: LogFormat, stream: TextIO | None = None) -> None:
    """Lets every logger of this process write in a format; a second call replaces the first.

    Args:
        form: The format.
        stream: Where to write; by default standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if form is LogFormat.JSON
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    for held in logging.root.handlers:
        if isinstance(held, MemoryHandler):
            held.setTarget(handler)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # httpx logs each URL with its query, which may be a secret.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # A request's line is for those who ask for it; see `log_requests`.
    _requests.setLevel(logging.WARNING)


def are_json() -> bool:
    """Whether this process writes its logs as JSON lines."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.root.handlers)


def log_event(message: str, **fields: Any) -> None:
    """Logs an event, with fields of its own in a JSON line."""
    _events.info("%s", message, extra={_FIELDS: fields})


def log_requests() -> None:
    """From now on, writes a line for each request that is answered."""
    _requests.setLevel(logging.INFO)


@contextmanager
def answering(request_id: str | None) -> Iterator[None]:
    """Adds the id of a request to the lines that are logged in this context."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


def log_request(*, request_id: str | None = None, **fields: Any) -> None:
    """Writes the line of an answered request, if such lines are asked for.

    Args:
        request_id: Its id; None for the one of the context.
        **fields: What is known of it, such as `model` and `status`.
    """
    if not _requests.isEnabledFor(logging.INFO):
        return
    values = {"request_id": request_id or _request_id.get(), **fields}
    words = " ".join(f"{name}={value}" for name, value in values.items() if value is not None)
    _requests.info("Answered %s", words, extra={_FIELDS: values})
