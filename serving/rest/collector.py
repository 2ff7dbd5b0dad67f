"""A pause of Python's cycle collector while a large body is in memory."""

import contextlib
import gc
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_num_pauses = 0


@contextlib.contextmanager
def paused_collector() -> Iterator[None]:
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
