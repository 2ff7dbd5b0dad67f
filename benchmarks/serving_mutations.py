"""Requests that are almost right: mutations that know the structure of what they change.

A protobuf is mutated field by field on the wire, JSON value by value, an HTTP head header by header
and gzip member by member, so that most results get past the first check of a parser.
"""

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

_EXTREMES = (0, 1, -1, 2, 127, 128, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**64 - 1)
_REPEATS = (2, 3, 10, 100, 1_000, 10_000)
_DEPTHS = (1, 10, 300, 1_100, 20_000)
_MAX_BYTES = 2**18
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Field = tuple[int, int, Any]  # number, wire type, value: int, bytes, or fields


def mutated_proto(rng: random.Random, seed: bytes) -> bytes:
    """Returns a serialised message with one to four fields changed, moved, repeated or dropped."""
    fields = _read_fields(seed)
    for _ in range(rng.randint(1, 4)):
        _mutate_fields(rng, fields)
        if len(_write_fields(fields)) > _MAX_BYTES:
            break
    message = _write_fields(fields)[:_MAX_BYTES]
    return _edited(rng, message) if rng.random() < 0.1 else message


_TINY = (
    *(b"\x0a\x00", b"\x12\x00", b"\x1a\x00", b"\x42\x00", b"\x42\x01a", b"\x72\x00", b"\x7a\x00"),
    *(b"\x7a\x02\x1a\x00", b"\x50\x00", b"\x2d\x00\x00\x00\x00", b"\x53\x54", b"\xa0\x06\x00"),
    *(b"\x0a\x02\x12\x00", b"\x12\x03\x0a\x01a", b"\x1a\x00\x50\x00"),
)
_TINY_WRAPS = (
    *(b"", b"\x0a", b"\x12", b"\x12\x12", b"\x12\x12\x12"),
    *(b"\x12\x0a", b"\x12\x0a\x0a", b"\x12\x12\x7a"),
)


def swollen_proto(rng: random.Random, seed: bytes) -> bytes:
    """Returns a message of 1 to 20 MiB of tiny fields, in one of its messages or in none."""
    unit = rng.choice(_TINY)
    fields = unit * (rng.choice((1, 4, 20)) * 2**20 // len(unit))
    for key in reversed(rng.choice(_TINY_WRAPS)):
        fields = bytes([key]) + _varint(len(fields)) + fields
    return seed + fields


def _read_fields(message: bytes) -> list[Field]:
    """Returns the fields of a message, nested as deep as they can be read.

    Raises:
        ValueError: The bytes are no message.
    """
    fields: list[Field] = []
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        value: Any
        if kind == _VARINT:
            value, at = _read_varint(message, at)
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
            value, at = message[at : at + size], at + size
        elif kind == _BYTES:
            size, at = _read_varint(message, at)
            value, at = _nested(message[at : at + size]), at + size
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(message) or not key >> 3:
            raise ValueError("truncated")
        fields.append((key >> 3, kind, value))
    return fields


def _nested(content: bytes) -> Any:
    try:
        return _read_fields(content) if content else content
    except ValueError:
        return content


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise ValueError("a varint without an end")


def _varint(value: int) -> bytes:
    value &= 2**64 - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _write_fields(fields: Sequence[Field]) -> bytes:
    """Returns a message; a field that is repeated thousands of times is written once."""
    written: dict[int, bytes] = {}
    for field in fields:
        if id(field) not in written:
            written[id(field)] = _write_field(field)
    return b"".join(written[id(field)] for field in fields)


def _write_field(field: Field) -> bytes:
    number, kind, value_or_fields = field
    key = _varint(number << 3 | kind)
    if kind == _VARINT and isinstance(value_or_fields, int):
        return key + _varint(value_or_fields)
    value = _content(value_or_fields)
    if kind == _VARINT:
        return key + _varint(len(value))
    if kind == _BYTES:
        return key + _varint(len(value)) + value
    size = 8 if kind == _FIXED64 else 4
    return key + value[:size].ljust(size)


def _content(value: Any) -> bytes:
    """Returns a field's value as bytes, whichever type the field had before."""
    if isinstance(value, int):
        return _varint(value)
    return _write_fields(value) if isinstance(value, list) else value


def _mutate_fields(rng: random.Random, fields: list[Field]) -> None:
    """Changes one field of a message, or of a message in it."""
    if not fields:
        fields.append((rng.randint(1, 12), _BYTES, b""))
    position = rng.randrange(len(fields))
    number, kind, value = fields[position]
    if isinstance(value, list) and rng.random() < 0.75:
        _mutate_fields(rng, value)
        return
    choice = rng.randrange(7)
    if choice == 0:
        del fields[position]
    elif choice == 1:
        room = _MAX_BYTES // max(1, len(_write_fields(fields)))
        fields[position:position] = [fields[position]] * min(rng.choice(_REPEATS), room)
    elif choice == 2:
        fields[position] = (rng.randint(1, 20), kind, value)
    elif choice == 3:
        fields[position] = (number, rng.choice((_VARINT, _FIXED64, _BYTES, _FIXED32)), value)
    elif choice == 4:
        fields.append(rng.choice(fields))
        rng.shuffle(fields)
    else:
        fields[position] = (number, kind, _other_value(rng, kind, value))


def _other_value(rng: random.Random, kind: int, value: Any) -> Any:
    if kind == _VARINT:
        return rng.choice(_EXTREMES)
    if kind == _BYTES:
        content = _content(value)
        return rng.choice(
            (
                b"",
                (content * rng.choice(_REPEATS[:4]))[:_MAX_BYTES],
                rng.randbytes(rng.choice((1, 8, 300))),
                b"".join(_varint(rng.choice(_EXTREMES)) for _ in range(4)),
                content[:-1],
            )
        )
    return struct.pack("<d", rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e308)))


