"""What a path asks for."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from serving.errors import ServingError, invalid_argument

_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(
    rf"/v1/models/(?P<name>[^/:]+){_WHICH}:(?P<method>predict|classify|regress)", re.IGNORECASE
)
_GET = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_WHICH}(?P<metadata>/metadata)?", re.IGNORECASE
)
_METHODS = frozenset({"predict", "classify", "regress"})
_MAX_VERSION = 2**63 - 1


class EmptyAnswerError(Exception):
    """A version that is no int64: Serving answers 400 without a body."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A call under /v1/.

    Attributes:
        method: `predict`, `classify`, `regress`, `status` or `metadata`.
        name: Name of the model.
        version: Its version, if the path says one.
        label: Its version label, if the path says one.
    """

    method: str
    name: str
    version: int | None
    label: str | None


def parse_route(verb: str, path: str) -> Route:
    """Returns what a path under /v1/ asks for.

    Args:
        verb: The HTTP verb.
        path: The path as sent, percent-encoded, without the query.

    Raises:
        ServingError: INVALID_ARGUMENT `Malformed request: VERB PATH`, or without a model's name.
        EmptyAnswerError: The version is no int64.
    """
    found = {"POST": _POST, "GET": _GET}.get(verb, _NOTHING).fullmatch(path)
    if found is None:
        raise _malformed(verb, path)
    parts = found.groupdict()
    looked_at = "metadata" if parts.get("metadata") else "status"
    method = parts.get("method", looked_at)
    if verb == "POST" and method not in _METHODS:
        raise _malformed(verb, path)
    if not parts["name"]:
        raise invalid_argument("Missing model name in request.")
    version = None if parts["version"] is None else int(parts["version"])
    if version is not None and version > _MAX_VERSION:
        raise EmptyAnswerError
    return Route(
        method=method,
        name=unquote(parts["name"], errors="replace"),
        version=version,
        label=None if parts["label"] is None else unquote(parts["label"], errors="replace"),
    )


_NOTHING = re.compile(r"(?!)")


def _malformed(verb: str, path: str) -> ServingError:
    return invalid_argument(f"Malformed request: {verb} {path}")
