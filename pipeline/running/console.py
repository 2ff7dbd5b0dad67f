"""Terminal output of a run: one line per step, a live line for the running step, a summary."""

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from pipeline.running.steps import FIRST_TIME, UNCHANGED, StepResult, StepState

_MARKS = {
    StepState.RAN: "[green]✓[/green]",
    StepState.CACHED: "[cyan]=[/cyan]",
    StepState.FAILED: "[red]✗[/red]",
    StepState.INTERRUPTED: "[yellow]![/yellow]",
}
_PROGRESS_LOGGER = "faultline.progress"


def format_duration(seconds: float) -> str:
    """Returns a duration such as `0.4 s`, `41 s` or `3 min 20 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


class RunConsole(logging.Handler):
    """Prints steps as they end; in a terminal, the running step has a live line.

    Long steps report through the logger `faultline.progress`; the live line shows the latest
    message. Without a terminal, only one line per finished step is printed. A reason that many
    steps share is printed once per run.

    Attributes:
        console: Where it prints.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console
        self._live: Live | None = None
        self._spinner = Spinner("dots")
        self._step = ""
        self._message = ""
        self._started = 0.0
        self._printed_reasons: set[str] = set()  # of those that many steps share

    def __enter__(self) -> "RunConsole":
        """Subscribes to progress messages."""
        logger = logging.getLogger(_PROGRESS_LOGGER)
        logger.setLevel(logging.INFO)
        logger.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unsubscribes and clears the live line."""
        logging.getLogger(_PROGRESS_LOGGER).removeHandler(self)
        self._clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Shows a progress message in the live line."""
        self._message = record.getMessage()

    def step_started(self, name: str) -> None:
        """Shows that a step has started."""
        self._clear()
        self._step, self._message, self._started = name, "", time.monotonic()
        if self.console.is_terminal:
            # Library output belongs in the log, not above the live line.
            self._live = Live(
                console=self.console,
                get_renderable=self._live_line,
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def step_ended(self, result: StepResult, fact: str) -> None:
        """Prints the line of a finished step.

        Args:
            result: The step.
            fact: The key figure of the step, as text.
        """
        self._clear()
        reason = "" if result.reason in self._printed_reasons else result.reason
        if reason in {FIRST_TIME, UNCHANGED}:
            self._printed_reasons.add(reason)
        self.console.print(
            f"{_MARKS[result.state]} {result.name:<19} {result.state.value:<11} "
            f"{format_duration(result.duration_s):>8}  {escape(fact)}"
            + (f" [dim]({escape(reason)})[/dim]" if reason else ""),
            highlight=False,
            soft_wrap=True,
        )

    def say_code(self, label: str, *, is_first_run: bool) -> None:
        """Prints the code's version and whether this is the first run of the use case."""
        if is_first_run:
            self._printed_reasons.add(FIRST_TIME)
        remark = "; first run of this use case" if is_first_run else ""
        self.say(f"[dim]code {escape(label)}{remark}[/dim]")

    def say(self, text: str) -> None:
        """Prints a line of rich markup."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def _live_line(self) -> Spinner:
        elapsed = format_duration(time.monotonic() - self._started)
        parts = [escape(part) for part in (self._message, elapsed) if part]
        self._spinner.update(text=f"{self._step}: {', '.join(parts)}")
        return self._spinner

    def _clear(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
