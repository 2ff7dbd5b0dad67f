"""Admission of gRPC calls to the threads that they share, and to the runs of their model."""

import itertools
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import grpc

from serving.errors import ServingError
from serving.runtime.deadlines import deadline, lock_timeout, timed_out


class ModelSlots:
    """Slots for the calls of each model that run at a time; further calls wait in their order.

    A hung model keeps its own slots only.

    Args:
        num_slots: Slots of each model, > 0.
    """

    def __init__(self, num_slots: int) -> None:
        self._num_slots = num_slots
        self._lock = threading.Lock()
        self._num_held: Counter[str] = Counter()
        self._waiting: dict[str, deque[threading.Lock]] = {}

    @contextmanager
    def hold(self, model: str) -> Iterator[None]:
        """Holds a slot of a model in the context, after a wait for it.

        Raises:
            ServingError: DEADLINE_EXCEEDED if the deadline passes before a slot is free.
        """
        ticket = self._take_or_wait(model)
        if ticket is not None:
            wait_s = max(0.0, deadline() - time.monotonic())
            if not ticket.acquire(timeout=lock_timeout(wait_s)):
                self._give_up(model, ticket)
        try:
            yield
        finally:
            self._release(model)

    def _take_or_wait(self, model: str) -> "threading.Lock | None":
        """Takes a free slot, or returns a lock that opens with the slot."""
        with self._lock:
            if self._num_held[model] < self._num_slots:
                self._num_held[model] += 1
                return None
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.setdefault(model, deque()).append(ticket)
            return ticket

    def _give_up(self, model: str, ticket: threading.Lock) -> None:
        with self._lock:
            if ticket.locked():  # no slot came at the last moment
                self._waiting[model].remove(ticket)
                raise timed_out()

    def _release(self, model: str) -> None:
        with self._lock:
            if waiting := self._waiting.get(model):
                waiting.popleft().release()
                return
            self._num_held[model] -= 1
            if not self._num_held[model]:
                del self._num_held[model]
                self._waiting.pop(model, None)


class Admission:
    """Admits a call if its model holds fewer threads than are free.

    One hung model can thus hold half of the threads, a second one a quarter, and so on: there are
    always threads for the others. A closed admission refuses all calls.

    Args:
        num_threads: Threads of all models.
        num_slots: Calls of one model that run at a time, others wait in their threads; 0 is all.
    """

    def __init__(self, num_threads: int, num_slots: int = 0) -> None:
        self._num_threads = num_threads
        self._slots = ModelSlots(num_slots) if num_slots else None
        self._changed = threading.Condition()
        self._calls: Counter[str] = Counter()
        self._deadlines: dict[int, float] = {}  # of the calls in progress
        self._numbers = itertools.count()
        self._is_open = True

    @contextmanager
    def admit(self, model: str) -> Iterator[None]:
        """Holds a thread and a slot of the model for a call in the context.

        Raises:
            ServingError: UNAVAILABLE if the model holds its share, or after `close`;
                DEADLINE_EXCEEDED if the deadline passes before a slot is free.
        """
        with self._changed:
            self._check(model)
            self._calls[model] += 1
            number = next(self._numbers)
            self._deadlines[number] = deadline()
        slot: AbstractContextManager[None] = (
            self._slots.hold(model) if self._slots else nullcontext()
        )
        try:
            with slot:
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
