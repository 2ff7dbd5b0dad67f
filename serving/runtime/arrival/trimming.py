"""Memory of large requests, given back to the system.

The allocator keeps what a request has freed for the next one of its thread. After large requests in
many threads, that would be gigabytes which nothing uses.
"""

import contextlib
import ctypes
from collections.abc import Iterator

_LARGE_BYTES = 2**20
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's


@contextlib.contextmanager
def trimmed(num_bytes: int) -> Iterator[None]:
    """Gives free memory back at the end of the context if a request is larger than 1 MiB.

    Args:
        num_bytes: Bytes of the request.
    """
    try:
        yield
    finally:
        if num_bytes > _LARGE_BYTES and _TRIM is not None:
            _TRIM(0)
