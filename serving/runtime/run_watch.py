"""Watches the requests that run a model, to tell whether the model still answers."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving.runtime.deadlines import deadline

# A request that runs for so long, while no other is answered, makes the model hung.
_HUNG_S = 10.0
# So many requests in a row that time out do as well. Shorter ones do not count: their deadline
# says more about the client than about the model.
_NUM_TIMEOUTS = 3
_MIN_TIMEOUT_S = 0.2
# A model to which nobody sends requests any more, because it is hung, gets another chance.
_FORGET_S = 30.0


class RunWatch:
    """The requests in progress of one version, and those that timed out since its last answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, tuple[float, float]] = {}  # start and deadline
        self._last_number = 0
        self._answered_s = -math.inf
        self._num_timeouts = 0
        self._timed_out_s = -math.inf

    def begin(self) -> int:
        """Records the start of a request, with the deadline of its thread or task."""
        entry = (time.monotonic(), deadline())
        with self._lock:
            self._last_number += 1
            self._running[self._last_number] = entry
            return self._last_number

    def end(self, number: int) -> None:
        """Records the end of the request that `begin` returned the number of."""
        now = time.monotonic()
        with self._lock:
            started_s, deadline_s = self._running.pop(number)
            # A request that was answered at its deadline does not count either.
            timed_out = max(deadline_s, self._answered_s + _MIN_TIMEOUT_S) <= now
            if timed_out and now - started_s >= _MIN_TIMEOUT_S:
                self._num_timeouts += 1
                self._timed_out_s = now

    def answered(self) -> None:
        """Records that a run of the model ended by itself, with outputs or an error."""
        with self._lock:
            self._answered_s, self._num_timeouts = time.monotonic(), 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Records a request that runs inside the context."""
        number = self.begin()
        try:
            yield
        finally:
            self.end(number)

    def is_hung(self) -> bool:
        """Returns whether the model does not answer any more."""
        now = time.monotonic()
        with self._lock:
            running = list(self._running.values())
            answered_s = self._answered_s
            num_timeouts = self._num_timeouts if now - self._timed_out_s < _FORGET_S else 0
        if any(
            now - max(started_s, answered_s) > _HUNG_S and now < deadline_s
            for started_s, deadline_s in running
        ):
            return True
        # TensorFlow may never end these runs: each counts as one that timed out.
        late = sum(
            max(answered_s, now - _FORGET_S) < deadline_s < now
            and deadline_s - started_s >= _MIN_TIMEOUT_S
            for started_s, deadline_s in running
        )
        return num_timeouts + late >= _NUM_TIMEOUTS
