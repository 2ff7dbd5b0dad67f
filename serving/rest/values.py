"""JSON values in the words of an error, and what they are as an element of a tensor."""

import base64
import binascii
from typing import Any

import rapidjson

from serving.errors import ServingError, invalid_argument

_MAX_SHOWN_BYTES = 256
_B64 = "b64"


def debug_text(value: Any) -> str:
    """Returns a value as JSON, cut where it is long."""
    text = str(rapidjson.dumps(_cut(value), number_mode=rapidjson.NM_NAN, ensure_ascii=False))
    encoded = text.encode()
    if len(encoded) <= _MAX_SHOWN_BYTES:
        return text
    return encoded[:_MAX_SHOWN_BYTES].decode("utf-8", "ignore") + "..."


def _cut(value: Any, depth: int = 0) -> Any:
    """No more of a value than can be shown, so that an error of a large body costs little."""
    if depth > _MAX_SHOWN_BYTES:
        return None
    if isinstance(value, list):
        return [_cut(each, depth + 1) for each in value[:_MAX_SHOWN_BYTES]]
    if isinstance(value, dict):
        return {
            key[:_MAX_SHOWN_BYTES]: _cut(each, depth + 1)
            for key, each in list(value.items())[:_MAX_SHOWN_BYTES]
        }
    return value[: _MAX_SHOWN_BYTES + 1] if isinstance(value, str) else value


def type_name(value: Any) -> str:
    """Returns what kind of JSON value it is."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, dict):
        return "Object"
    if isinstance(value, list):
        return "Array"
    return "String" if isinstance(value, str) else "Number"


def format_error(value: Any, text: str) -> ServingError:
    """Returns the error of a value that has not the form it should have."""
    return invalid_argument(f"JSON Value: {debug_text(value)} {text}")


def is_base64(value: Any) -> bool:
    """Whether a value is `{"b64": …}` and nothing else: bytes rather than an object."""
    return isinstance(value, dict) and len(value) == 1 and _B64 in value


def as_bytes(value: Any) -> bytes | None:
    """Returns what a text or `{"b64": …}` stands for, or None for another value.

    Raises:
        ServingError: INVALID_ARGUMENT for what is no base64.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not is_base64(value) or not isinstance(value[_B64], str):
        return None
    try:
        padded = value[_B64] + "=" * (-len(value[_B64]) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise format_error(value, "Unable to base64 decode") from error
