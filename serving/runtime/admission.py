"""Admission of gRPC calls to the threads that they share."""

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from serving.errors import ServingError
from serving.runtime.deadlines import deadline


class Admission:
    """Admits a call if its model holds fewer threads than are free.

    One hung model can thus hold half of the threads, a second one a quarter, and so on: there are
    always threads for the others. A closed admission refuses all calls.
    """

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._changed = threading.Condition()
        self._calls: Counter[str] = Counter()
        self._deadlines: dict[int, float] = {}  # of the calls in progress
        self._numbers = itertools.count()
        self._is_open = True

    @contextmanager
    def admit(self, model: str) -> Iterator[None]:
        """Holds a thread for a call in the context.

        Raises:
            ServingError: UNAVAILABLE if the model holds its share, or after `close`.
        """
        with self._changed:
            self._check(model)
            self._calls[model] += 1
            number = next(self._numbers)
            self._deadlines[number] = deadline()
        try:
            yield
        finally:
            with self._changed:
                self._calls[model] -= 1
                if not self._calls[model]:
                    del self._calls[model]
                del self._deadlines[number]
                if not self._is_open:
                    self._changed.notify_all()

    def _check(self, model: str) -> None:
        text = ""
        if not self._is_open:
            text = "The server is stopping"
        elif self._calls[model] >= (num_free := self._num_threads - len(self._deadlines)):
            num_calls = self._calls[model]
            text = f"Calls of model {model} in progress: {num_calls}; free threads: {num_free}"
        if text:
            raise ServingError(grpc.StatusCode.UNAVAILABLE, text)

    def close(self) -> None:
        """Refuses all further calls."""
        with self._changed:
            self._is_open = False

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Waits for the calls in progress, except those past their deadlines.

        Nobody waits for the answer of such a call, and TensorFlow may be unable to end its run.

        Returns:
            Whether all calls ended within so many seconds.
        """
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while (wait_s := min(end_s, self._last_deadline()) - time.monotonic()) > 0:
                self._changed.wait(wait_s)
            return not self._deadlines

    def _last_deadline(self) -> float:
        return max(self._deadlines.values(), default=-math.inf)
