"""Files of a run in separate steps, in its folder."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from common.errors import InputError, StepFailedError
from common.guards.redaction import redact_text
from common.guards.stopping import stop_words
from common.output_folder import OutputFolder, captured_output, replace_file
from pipeline.running.console import RunConsole
from pipeline.running.stages.closing import error_to_raise, log_traceback

BEGIN, END = "begin", "end"  # beside the ids of components, which begin in capitals
DONE, FAILED, INTERRUPTED = "done", "failed", "interrupted"
_BEGINNING = "run.json"


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """What a run in separate steps has begun with.

    Attributes:
        config: Absolute path of the config file.
        config_digest: Digest of the config with the overrides.
        overrides: The `Overrides` as plain values.
        code_digest: Digest of the sources, which all steps must have.
        began_at: Time of the beginning in seconds since the Unix epoch.
    """

    config: str
    config_digest: str
    overrides: dict[str, Any]
    code_digest: str
    began_at: float


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an attempt at a step ended.

    Attributes:
        state: `done`, `failed` or `interrupted`.
        duration_s: Wall time in seconds.
        error: Why it stopped; empty if it did not.
        is_input: Whether its input was at fault.
        spans: Findings for each span that `begin` read.
    """

    state: str
    duration_s: float
    error: str = ""
    is_input: bool = False
    spans: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of_error(cls, error: BaseException, duration_s: float, spans: list[dict[str, Any]]) -> Self:
        """Returns the ending of an attempt that an error stopped."""
        is_interrupt = isinstance(error, KeyboardInterrupt)
        return cls(
            state=INTERRUPTED if is_interrupt else FAILED,
            duration_s=duration_s,
            error=stop_words(error) if is_interrupt else redact_text(str(error)),
            is_input=isinstance(error, InputError),
            spans=spans,
        )

    def to_error(self, step: str) -> Exception:
        """Returns the error that stopped it."""
        if self.state == INTERRUPTED:
            return StepFailedError(f"{step} was {self.error}. Run it again: it resumes this run.")
        return InputError(self.error) if self.is_input else StepFailedError(self.error)


@dataclass(frozen=True)
class StepFiles:
    """The folder `steps` of a run.

    Attributes:
        run_folder: The run's folder.
    """

    run_folder: Path

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.run_folder / "steps"

    @property
    def pipeline(self) -> Path:
        """The compiled pipeline; there is none before `begin` has ended."""
        return self.root / "pipeline.pb"

    @property
    def graph(self) -> Path:
        """The steps and what each depends on, as JSON."""
        return self.root / "graph.json"

    @property
    def turn(self) -> Path:
        """File whose lock is the right to use ML Metadata."""
        return self.root / "turn.lock"

    def lock(self, step: str) -> Path:
        """File whose lock a step holds while it runs."""
        return self.root / f"{step}.lock"

    def log(self, step: str) -> Path:
        """What libraries printed in all attempts at a step."""
        return self.root / f"{step}.log"

    def write_beginning(self, beginning: Beginning) -> None:
        """Records what the run has begun with."""
        self._write(_BEGINNING, asdict(beginning))

    def read_beginning(self) -> Beginning | None:
        """Returns what the run has begun with, or None if it has not begun."""
        values = self._read(_BEGINNING)
        return None if values is None else Beginning(**values)

    def forget_beginning(self) -> None:
        """Removes what the run should have begun with."""
        (self.root / _BEGINNING).unlink(missing_ok=True)

    def write_ending(self, step: str, ending: Ending) -> None:
        """Records how an attempt at a step ended."""
        self._write(f"{step}.json", asdict(ending))

    def forget_ending(self, step: str) -> None:
        """Removes how an earlier attempt at a step ended, before another begins."""
        (self.root / f"{step}.json").unlink(missing_ok=True)

    def read_ending(self, step: str) -> Ending | None:
        """Returns how the last attempt at a step ended; None if none did, or it was killed."""
        values = self._read(f"{step}.json")
        return None if values is None else Ending(**values)

    def _write(self, name: str, values: dict[str, Any]) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        text = json.dumps(values, indent=2, default=str)
        replace_file(self.root / name, f"{text}\n".encode(), mode=0o600)

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.root / name
        if not path.is_file():
            return None
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return values


def begun_run(folder: OutputFolder, run_id: str) -> tuple[StepFiles, Beginning]:
    """Returns the files of a run that has begun.

    Raises:
        InputError: It has not.
    """
    files = StepFiles(folder.run(run_id))
    beginning = files.read_beginning()
    if beginning is None:
        raise InputError(
            f"Run {run_id} has not begun in {folder.root}. Start it with "
            f"`faultline step begin --run {run_id} --config FILE --output {folder.root}`."
        )
    return files, beginning


@contextmanager
def step_console(log: Path) -> Iterator[RunConsole]:
    """Yields the console of a step; what libraries print goes to its log."""
    with (
        captured_output(log) as (out, _),
        os.fdopen(os.dup(out), "w") as text,
        RunConsole(Console(file=text)) as shown,
    ):
        yield shown


def raise_recorded(files: StepFiles, step: str, error: BaseException, ending: Ending) -> None:
    """Records the error that stopped a step, and raises it as its command does.

    Raises:
        InputError: The input was at fault.
        StepFailedError: Something else was; it names the log.
    """
    log_traceback(error)
    files.write_ending(step, ending)
    raised = error_to_raise(error, files.log(step))
    raise raised from (None if raised is error else error)
