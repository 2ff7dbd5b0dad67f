"""JSON as TensorFlow Serving reads it.

python-rapidjson wraps the parser that Serving uses, so the words and offsets of its errors are the
same. As there, NaN and Infinity are numbers, of equal keys the first one counts, and what follows
the first value is ignored.

Two differences are known: text that is no UTF-8 is an error here, where Serving passes the bytes
on, and so is nesting beyond some thousand levels, which no tensor has.
"""

import re
from collections.abc import Sequence
from typing import Any

import rapidjson

from serving.errors import ServingError, invalid_argument

_ERROR = re.compile(r"Parse error at offset (\d+): (.*)", re.DOTALL)
_FOLLOWED = "The document root must not be followed by other values."
# Between two chunks other threads may run: the parser itself holds Python's lock.
_CHUNK_BYTES = 2**16


class _Body:
    """A body that is read piece by piece."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def read(self, size: int) -> bytes:
        """Returns the next bytes."""
        start, self._at = self._at, self._at + size
        return self._body[start : self._at]


class _Decoder(rapidjson.Decoder):  # type: ignore[misc]
    """Builds objects of which the first of equal keys counts."""

    def start_object(self) -> list[tuple[str, Any]]:
        """Asks for pairs instead of a dict."""
        return []

    def end_object(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        """Returns the object."""
        found = dict(pairs)
        if len(found) < len(pairs):
            found.update(reversed(pairs))
        return found


def parse_json(body: bytes) -> Any:
    """Returns the first value of a body.

    Raises:
        ServingError: INVALID_ARGUMENT, with the parser's words and the offset in bytes.
    """
    try:
        return _parse(body)
    except rapidjson.JSONDecodeError as error:
        offset, text = _place(error)
        if text == _FOLLOWED and offset:
            return parse_json(body[:offset])
        raise _parse_error(text, offset) from error
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from error
    except RecursionError as error:
        offset, _ = _place(error)
        raise _parse_error("Nested too deeply.", offset) from error


def _parse(body: bytes) -> Any:
    # A decoder keeps state while it parses, so each body has its own.
    decoder = _Decoder(number_mode=rapidjson.NM_NAN)
    if len(body) <= _CHUNK_BYTES:
        return decoder(body)
    return decoder(_Body(body), chunk_size=_CHUNK_BYTES)


def _place(error: Exception) -> tuple[int, str]:
    found = _ERROR.match(str(error))
    return (int(found[1]), found[2]) if found else (0, str(error))


def _parse_error(text: str, offset: int) -> ServingError:
    where = "" if text == "The document is empty." else f" at offset: {offset}"
    # RapidJSON ends its sentences; for an empty document Serving's own text has no stop.
    return invalid_argument(f"JSON Parse error: {text if where else text.rstrip('.')}{where}")
