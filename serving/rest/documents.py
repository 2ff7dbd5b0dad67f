"""Request bodies as JSON documents, within bounds of memory and time.

A body of JSON takes up to 40 times its size as Python values, and a compressed body a thousand
times its own. The size of the values is therefore estimated before they are parsed.
"""

import contextlib
import gc
import math
import threading
import zlib
from collections.abc import Iterator

from serving.rest.bodies.json_parsing import parse_object
from serving.rest.bodies.json_values import JsonObject, release
from serving.runtime.arrival.trimming import trimmed
from serving.runtime.arrival.unpacking import GZIP, Count
from serving.runtime.deadlines import remaining_s, timed_out

# The estimated size of a body's values, at most: this, ...
MAX_VALUE_BYTES = 2**29
# ... and for a compressed body this and so many times the bytes that were sent.
MIN_UNPACKED_VALUE_BYTES = 2**26
MAX_EXPANSION = 64
# Documents that are parsed at the same time share so many bytes.
_PARSING_BYTES = MAX_VALUE_BYTES
_LARGE_BYTES = 2**20
_PIECE = 2**20
# Bytes of Python values by the character that they need: containers, members, values, texts.
_WEIGHTS = {b"[": 88, b"{": 88, b":": 72, b",": 32, b'"': 20}
# A text with a character beyond Latin-1 takes up to four bytes for each of its characters.
_WIDEST = 4


class TooLargeError(Exception):
    """A body exceeds a limit; the message names it."""


def value_bytes(body: bytes) -> int:
    """Returns an estimate of the memory that the values of a body take, from above."""
    return _text_bytes(body) + _weight(body)


def _text_bytes(body: bytes) -> int:
    return len(body) * (1 if body.isascii() and b"\\u" not in body else _WIDEST)


def _weight(body: bytes) -> int:
    return sum(weight * body.count(sign) for sign, weight in _WEIGHTS.items())


def check_values(body: bytes, max_value_bytes: int = MAX_VALUE_BYTES) -> None:
    """Checks that the values of a body are not too large.

    Raises:
        TooLargeError: They are, even if the characters inside of texts are not counted.
    """
    if value_bytes(body) <= max_value_bytes:
        return
    num_bytes = _text_bytes(body)
    for piece in _bare_pieces(body):
        num_bytes += _weight(piece)
        if num_bytes > max_value_bytes:
            raise TooLargeError(
                f"The JSON values of the body would take about {num_bytes} bytes or more; "
                f"the limit is {max_value_bytes} bytes"
            )


def _bare_pieces(body: bytes) -> Iterator[bytes]:
    """Yields a body without the characters inside of its texts, piece by piece."""
    at, is_inside = 0, 0
    while at < len(body):
        piece = body[at : at + _PIECE]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # an escape without its character
            piece = body[at : at + len(piece) + 1]
        at += len(piece)
        # Left to right, pairs of backslashes go first: what is left before a quote escapes it.
        parts = piece.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
        yield b"".join(parts[is_inside::2]) + b'"' * (len(parts) - 1)
        is_inside = (is_inside + len(parts) - 1) % 2


def unpack(body: bytes, *, max_bytes: int, take: Count = lambda _: None) -> bytes:
    """Returns a decompressed body; empty for invalid gzip, as in TensorFlow Serving.

    Args:
        body: The body as it was sent.
        max_bytes: Limit of the result.
        take: Is told of each piece's bytes.

    Raises:
        TooLargeError: The result exceeds `max_bytes`, or its values are too large for the body.
        ServingError: DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED if `take` raises it.
    """
    max_value_bytes = min(MAX_VALUE_BYTES, MIN_UNPACKED_VALUE_BYTES + MAX_EXPANSION * len(body))
    unpacker = zlib.decompressobj(GZIP)
    pieces, size, num_value_bytes = [], 0, 0
    while body and not unpacker.eof:
        remaining_s()
        try:
            piece = unpacker.decompress(body, _PIECE)
        except zlib.error:
            return b""
        take(len(piece))
        body = unpacker.unconsumed_tail
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise TooLargeError(f"The unpacked body exceeds the limit of {max_bytes} bytes")
        num_value_bytes += value_bytes(piece)
        if num_value_bytes > max_value_bytes:
            check_values(b"".join(pieces), max_value_bytes)
    return b"".join(pieces) if unpacker.eof and not unpacker.unused_data else b""


@contextlib.contextmanager
def open_document(body: bytes) -> Iterator[JsonObject]:
    """Parses a body and frees its values at the end of the context.

    A large one waits until it fits beside the others that are being parsed.

    Raises:
        ServingError: INVALID_ARGUMENT with RapidJSON's text and offset, or if the body is not an
            object; DEADLINE_EXCEEDED.
    """
    if len(body) <= _LARGE_BYTES // 16:
        document = parse_object(body)
        try:
            yield document
        finally:
            release(document)
        return
    with _parsing.hold(value_bytes(body)), trimmed(len(body)), _paused_collector():
        document = parse_object(body)
        try:
            yield document
        finally:
            release(document)


class _SharedBytes:
    """A number of bytes that threads share."""

    def __init__(self, num_bytes: int) -> None:
        self._free = self._all = num_bytes
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, num_bytes: int) -> Iterator[None]:
        """Takes bytes for the context, all of them at most, as soon as they are free.

        Raises:
            ServingError: DEADLINE_EXCEEDED.
        """
        num_bytes = min(num_bytes, self._all)
        timeout_s = remaining_s()
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._free >= num_bytes, None if timeout_s == math.inf else timeout_s
            ):
                raise timed_out()
            self._free -= num_bytes
        try:
            yield
        finally:
            with self._changed:
                self._free += num_bytes
                self._changed.notify_all()


_parsing = _SharedBytes(_PARSING_BYTES)
_lock = threading.Lock()
_num_pauses = 0


@contextlib.contextmanager
def _paused_collector() -> Iterator[None]:
    """Pauses the collector, which would repeatedly scan the millions of values of a large body.

    Each scan would stop all threads for up to seconds. JSON values contain no cycles.
    """
    global _num_pauses  # noqa: PLW0603 - a process has one collector
    with _lock:
        _num_pauses += 1
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            _num_pauses -= 1
            if not _num_pauses:
                gc.enable()
