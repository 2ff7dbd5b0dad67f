"""Python's cycle collector, held off while a large body is in memory."""

import contextlib
import gc
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_num_pauses = 0


@contextlib.contextmanager
def paused_collector() -> Iterator[None]:
    """Keeps the collector from going through millions of values again and again.

    Each time it would stop all threads for up to seconds. JSON holds no cycles.
    """
    global _num_pauses  # noqa: PLW0603 - there is one collector in a process
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
