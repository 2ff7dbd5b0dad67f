"""JSON parsing with RapidJSON, TensorFlow Serving's parser, and with the same tolerance.

A byte order mark is skipped, NaN and Infinity are numbers, anything after the first value is
ignored, strings need not be UTF-8, and nesting has no limit.
"""

import codecs
from collections.abc import Iterator, Mapping
from typing import Any

import rapidjson

from serving.errors import invalid_argument
from serving.rest.bodies.deep_json import TRAILING, MalformedError, parse_deep, read_error
from serving.rest.bodies.json_values import JsonObject, debug_text, encode_text
from serving.runtime.deadlines import remaining_s

_CHUNK_BYTES = 2**16
# Bytes that are not UTF-8 pass through the parser as characters of a private plane.
_STAND_IN = 0x100000


class _Decoder(rapidjson.Decoder):  # type: ignore[misc]
    """Decodes every object as a `JsonObject`."""

    start_object = JsonObject


_decode = _Decoder(number_mode=rapidjson.NM_NATIVE | rapidjson.NM_NAN)


class _Chunks:
    """A body read in pieces until the deadline, so that other threads run in between."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def read(self, _size: int) -> bytes:
        remaining_s()
        at = self._at
        self._at = at + _CHUNK_BYTES
        return self._body[at : self._at]


def parse_object(body: bytes) -> JsonObject:
    """Returns the object at the start of a body.

    Raises:
        ServingError: INVALID_ARGUMENT with RapidJSON's text and offset, or if it is not an object;
            DEADLINE_EXCEEDED while a large body is parsed.
    """
    value = parse(body)
    if type(value) is not JsonObject:
        raise invalid_argument(f"JSON Value: {debug_text(value)} Is not object")
    return value


def parse(body: bytes) -> Any:
    """Returns the value at the start of a body.

    Raises:
        ServingError: INVALID_ARGUMENT with RapidJSON's text and offset.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    num_skipped = len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0
    body = body[num_skipped:]
    try:
        try:
            return _parse(body)
        except UnicodeDecodeError:
            return _parse_odd_text(body)
    except MalformedError as error:
        text = f"JSON Parse error: {error.text} at offset: {num_skipped + error.offset}"
        raise invalid_argument(text) from error


def _parse(body: bytes) -> Any:
    try:
        if len(body) <= _CHUNK_BYTES:
            return _decode(body)
        return _decode(_Chunks(body), chunk_size=_CHUNK_BYTES)
    except RecursionError:
        return parse_deep(body)
    except rapidjson.JSONDecodeError as error:
        reason, offset = read_error(error)
        if reason == TRAILING:
            return _parse(body[:offset])
        raise MalformedError(reason, offset) from error


def _parse_odd_text(body: bytes) -> Any:
    odd = [0xDC00 + byte for byte in range(0x80, 0x100)]
    stand_ins = {code: _STAND_IN + code for code in odd}
    text = b"".join(part.translate(stand_ins).encode() for part in _decoded(body))
    back = {stand_in: code for code, stand_in in stand_ins.items()}
    try:
        return _translated(_parse(text), back)
    except MalformedError as error:
        parts = _decoded(text[: error.offset])
        offset = sum(len(encode_text(part.translate(back))) for part in parts)
        raise MalformedError(error.text, offset) from error


def _decoded(body: bytes) -> Iterator[str]:
    """Yields the text of a body in pieces of the size of `_Chunks`; invalid UTF-8 is escaped."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for start in range(0, len(body), _CHUNK_BYTES):
        yield decoder.decode(body[start : start + _CHUNK_BYTES])
    yield decoder.decode(b"", final=True)


def _translated(value: Any, table: Mapping[int, int]) -> Any:
    """Translates all strings in a value, without recursion."""
    root = [value]
    waiting: list[list[Any]] = [root]
    while waiting:
        items = waiting.pop()
        is_object = type(items) is JsonObject
        for position, item in enumerate(items):
            value = item[1] if is_object else item
            if isinstance(value, list):
                waiting.append(value)
            elif isinstance(value, str):
                value = value.translate(table)
            items[position] = (item[0].translate(table), value) if is_object else value
    return root[0]
