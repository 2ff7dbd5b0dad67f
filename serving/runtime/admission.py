"""Admission of gRPC calls to the threads that they share."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from serving.errors import ServingError


class Admission:
    """Admits a call if its model holds fewer threads than are free.

    One hung model can thus hold half of the threads, a second one a quarter, and so on: there are
    always threads for the others. A closed admission refuses all calls.
    """

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._changed = threading.Condition()
        self._calls: Counter[str] = Counter()
        self._num_calls = 0
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
            self._num_calls += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls[model] -= 1
                if not self._calls[model]:
                    del self._calls[model]
                self._num_calls -= 1
                if not self._num_calls and not self._is_open:
                    self._changed.notify_all()

    def _check(self, model: str) -> None:
        text = ""
        if not self._is_open:
            text = "The server is stopping"
        elif self._calls[model] >= (num_free := self._num_threads - self._num_calls):
            num_calls = self._calls[model]
            text = f"Calls of model {model} in progress: {num_calls}; free threads: {num_free}"
        if text:
            raise ServingError(grpc.StatusCode.UNAVAILABLE, text)

    def close(self) -> None:
        """Refuses all further calls."""
        with self._changed:
            self._is_open = False

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Returns whether the calls in progress end within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._num_calls, timeout_s)
