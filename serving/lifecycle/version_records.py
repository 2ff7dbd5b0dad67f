"""One version of a model between being wanted and being gone."""

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Protocol

from serving.errors import ServingError
from serving.servable import Servable


class ClosableServable(Servable, Protocol):
    """A loaded version that can be freed."""

    def close(self) -> None:
        """Frees it; no run is under way."""
        ...


class Phase(Enum):
    """Where a version stands; FAILED until it is no longer wanted."""

    NEW = auto()
    LOADING = auto()
    READY = auto()
    UNLOADING = auto()
    FAILED = auto()


class Lease(AbstractContextManager[Servable]):
    """A loaded version and the number of requests that use it."""

    __slots__ = ("_idle", "_lock", "_retired", "_users", "model")

    def __init__(self, model: ClosableServable) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._users = 0
        self._retired = False
        self._idle = threading.Event()

    def hold(self) -> bool:
        """Adds a user, unless the version is being unloaded."""
        with self._lock:
            if not self._retired:
                self._users += 1
            return not self._retired

    def retire(self, timeout_s: float | None = None) -> bool:
        """Takes no more users and waits for the last to leave; False if they did not."""
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
    """One version of a model, from when it is wanted until it is gone."""

    folder: str
    wanted: bool = True
    phase: Phase = Phase.NEW
    lease: Lease | None = None
    error: ServingError | None = None


def describe(error: ServingError) -> str:
    """Returns an error as logs and the start-up message show it, its code first."""
    return f"{error.code.name}: {error.message}"
