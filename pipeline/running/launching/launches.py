"""Launches of steps: in the main thread, or in a thread beside steps that do not need the result.

Steps share ML Metadata, TFX's state and Python's lock, so that few of them gain by a second thread.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from common.guards.stopping import as_stop, check_not_stopped

# Steps that run beside the next ones: InfraValidator waits for the process of its server, and most
# of DataReport's work is TensorFlow's, which reads and decodes the examples.
BESIDE = frozenset({"DataReport", "InfraValidator"})
# Steps that seed the random numbers of the process: no other step may draw from them.
ALONE = frozenset({"Trainer", "Tuner"})


class Turn:
    """The right to use ML Metadata and TFX's state; a step gives it up while its executor runs.

    Args:
        shared: File whose lock is part of the right, where steps are processes of their own; the
            lock goes with the process, however it ends.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._shared = FileLock(shared, thread_local=False) if shared else None

    def __enter__(self) -> None:
        """Waits for the turn."""
        self._acquire()

    def __exit__(self, *_: object) -> None:
        """Ends the turn."""
        self._release()

    def _acquire(self) -> None:
        self._lock.acquire()
        try:
            if self._shared is not None:
                self._shared.acquire()
        except BaseException:
            self._lock.release()
            raise

    def _release(self) -> None:
        if self._shared is not None:
            self._shared.release()
        self._lock.release()

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Lets other steps have their turn while the context is open."""
        self._release()
        try:
            yield
        finally:
            self._acquire()


class Launch:
    """The launch of one node.

    Args:
        name: The node's id.
        launch: Runs the step and returns its execution. It calls its argument, at the latest when
            its executor starts.

    Attributes:
        name: The node's id.
        started_s: Monotonic time of the start.
        ended_s: Monotonic time of the end; 0 before.
        execution_id: The step's execution; 0 if it did not succeed.
        error: What stopped it, or None.
    """

    def __init__(self, name: str, launch: Callable[[Callable[[], None]], int]) -> None:
        self.name = name
        self.started_s = time.monotonic()
        self.ended_s = 0.0
        self.execution_id = 0
        self.error: BaseException | None = None
        self._launch = launch
        self._is_registered = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether it runs beside other steps."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def duration_s(self) -> float:
        """Wall time in seconds."""
        return self.ended_s - self.started_s

    def start(self, *, beside: bool) -> None:
        """Runs the step to its end, or beside the next ones until it is registered."""
        if beside:
            self.run_beside()
        else:
            self.run()

    def run(self) -> None:
        """Runs the step to its end; an error is kept."""
        try:
            check_not_stopped()
            self.execution_id = self._launch(self._is_registered.set)
            check_not_stopped()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised by the runner
            self.error = as_stop(error)
        finally:
            self.ended_s = time.monotonic()
            self._is_registered.set()

    def run_beside(self) -> None:
        """Runs the step in a thread; returns as soon as it is registered in ML Metadata."""
        self._thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        self._thread.start()
        self._is_registered.wait()

    def wait(self) -> None:
        """Waits for the step to end, also after Ctrl-C: then it ends before it publishes."""
        if self._thread is None:
            return
        try:
            self._thread.join()
        except KeyboardInterrupt as caught:
            error = as_stop(caught)
            self._thread.join()
            self.error = self.error or error


def must_wait(launch: Launch, *, before: str, upstream: Collection[str]) -> bool:
    """Whether a node may start only after a launch has ended.

    Args:
        launch: An earlier launch.
        before: The node's id.
        upstream: The nodes that it depends on.
    """
    return launch.name in upstream or before in ALONE