def mutated_json(rng: random.Random, seed: Any) -> bytes:
    """Returns JSON with one to three values changed, wrapped, repeated or renamed."""
    document = json.loads(json.dumps(seed))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        document = _mutate_value(rng, document)
    text = _json_text(document)
    if rng.random() < 0.1:  # as deep as no parser of Python values goes
        depth = rng.choice(_DEPTHS)
        opening, closing = rng.choice((("[", "]"), ('{"x":', "}"), ('[{"a": [', "]}]")))
        text = f'{{"instances": {opening * depth}1{closing * depth}}}'
    if rng.random() < 0.05:
        text = f'{{"instances": [{rng.choice(("[],", "{},", "0,", "[1.5],", "null,")) * 30_000}1]}}'
    body = text.encode("utf-8", "surrogatepass")[:_MAX_BYTES]
    return _edited(rng, body) if rng.random() < 0.2 else body


def _json_text(value: Any) -> str:
    """Returns JSON; a `_Pairs` is an object with its names as they are, repeated or not."""
    if isinstance(value, _Pairs):
        return "{" + ",".join(f"{json.dumps(k)}:{_json_text(v)}" for k, v in value) + "}"
    if isinstance(value, dict):
        return _json_text(_Pairs(value.items()))
    if isinstance(value, list):
        return "[" + ",".join(map(_json_text, value)) + "]"
    return json.dumps(value)


class _Pairs(list[Any]):
    """The pairs of an object."""


