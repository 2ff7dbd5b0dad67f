"""`faultline loop`: watches the served model, trains new ones, and lets them take over."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from commands.monitoring.monitor import Look
from commands.queries import print_line
from commands.retraining.retrain import Place, make_retrainer
from commands.tolerance import Tolerant
from common.errors import StepFailedError
from common.logs import are_json
from common.output_folder import OutputFolder
from common.processes import Process, last_words, start_child, stop

if TYPE_CHECKING:
    from production.monitoring.report import ChunkReport

PROJECT_DIR = Path(__file__).resolve().parents[2]
_POLL_S = 0.5
_RESTART_S = 5.0


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """Command-line options of `faultline loop`.

    Attributes:
        config_path: The use case's config; None for that of the only served use case.
        output: The output folder.
        every_s: Seconds between two looks of the monitor.
        has_server: Whether the loop starts the gateway too.
    """

    config_path: Path | None
    output: Path
    every_s: float
    has_server: bool


def run_loop(options: LoopOptions) -> int:
    """Monitors, retrains and rolls out until a signal comes.

    All state is in the output folder: the loop may be killed at any point, and the next one
    continues from there.

    Raises:
        InputError: The config has no spans for its triggers, or another loop works on the model.
        Stopped: A signal stopped it.
    """
    from production.retraining.actions import working
    from production.retraining.facts import served_version
    from production.retraining.new_data import check_retrainable

    place = Place(config_path=options.config_path, output=options.output, as_json=False)
    folder, config, path = place.open()
    triggers = config.retraining.triggers
    if any(value is not None for value in vars(triggers).values()):
        check_retrainable(config)
    retrainer, look = make_retrainer(folder, config, path), Look(config, folder, config.name)
    with working(folder.retraining(config.name)), _serving(folder, path, options) as check_server:
        version = _first_version(lambda: served_version(folder, config.name))
        print_line(f"Watching {config.name}, whose version {version} is served. Ctrl-C stops.")
        try:
            _repeat(
                check_server,
                lambda: _print_reports(look.take()),
                retrainer.step,
                retrainer.carry_on,
                every_s=options.every_s,
            )
        finally:
            retrainer.stop()
    return 0


def _first_version(served: Callable[[], int | None]) -> int:
    """Waits for a version to watch, and returns it."""
    version = served()
    if version is None:
        print_line("Waiting for the first model: faultline run")
    while version is None:
        time.sleep(_POLL_S)
        version = served()
    return version


def _repeat(
    check_server: Callable[[], object],
    monitor: Callable[[], object],
    step: Callable[[], object],
    carry_on: Callable[[], object],
    *,
    every_s: float,
) -> None:
    """Looks at everything every `every_s` seconds, and at a retraining in progress in between."""
    tolerant = Tolerant(partial(print_line, to_errors=True))
    due_s = 0.0
    while True:
        tolerant(check_server)
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + every_s
            tolerant(monitor)
            tolerant(step)
        else:
            tolerant(carry_on)
        time.sleep(_POLL_S)


@contextmanager
def _serving(
    folder: OutputFolder, config_path: Path, options: LoopOptions
) -> Iterator[Callable[[], object]]:
    """Runs the gateway as a process of its own, if it is wanted.

    Yields:
        A function that starts it, or starts it again after its end.
    """
    if not options.has_server:
        yield lambda: None
        return
    server = _Server(folder, config_path)
    try:
        yield server.check
    finally:
        server.stop()


class _Server:
    """`faultline serve --gateway` in a process that ends with this one."""

    def __init__(self, folder: OutputFolder, config_path: Path) -> None:
        self._folder = folder
        self._command = [
            *(sys.executable, str(PROJECT_DIR / "faultline.py")),
            *(["--log-format=json"] if are_json() else []),
            *("serve", "--gateway"),
            *("--config", str(config_path), "--output", str(folder.root)),
        ]
        self._log = folder.root / "gateway" / "loop.log"
        self._process: Process | None = None
        self._started_s = 0.0

    def check(self) -> None:
        """Starts the gateway, or starts it again.

        Raises:
            StepFailedError: It has ended.
        """
        if self._process is not None and self._process.poll() is None:
            return
        ended, self._process = self._process, None
        if ended is not None:
            code, words = ended.returncode, last_words(self._log)
            raise StepFailedError(f"The gateway ended with code {code}. Its last words:\n{words}")
        if time.monotonic() < self._started_s + _RESTART_S:
            return
        self._started_s = time.monotonic()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = start_child(self._command, log=self._log)

    def stop(self) -> None:
        """Ends the gateway in order."""
        if self._process is not None:
            stop(self._process)


def _print_reports(reports: "Sequence[ChunkReport]") -> None:
    for report in reports:
        state = "broken, in quarantine" if report.is_broken else f"{report.num_rows:,} rows"
        alarms = f"; alarms {', '.join(report.alarms)}" if report.alarms else ""
        until = report.until.isoformat(timespec="seconds")
        print_line(f"Chunk {report.number} of version {report.version} to {until}: {state}{alarms}")
