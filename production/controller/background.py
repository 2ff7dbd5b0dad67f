"""Jobs beside the controller's loop, one at a time of each kind."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


@dataclass(kw_only=True)
class _Job:
    thread: threading.Thread
    result: Any = None
    error: Exception | None = None
    on_result: Callable[[Any], None]
    on_error: Callable[[Exception], None]


class Background:
    """Runs jobs in threads that do not keep the process from ending."""

    def __init__(self) -> None:
        """Runs nothing yet."""
        self._jobs: dict[str, _Job] = {}

    def start(
        self,
        name: str,
        work: Callable[[], Result],
        on_result: Callable[[Result], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Starts a job, unless one of that name runs.

        Args:
            name: Its name.
            work: The work, done in a thread.
            on_result: Gets the result; called by `finish`.
            on_error: Gets the error; called by `finish`.
        """
        if name in self._jobs:
            return

        def run() -> None:
            try:
                job.result = work()
            except Exception as error:  # noqa: BLE001 - `on_error` gets it
                job.error = error

        thread = threading.Thread(target=run, name=name, daemon=True)
        job = _Job(thread=thread, on_result=on_result, on_error=on_error)
        self._jobs[name] = job
        thread.start()

    def finish(self) -> None:
        """Hands over what is done, in the caller's thread."""
        done = [name for name, job in self._jobs.items() if not job.thread.is_alive()]
        for name in done:
            job = self._jobs.pop(name)
            if job.error is not None:
                job.on_error(job.error)
            else:
                job.on_result(job.result)
