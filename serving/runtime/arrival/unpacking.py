"""Requests, unpacked and parsed within bounds of memory.

A compressed request expands up to a thousand times. gRPC's own decompression has no limit, so the
server turns it off and unpacks the messages here. Parsing expands a message once more; what that
takes is known before (see `parsed_size`).
"""

import contextlib
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.errors import ServingError, invalid_argument
from serving.runtime.arrival.parsed_size import MEASURED_EXPANSION, TooManyFieldsError, parsed_bytes
from serving.runtime.arrival.trimming import trimmed

# TensorFlow Serving's limit of an unpacked REST body; here of any unpacked request.
MAX_UNPACKED_BYTES = 100 * 2**20
# Requests in progress share so many bytes, unpacked and parsed, beyond those that were sent. The
# first ones of each request do not count, so that large requests to a hung model shut out no small
# ones.
_SHARED_BYTES = 2**29
_FREE_BYTES = 2**20
_PIECE = 2**20
GZIP, _ZLIB = 31, 15  # zlib's largest window, with the header of each format
# No protobuf message begins like a gzip header: its first byte would be the invalid wire type 7.
_GZIP_START = b"\x1f\x8b"
_ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

Count = Callable[[int], None]


class SharedBytes:
    """A number of bytes that the requests in progress share; thread-safe.

    Attributes:
        num_bytes: How many.
    """

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        self._lock = threading.Lock()
        self._free = num_bytes

    @contextlib.contextmanager
    def counted(self) -> Iterator[Count]:
        """Yields a function that takes bytes for one request, which the end of the context frees.

        The function raises ServingError, RESOURCE_EXHAUSTED, if too few are left.
        """
        num_taken = num_unpacked = 0

        def take(num_bytes: int) -> None:
            nonlocal num_taken, num_unpacked
            num_unpacked += num_bytes
            num_more = max(0, num_unpacked - _FREE_BYTES) - num_taken
            with self._lock:
                if num_more > self._free:
                    raise ServingError(
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                        f"The requests in progress take {self.num_bytes - self._free} bytes "
                        f"unpacked and parsed, of {self.num_bytes} bytes at most; this one needs "
                        f"{num_more} more. Try again, or send a smaller one.",
                    )
                self._free -= num_more
                num_taken += num_more

        try:
            yield take
        finally:
            with self._lock:
                self._free += num_taken


_shared = SharedBytes(_SHARED_BYTES)
counted = _shared.counted


class Arrival:
    """A gRPC message, unpacked but not parsed yet.

    Attributes:
        size: Its bytes.
    """

    def __init__(
        self, content: bytes, take: Count, *, is_compressed: bool, max_bytes: int = _SHARED_BYTES
    ) -> None:
        """Takes a message.

        Args:
            content: The message.
            take: Counts its memory.
            is_compressed: Whether `content` was unpacked, and was counted.
            max_bytes: Limit of what it takes, unpacked and parsed, beyond the bytes sent.
        """
        self.size = len(content)
        self._content = content
        self._take = take
        self._num_counted = len(content) if is_compressed else 0
        self._max_bytes = max_bytes

    def parse(self, kind: type[Any], name: str = "") -> Any:
        """Returns the message, once; its bytes are not kept.

        Args:
            kind: Its class.
            name: Its name in errors; by default that of the class.

        Raises:
            ServingError: INVALID_ARGUMENT if the bytes are no such message, RESOURCE_EXHAUSTED if
                it would take too much memory.
        """
        content, self._content = self._content, b""
        if len(content) * MEASURED_EXPANSION > _FREE_BYTES:
            self._take(self._growth(kind, content))
        try:
            return kind.FromString(content)
        except DecodeError as error:
            name = name or kind.DESCRIPTOR.full_name
            raise invalid_argument(f"The request cannot be parsed as {name}") from error

    def _growth(self, kind: type[Any], content: bytes) -> int:
        """Returns what the message takes beyond the bytes that are there already."""
        num_sent = 0 if self._num_counted else len(content)
        limit = self._max_bytes + num_sent - self._num_counted
        try:
            num_bytes = parsed_bytes(kind.DESCRIPTOR, content, limit=limit)
        except TooManyFieldsError as error:
            raise ServingError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
        if num_bytes > limit:
            raise ServingError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"The request of {len(content)} bytes takes at least {num_bytes} bytes once it is "
                f"parsed; the limit is {limit} bytes. Send several smaller ones",
            )
        return max(0, num_bytes - num_sent)


@contextlib.contextmanager
def unpacked(message: bytes, *, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[Arrival]:
    """Yields a gRPC message, unpacked if it is compressed; its memory counts until the end.

    Raises:
        ServingError: RESOURCE_EXHAUSTED if it, or all in progress, would take too much memory.
    """
    with counted() as take:
        content = _unpack(message, take, max_bytes)
        arrival = Arrival(content, take, is_compressed=content is not message)
        del content  # the arrival alone keeps it
        with trimmed(arrival.size):
            yield arrival


def _unpack(message: bytes, take: Count, max_bytes: int) -> bytes:
    start = message[:2]
    if start != _GZIP_START and start not in _ZLIB_STARTS:
        return message
    unpacker = zlib.decompressobj(GZIP if start == _GZIP_START else _ZLIB)
    pieces, size, packed = [], 0, message
    while packed and not unpacker.eof:
        try:
            piece = unpacker.decompress(packed, _PIECE)
        except zlib.error:  # a message that only begins like a compressed one
            return message
        packed = unpacker.unconsumed_tail
        size += len(piece)
        if size > max_bytes:
            raise ServingError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"The unpacked request exceeds the limit of {max_bytes} bytes",
            )
        take(len(piece))
        pieces.append(piece)
    return b"".join(pieces) if unpacker.eof and not unpacker.unused_data else message
