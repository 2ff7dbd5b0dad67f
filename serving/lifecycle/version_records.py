"""The record of one version of a model, and the lease that keeps it loaded."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Protocol

from serving.errors import ServingError
from serving.servable import Servable


class ClosableServable(Servable, Protocol):
    """A loaded version that can be unloaded."""

    def is_hung(self) -> bool:
        """Returns whether requests run without an answer."""
        ...

    def close(self) -> None:
        """Frees its memory; call it while no run is in progress."""
        ...


class Phase(Enum):
    """The phase of a version; a failed one is FAILED until it is no longer wanted."""

    NEW = auto()
    LOADING = auto()
    READY = auto()
    UNLOADING = auto()
    FAILED = auto()


class Lease(AbstractContextManager[Servable]):
    """A loaded version and the count of requests that use it."""

    __slots__ = ("_idle", "_lock", "_retired", "_users", "model")

    def __init__(self, model: ClosableServable) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False
        self._idle = threading.Event()

    def hold(self) -> bool:
        """Adds a user; returns False if the version is being unloaded."""
        with self._lock:
            if not self._retired:
                self._users += 1
            return not self._retired

    def retire(self, timeout_s: float | None = None) -> bool:
        """Refuses new users and waits for the last one to leave; returns False at the timeout."""
        with self._lock:
            self._retired = True
            if not self._users:
                self._idle.set()
        return self._idle.wait(timeout_s)

    def __enter__(self) -> Servable:
        return self.model

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._users -= 1
            if self._retired and not self._users:
                self._idle.set()


@dataclass
class Version:
    """One version of a model, from the first time it is wanted until it is unloaded."""

    folder: str
    wanted: bool = True
    phase: Phase = Phase.NEW
    lease: Lease | None = None
    error: ServingError | None = None


def describe(error: ServingError) -> str:
    """Returns an error as text, its code first, for logs and the start-up message."""
    return f"{error.code.name}: {error.message}"
