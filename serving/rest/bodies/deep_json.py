"""A JSON reader without recursion, for nesting beyond the limit of RapidJSON's Python package.

No tensor has so many dimensions, so values deeper than `_MAX_KEPT_DEPTH` are checked and dropped.
A text that needs this reader and has many values is refused: it would take seconds.
"""

import re
from typing import Any

import numpy as np
import rapidjson

from serving.rest.bodies.json_values import JsonObject, TooDeep

_MAX_KEPT_DEPTH = 300
MAX_DEEP_VALUES = 50_000  # read in about 0.4 s
_SPACE = re.compile(rb"[ \t\n\r]+")
# Openings in a row; the names of members have no escapes and no brackets.
_OPENINGS = re.compile(rb'(?:[\[ \t\n\r]|\{[ \t\n\r]*"[ !#-Z^-z|~]*"[ \t\n\r]*:)+')
_NO_OPENINGS = bytes(set(range(256)) - set(b"[{"))
_CLOSINGS = re.compile(rb"[\]}]+")
_CLOSING_OF = bytes.maketrans(b"[{", b"]}")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.)*"', re.DOTALL)
_PLAIN_STRING = re.compile(rb'"([ !#-\[\]-~]*)"')  # ASCII without escapes
# All characters that may belong to a word or number; RapidJSON checks it.
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]+")
_NUMBERS = rapidjson.NM_NATIVE | rapidjson.NM_NAN
_ERROR = re.compile(r"Parse error at offset (\d+): (.*)", re.DOTALL)
TRAILING = "The document root must not be followed by other values."


class MalformedError(ValueError):
    """The text is not JSON.

    Attributes:
        text: The reason, in RapidJSON's wording.
        offset: Position of the error in bytes.
    """

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.text = text
        self.offset = offset


def read_error(error: rapidjson.JSONDecodeError) -> tuple[str, int]:
    """Returns the reason of an error of RapidJSON, and its position in bytes.

    Raises:
        ValueError: The error has an unknown format.
    """
    match = _ERROR.fullmatch(str(error))
    if match is None:
        raise ValueError(f"RapidJSON reported an error in an unknown format: {error}") from error
    return match[2], int(match[1])


