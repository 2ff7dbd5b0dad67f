"""Progress of a prediction: a live line in a terminal, otherwise occasional plain lines."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from pipeline.counting import count

_PLAIN_EVERY_S = 10.0


class RowProgress:
    """Context manager that displays the number of predicted rows.

    Args:
        console: Console for the output.
        total: Total number of rows; None if unknown in advance.
    """

    def __init__(self, console: Console, *, total: int | None) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._said = self._started
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Connecting")

    def __enter__(self) -> "RowProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def add(self, num_rows: int) -> None:
        """Adds to the number of predicted rows."""
        self._done += num_rows
        now = time.monotonic()
        self._progress.update(self._task, description=self._text(now))
        if not self._console.is_terminal and now - self._said >= _PLAIN_EVERY_S:
            self._said = now
            self._console.print(self._text(now), highlight=False)

    def _text(self, now: float) -> str:
        rate = self._done / max(now - self._started, 1e-9)
        if self._total is None:
            done = count(self._done, "row")
        else:
            done = f"{self._done:,} of {count(self._total, 'row')}"
        return f"{done}, {rate:,.0f} rows/s"
