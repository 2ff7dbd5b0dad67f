"""The deadline of the request that a thread or task works on.

A context variable carries it from the service, which knows it, to the run of the model. Times are
those of `time.monotonic`.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import grpc

from serving.errors import ServingError

_deadline_s: ContextVar[float] = ContextVar("deadline_s", default=math.inf)


@contextmanager
def deadline_at(deadline_s: float) -> Iterator[None]:
    """Sets the deadline inside the context; infinity is none."""
    token = _deadline_s.set(deadline_s)
    try:
        yield
    finally:
        _deadline_s.reset(token)


def deadline() -> float:
    """Returns the deadline; infinity if there is none."""
    return _deadline_s.get()


def remaining_s() -> float:
    """Returns the seconds until the deadline, which may be infinite.

    Raises:
        ServingError: DEADLINE_EXCEEDED if it has passed.
    """
    deadline_s = _deadline_s.get()
    if deadline_s == math.inf:
        return math.inf
    seconds = deadline_s - time.monotonic()
    if seconds <= 0:
        raise timed_out()
    return seconds


def lock_timeout(seconds: float) -> float:
    """Returns a number of seconds in the form that locks take: -1 for ever."""
    return -1 if seconds > threading.TIMEOUT_MAX else seconds


def timed_out() -> ServingError:
    """Returns the error of a request past its deadline, with TensorFlow's text."""
    return ServingError(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")
