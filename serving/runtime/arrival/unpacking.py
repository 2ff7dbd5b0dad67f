"""Compressed requests, unpacked within bounds of memory.

A compressed request expands up to a thousand times. gRPC's own decompression has no limit, so the
server turns it off and unpacks the messages here.
"""

import contextlib
import threading
import zlib
from collections.abc import Callable, Iterator

import grpc

from serving.errors import ServingError

# TensorFlow Serving's limit of an unpacked REST body; here of any unpacked request.
MAX_UNPACKED_BYTES = 100 * 2**20
# Unpacked requests in progress share so many bytes. The first ones of each request do not count, so
# that large requests to a hung model shut out no small ones.
_SHARED_BYTES = 2**29
_FREE_BYTES = 2**20
_PIECE = 2**20
GZIP, _ZLIB = 31, 15  # zlib's largest window, with the header of each format
# No protobuf message begins like a gzip header: its first byte would be the invalid wire type 7.
_GZIP_START = b"\x1f\x8b"
_ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")

Count = Callable[[int], None]


class SharedBytes:
    """A number of bytes that the unpacked requests in progress share; thread-safe."""

    def __init__(self, num_bytes: int) -> None:
        self._lock = threading.Lock()
        self._free = self._all = num_bytes

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
                        f"The compressed requests in progress take {self._all - self._free} bytes "
                        f"unpacked, of {self._all} bytes at most. Try again, or do not compress.",
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


@contextlib.contextmanager
def unpacked(message: bytes, *, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[bytes]:
    """Yields a gRPC message, unpacked if it is compressed; its memory counts until the end.

    Raises:
        ServingError: RESOURCE_EXHAUSTED if it, or all in progress, would take too much memory.
    """
    with counted() as take:
        yield _unpack(message, take, max_bytes)


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
