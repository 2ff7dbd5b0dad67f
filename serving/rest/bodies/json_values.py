"""JSON values without loss: objects keep every pair, strings keep every byte.

A value is None, a bool, an int (within 64 bits), a float, a str, a list, or a `JsonObject`. In a
str, bytes that are not UTF-8 are escaped as in Python's `surrogateescape`.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

from serving.errors import invalid_argument
from serving.rest.bodies.decimals import float_text, shortest_text

MISSING: Final = object()
_BASE64_KEY = "b64"
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_PADDING = ("", None, "==", "=")  # by the number of characters in the last group
_MAX_SHOWN_BYTES = 256
_PIECE = 2**14
_INDENT = "    "
_ESCAPES = {code: f"\\u{code:04X}" for code in range(0x20)} | {
    ord("\b"): "\\b",
    ord("\f"): "\\f",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')


class JsonObject(list[tuple[str, Any]]):
    """The pairs of an object in order; for a repeated name, the first pair counts."""

    __slots__ = ()

    def find(self, name: str) -> Any:
        """Returns the value of a name, or MISSING."""
        for key, value in self:
            if key == name:
                return value
        return MISSING

    def to_dict(self) -> dict[str, Any]:
        """Returns the values by name."""
        values = dict(self)
        return values if len(values) == len(self) else values | dict(reversed(self))


class TooDeep(list[Any]):
    """A placeholder for a list nested deeper than any tensor; its items are dropped."""


def release(value: Any) -> None:
    """Frees the large lists of a document piece by piece; at once would block other threads."""
    waiting = [value]
    while waiting:
        items = waiting.pop()
        if type(items) is JsonObject:
            waiting += [member for _, member in items if isinstance(member, list)]
        elif isinstance(items, list):
            if len(items) == 1:
                waiting += items
            while items:
                del items[-_PIECE:]


def is_base64(value: Any) -> bool:
    """Returns whether a value is `{"b64": "..."}`, the JSON form of bytes."""
    return (
        type(value) is JsonObject
        and len(value) == 1
        and value[0][0] == _BASE64_KEY
        and type(value[0][1]) is str
    )


def decode_base64(value: JsonObject) -> bytes:
    """Returns the bytes of a `{"b64": "..."}` object; padding is optional.

    Raises:
        ServingError: The object has another form, or its text is not base64.
    """
    if not is_base64(value):
        raise invalid_argument(
            f"JSON Value: {debug_text(value)} not formatted correctly for base64 data"
        )
    text = "".join(value[0][1].split())
    bare = text.rstrip("=.")
    padding = _PADDING[len(bare) % 4]
    given = len(text) - len(bare)
    if padding is None or given not in {0, len(padding)} or not _BASE64.fullmatch(bare):
        raise invalid_argument("Unable to base64 decode")
    return binascii.a2b_base64(bare + padding)


def encode_text(text: str) -> bytes:
    """Returns the original bytes of a string."""
    return text.encode("utf-8", "surrogateescape")


def quote(text: str) -> str:
    """Returns a JSON string, with the minimum of escapes."""
    return f'"{text.translate(_ESCAPES) if _ESCAPED.search(text) else text}"'


def type_name(value: Any) -> str:
    """Returns RapidJSON's name of the type of a value."""
    if value is None or value is True or value is False:
        return "Null" if value is None else str(value)
    if isinstance(value, JsonObject):
        return "Object"
    if isinstance(value, list):
        return "Array"
    return "String" if isinstance(value, str) else "Number"


def debug_text(value: Any) -> str:
    """Returns a value as indented JSON for an error text, cut after 256 bytes."""
    if isinstance(value, float):
        return float_text(value)  # a single number is shown as a float
    parts: list[str] = []
    size = 0
    for part in _parts(value, 0):
        parts.append(part)
        size += len(part)
        if size > _MAX_SHOWN_BYTES:
            break
    text = "".join(parts)
    encoded = encode_text(text)
    if len(encoded) <= _MAX_SHOWN_BYTES:
        return text
    return encoded[:_MAX_SHOWN_BYTES].decode("utf-8", "surrogateescape") + "..."


def _parts(value: Any, depth: int) -> Iterator[str]:
    # The indent grows with depth, so the limit of bytes is reached before the recursion is deep.
    if isinstance(value, list):
        yield from _list_parts(value, depth)
    elif isinstance(value, str):
        yield quote(value[: _MAX_SHOWN_BYTES + 1])[: None if len(value) <= _MAX_SHOWN_BYTES else -1]
    elif value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, float):
        yield shortest_text(value)
    else:
        yield str(value)


def _list_parts(value: list[Any], depth: int) -> Iterator[str]:
    is_object = isinstance(value, JsonObject)
    opening, closing = "{}" if is_object else "[]"
    yield opening
    for position, item in enumerate(value):
        yield ("," if position else "") + "\n" + _INDENT * (depth + 1)
        if is_object:
            yield quote(item[0][:_MAX_SHOWN_BYTES]) + ": "
        yield from _parts(item[1] if is_object else item, depth + 1)
    yield ("\n" + _INDENT * depth if value else "") + closing
