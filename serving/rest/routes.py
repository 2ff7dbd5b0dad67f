"""Routes: from an HTTP method and a path to an action on a model."""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from serving.errors import ServingError, invalid_argument

_NAME = r"([^/:]+)"
_WHICH = rf"(?:/versions/(\d+)|/labels/{_NAME})?"
_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
_API = re.compile(r"/v1/.*", _FLAGS)
_INFERENCE = re.compile(rf"/v1/models/{_NAME}{_WHICH}:(classify|regress|predict)", _FLAGS)
_MODEL = re.compile(rf"/v1/models(?:/{_NAME})?{_WHICH}(?:/(metadata))?", _FLAGS)
_MAX_INT64 = 2**63 - 1
_MAX_DIGITS = 19


class UnreadableVersionError(Exception):
    """A version beyond int64; the answer is a 400 without a body."""


@dataclass(frozen=True)
class Route:
    """The target of a request.

    Attributes:
        action: `predict`, `classify`, `regress`, `status` or `metadata`.
        model: Name of the model.
        version: Number of the version, or None.
        label: Its label, or None.
    """

    action: str
    model: str
    version: int | None = None
    label: str | None = None


def is_api(path: str) -> bool:
    """Returns whether a path belongs to TensorFlow Serving's API."""
    return _API.fullmatch(path) is not None


def find_route(method: str, path: str) -> Route:
    """Returns the route of a request.

    Args:
        method: HTTP method in upper case.
        path: Percent-encoded path with the query, as sent: like TensorFlow Serving, a route has no
            query, so that it ends the name of the model or makes the request malformed.

    Raises:
        ServingError: INVALID_ARGUMENT for an unknown path or method.
        UnreadableVersionError: The version does not fit into an int64.
    """
    pattern = {"POST": _INFERENCE, "GET": _MODEL}.get(method)
    match = pattern.fullmatch(path) if pattern else None
    if match is None:
        raise _malformed(method, path)
    name, version, label, action = match.groups()
    number = None if version is None else _int64(version)
    if method == "GET":
        if not name:
            raise invalid_argument("Missing model name in request.")
        action = "metadata" if action == "metadata" else "status"
    elif action != action.lower():
        raise _malformed(method, path)
    return Route(
        action,
        _decoded(name),
        number,
        None if label is None else _decoded(label),
    )


def _int64(digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    if len(significant) > _MAX_DIGITS or int(significant) > _MAX_INT64:
        raise UnreadableVersionError
    return int(significant)


def _malformed(method: str, path: str) -> ServingError:
    return invalid_argument(f"Malformed request: {method} {path}")


def _decoded(text: str) -> str:
    encoded = text.encode("utf-8", "surrogateescape")
    return unquote_to_bytes(encoded).decode("utf-8", "surrogateescape")
