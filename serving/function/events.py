"""HTTP requests in the forms in which platforms hand them to a function, and answers to them."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from serving.errors import invalid_argument

Event = Mapping[str, Any]
# A WSGI server sends these itself.
_HOP_BY_HOP = frozenset({"connection", "content-length"})


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request.

    Attributes:
        method: Method in upper case.
        target: Percent-encoded path, with the query if there is one.
        headers: Headers by name in lower case.
        body: The body.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to an HTTP request.

    Attributes:
        status: HTTP status.
        headers: Headers by name in lower case, without those of the connection.
        body: The body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class EventError(Exception):
    """An event that is no HTTP request failed; the message is TensorFlow Serving's.

    Attributes:
        status: The HTTP status that a client of REST would have received.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def request_of_event(event: Any) -> Request | None:
    """Returns the HTTP request in an event of AWS's gateways, function URLs and load balancers.

    Returns:
        The request; None if the event is none, but was sent to the function directly.

    Raises:
        ServingError: INVALID_ARGUMENT if the body is not what the event says.
    """
    if not isinstance(event, Mapping):
        return None
    context = _mapping(event.get("requestContext"))
    http = _mapping(context.get("http"))
    if "rawPath" in event and "method" in http:  # format 2.0
        query = event.get("rawQueryString") or ""
        method, path = http["method"], _without_stage(str(event["rawPath"]), context.get("stage"))
    elif "httpMethod" in event and "path" in event:  # format 1.0
        fields = event.get("multiValueQueryStringParameters") or {
            name: [value] for name, value in _mapping(event.get("queryStringParameters")).items()
        }
        query = urlencode(fields, doseq=True)
        method, path = event["httpMethod"], event["path"]
    else:
        return None
    headers = _mapping(event.get("headers")) or {
        name: ", ".join(values) for name, values in _mapping(event.get("multiValueHeaders")).items()
    }
    return Request(
        method=str(method).upper(),
        target=f"{path}?{query}" if query else str(path),
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body=_body(event),
    )


def _without_stage(path: str, stage: Any) -> str:
    """Returns the path without the stage of an HTTP API, which AWS puts before it if it has a name.

    A stage may be called `v1`, as the first part of REST's own paths.
    """
    if path.startswith(f"/{stage}/") and not path.startswith("/v1/models/"):
        return path.removeprefix(f"/{stage}")
    return path


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _body(event: Event) -> bytes:
    text = event.get("body") or ""
    if not isinstance(text, str):
        raise invalid_argument("The body of the event is not a text")
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument(f"The body of the event is not base64: {error}") from error


def event_response(answer: Answer) -> dict[str, Any]:
    """Returns an answer in the form of AWS's gateways, function URLs and load balancers."""
    try:
        text, is_base64 = answer.body.decode(), False
    except UnicodeDecodeError:  # texts of a model need not be UTF-8
        text, is_base64 = base64.b64encode(answer.body).decode("ascii"), True
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": text,
        "isBase64Encoded": is_base64,
    }


def document(answer: Answer) -> Any:
    """Returns the JSON document of an answer as Python values; NaN and infinities as texts.

    Raises:
        EventError: It is the answer to a request that failed.
    """
    values = json.loads(answer.body.decode("utf-8", "replace"), parse_constant=str)
    if answer.status != 200:
        raise EventError(answer.status, str(values["error"]))
    return values


def request_of_environ(environ: Mapping[str, Any]) -> Request:
    """Returns the request of a WSGI environment; reads its body."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")  # gunicorn's, werkzeug's
    if not raw or not str(raw).startswith("/"):
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        raw = quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~") or "/"
        if environ.get("QUERY_STRING"):
            raw += f"?{environ['QUERY_STRING']}"
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    length = environ.get("CONTENT_LENGTH") or "0"
    stream = environ["wsgi.input"]
    # A stream that ends by itself may be read to its end: the body came in chunks.
    ends = environ.get("wsgi.input_terminated", False)
    body = stream.read() if ends else stream.read(int(length) if length.isdecimal() else 0)
    return Request(
        method=str(environ["REQUEST_METHOD"]).upper(),
        target=str(raw),
        headers=headers,
        body=body,
    )


def received_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Returns headers without those of the connection, which the platform sends."""
    return {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