class _Reader:
    """Reads one value; a list of open containers replaces recursion."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._kinds = bytearray()  # of all open containers
        self._open: list[list[Any]] = []  # open containers that are kept
        self._names: list[str] = []  # name of the current member, by kept container

    def read(self) -> Any:
        for _ in range(MAX_DEEP_VALUES):
            value, is_complete = self._begin_value()
            while is_complete:
                if not self._kinds:
                    return value
                value, is_complete = self._end_value(value)
        text = f"More than {MAX_DEEP_VALUES} values, some nested more than a thousand levels deep."
        raise MalformedError(text, self._at)

    def _peek(self) -> bytes:
        following = self._body[self._at : self._at + 1]
        if following and following in b" \t\n\r" and (match := _SPACE.match(self._body, self._at)):
            self._at = match.end()
            following = self._body[self._at : self._at + 1]
        return following

    def _begin_value(self) -> tuple[Any, bool]:
        """Reads a scalar or empty container, or opens a container."""
        first = self._peek()
        if first in {b"[", b"{"} and len(self._kinds) >= _MAX_KEPT_DEPTH:
            self._skip_openings()
            first = self._peek()
        if first == b"[":
            return self._begin_array()
        if first == b"{":
            return self._begin_object()
        return self._scalar(), True

    def _begin_array(self) -> tuple[Any, bool]:
        self._at += 1
        array: list[Any] = [] if len(self._kinds) < _MAX_KEPT_DEPTH else TooDeep()
        if self._peek() == b"]":
            self._at += 1
            return array, True
        self._push(array, b"[")
        return None, False

    def _skip_openings(self) -> None:
        """Skips to the last of many openings, which would take a minute one by one."""
        if run := _OPENINGS.match(self._body, self._at):
            last = max(run[0].rfind(b"["), run[0].rfind(b"{"))
            self._kinds += run[0][:last].translate(None, _NO_OPENINGS)
            self._at += last

    def _skip_closings(self) -> None:
        """Skips to the last of many closings that keeps all kept containers open."""
        spare = len(self._kinds) - _MAX_KEPT_DEPTH - 1
        run = _CLOSINGS.match(self._body, self._at)
        if run is None or spare < 1:
            return
        num = min(len(run[0]) - 1, spare)
        expected = bytes(self._kinds[: -num - 1 : -1]).translate(_CLOSING_OF)
        is_wrong = np.frombuffer(run[0], np.uint8, num) != np.frombuffer(expected, np.uint8)
        num_right = int(is_wrong.argmax()) if is_wrong.any() else num
        if num_right:
            del self._kinds[-num_right:]
            self._at += num_right

    def _begin_object(self) -> tuple[Any, bool]:
        self._at += 1
        if self._peek() == b"}":
            self._at += 1
            return JsonObject(), True
        self._push(JsonObject(), b"{")
        self._read_name()
        return None, False

    def _push(self, container: list[Any], kind: bytes) -> None:
        self._kinds += kind
        if len(self._kinds) <= _MAX_KEPT_DEPTH:
            self._open.append(container)
            self._names.append("")

    def _read_name(self) -> None:
        if self._peek() != b'"':
            raise MalformedError("Missing a name for object member.", self._at)
        name = self._scalar()
        if self._peek() != b":":
            raise MalformedError("Missing a colon after a name of object member.", self._at)
        self._at += 1
        if len(self._kinds) <= _MAX_KEPT_DEPTH:
            self._names[-1] = name

    def _end_value(self, value: Any) -> tuple[Any, bool]:
        """Puts a value into its container; returns the container if it ends here."""
        is_object = self._kinds[-1:] == b"{"
        if len(self._kinds) <= _MAX_KEPT_DEPTH:
            self._open[-1].append((self._names[-1], value) if is_object else value)
        following = self._peek()
        if following in {b"]", b"}"}:
            self._skip_closings()
            following = self._peek()
            is_object = self._kinds[-1:] == b"{"
        if following == b",":
            self._at += 1
            if is_object:
                self._read_name()
            return None, False
        if following != (b"}" if is_object else b"]"):
            what = "'}' after an object member" if is_object else "']' after an array element"
            raise MalformedError(f"Missing a comma or {what}.", self._at)
        self._at += 1
        self._kinds.pop()
        if len(self._kinds) >= _MAX_KEPT_DEPTH:
            return TooDeep(), True
        self._names.pop()
        return self._open.pop(), True

    def _scalar(self) -> Any:
        start = self._at
        if plain := _PLAIN_STRING.match(self._body, start):
            self._at = plain.end()
            return plain[1].decode()
        first = self._body[start : start + 1]
        match = (_STRING if first == b'"' else _SCALAR).match(self._body, start)
        if match is None and first != b'"':
            nothing = not self._kinds and first in {b"", b"\x00"}
            reason = "The document is empty." if nothing else "Invalid value."
            raise MalformedError(reason, start)
        text = match[0] if match else self._body[start:]
        try:
            value = rapidjson.loads(text, number_mode=_NUMBERS)
        except rapidjson.JSONDecodeError as error:
            reason, offset = read_error(error)
            if reason != TRAILING or not offset:
                raise MalformedError(reason, start + offset) from error
            value, text = rapidjson.loads(text[:offset], number_mode=_NUMBERS), text[:offset]
        self._at = start + len(text)
        return value


def parse_deep(body: bytes) -> Any:
    """Returns the value at the start of a body.

    Raises:
        MalformedError: The body is not JSON.
        UnicodeDecodeError: A string is not UTF-8.
    """
    return _Reader(body).read()