def _mutate_value(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value:
        if rng.random() < 0.7:
            name = rng.choice(list(value))
            return {**value, name: _mutate_value(rng, value[name])}
        pairs = _Pairs(value.items())
        name, item = rng.choice(pairs)
        change: Callable[[], Any] = rng.choice(
            (
                lambda: pairs.append((name, _leaf(rng))),
                lambda: pairs.remove((name, item)),
                lambda: pairs.append((name + "x", item)),
                pairs.reverse,
            )
        )
        change()
        return pairs
    if isinstance(value, list) and value and rng.random() < 0.8:
        position = rng.randrange(len(value))
        if rng.random() < 0.7:
            changed = _mutate_value(rng, value[position])
            return [*value[:position], changed, *value[position + 1 :]]
        return value[:position] + [value[position]] * rng.choice(_REPEATS[:5])
    return rng.choice((_leaf(rng), [value], {"x": value}, [], {}, [value, value]))


def _leaf(rng: random.Random) -> Any:
    return rng.choice(
        (
            *(None, True, False, "", "text", "\ud83d", "\0", 1.5, -0.0, float("nan"), float("inf")),
            *(rng.choice(_EXTREMES), 10**400, 1e-320, {"b64": "AAAA"}, {"b64": "!"}, {"b64": 1}),
            *("x" * 10_000, {"b64": "A" * 40_000}),
        )
    )


def packed(rng: random.Random, body: bytes) -> bytes:
    """Returns a body as gzip: right, cut, damaged, in several members, or a bomb."""
    choice = rng.randrange(8)
    if choice == 0:
        unit = rng.choice((b"[],", b"{},", b'{"":0},', b"0,", b" ", b'"",', b"[[[[[[[["))
        body = b'{"instances": [' + unit * (rng.choice((1, 4, 20)) * 2**20 // len(unit)) + b"1]}"
    content = gzip.compress(body, 1 if len(body) > _MAX_BYTES else 9)
    if choice == 1:
        return content[: rng.randrange(len(content))]
    if choice == 2:
        return _edited(rng, content)
    if choice == 3:
        return content + gzip.compress(b'{"instances": [1]}')
    if choice == 4:
        return zlib.compress(body)
    if choice == 5:
        return gzip.compress(content)
    return content


_LINES = (
    *("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",),
    *("Connection: Upgrade\r\nUpgrade: websocket", "Connection: close", "Connection: keep-alive"),
    *("Expect: 100-continue", "Expect: 200-ok", "TE: trailers", "Trailer: Content-Length"),
    *("Content-Length: {n}", "Content-Length: 0", "Content-Length: -1", "Content-Length: 9" * 9),
    *(
        "Content-Length: +{n}",
        "Content-Length: {n}, {n}",
        "Content-Length : {n}",
        "content-length:",
    ),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: x"),
    *("Transfer-Encoding: identity", "Transfer-Encoding:\r\n chunked", "X: a\r\n b", "X: a\nY: b"),
    *("Content-Encoding: gzip", "Content-Encoding: br", "Host: y", "X: " + "y" * 9_000, ": x", "X"),
)
_METHODS = ("GET", "HEAD", "PUT", "OPTIONS", "TRACE", "CONNECT", "PRI", "x")
_VERSIONS = ("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "http/1.1", "")
_SHARE_USUAL = 0.8  # of each part of a head, so that about half of the heads are right


def mutated_http(rng: random.Random, path: str, body: bytes) -> bytes:
    """Returns a request with a head that is odd in framing, method, version or target."""

    def one_of(usual: str, odd: Sequence[str]) -> str:
        return usual if rng.random() < _SHARE_USUAL else rng.choice(odd)

    method, version = one_of("POST", _METHODS), one_of("HTTP/1.1", _VERSIONS)
    target = one_of(path, (path + "?x=1", "*", "//", "http://h" + path, "/%00%ff"))
    newline = one_of("\r\n", ("\n",))
    is_chunked = rng.random() < 0.3
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    lines = ["Host: x", *([framing] if rng.random() < 0.9 else [])]
    lines += rng.sample(_LINES, rng.choice((0, 0, 1, 2, 3)))
    rng.shuffle(lines)
    head = newline.join([f"{method} {target} {version}".rstrip(), *lines]) + newline * 2
    request = head.replace("{n}", str(len(body))).encode() + (
        _chunked(rng, body) if is_chunked else body
    )
    return _edited(rng, request) if rng.random() < 0.1 else request


def _chunked(rng: random.Random, body: bytes) -> bytes:
    """Returns a body in one or two chunks and a last one, mostly right."""
    cut = rng.randrange(len(body))
    content = b"".join(
        b"%x%s\r\n%s\r\n" % (len(part), rng.choice((b"", b"", b";a=b", b";" + b"a" * 999)), part)
        for part in (body[:cut], body[cut:])
        if part
    )
    if rng.random() > _SHARE_USUAL:
        size = rng.choice(("-1", "0x1", "f" * 20, "", " 1"))
        content = size.encode() + b"\r\n" + body + b"\r\n"
    return (
        content + b"0\r\n" + rng.choice((b"", b"", b"X: y\r\n", b"Content-Length: 3\r\n")) + b"\r\n"
    )


def _edited(rng: random.Random, content: bytes) -> bytes:
    """Returns bytes with a few put in, taken out or changed."""
    edited = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(edited))
        edited[at : at + rng.randint(0, 4)] = rng.randbytes(rng.randint(0, 4))
    return bytes(edited)
