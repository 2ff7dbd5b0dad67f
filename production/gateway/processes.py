"""The processes of a gateway: started, watched, started again after a pause, and ended with it."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.output_folder import open_log, replace_file
from common.processes import Process, start_child
from production.gateway.envoy.access_log import set_aside

_POLL_S = 0.02
# Pauses before a process is started again: 0, 0.5, 1, 2 ... seconds.
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# After so long, an end is the first one again.
_STEADY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a process runs.

    Attributes:
        arguments: Program and arguments.
        cwd: Working directory; None for that of this process.
        env: Environment; None for that of this process.
    """

    arguments: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None


def pause_s(num_ends: int) -> float:
    """Returns the seconds to wait before a process is started again.

    Args:
        num_ends: How often it ended without having run for a minute, > 0.
    """
    if num_ends == 1:
        return 0.0
    # The exponent is bounded: a process may end thousands of times.
    return min(_FIRST_PAUSE_S * 2.0 ** min(num_ends - 2, 16), _LONGEST_PAUSE_S)


def end_words(returncode: int) -> str:
    """Returns how a process ended: `exit code 1`, or `signal 9 (SIGKILL)` for -9."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {-returncode} ({signal.Signals(-returncode).name})"
    except ValueError:  # a real-time signal has no name
        return f"signal {-returncode}"


class Supervised:
    """A process that is started again when it ends.

    All methods are called by one thread: the kernel ends a child with the thread that started it.

    Attributes:
        name: Name of its log and of the file with its process id.
        log: Log of its output.
        num_starts: How often it was started.
        num_ends: How often it ended by itself.
        last_end: How it ended last, such as `exit code 1`; empty before its first end.
    """

    def __init__(self, name: str, folder: Path, command: Callable[[], Command]) -> None:
        """Starts nothing yet; see `step`.

        Args:
            name: Name of its files.
            folder: Folder for its log and its process id.
            command: Returns what to run, at each start.
        """
        self.name = name
        self.log = folder / f"{name}.log"
        self.num_starts = 0
        self.num_ends = 0
        self.last_end = ""
        self._pid_file = folder / f"{name}.pid"
        self._command = command
        self._process: Process | None = None
        self._why_killed = ""
        self._num_early_ends = 0
        self._started_s = 0.0
        self._next_start_s = 0.0

    @property
    def pid(self) -> int | None:
        """Process id, or None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def returncode(self) -> int | None:
        """Exit code of the process that ended last; None while one runs."""
        return self._process.returncode if self._process is not None else None

    def step(self) -> None:
        """Starts the process if it is due; notes its end.

        Raises:
            OSError: It cannot be started; a later call tries again.
        """
        now_s = time.monotonic()
        if self._process is not None and self._process.returncode is None:
            returncode = self._process.poll()
            if returncode is None:
                return
            self.num_ends += 1
            self.last_end = self._why_killed or end_words(returncode)
            is_first = now_s - self._started_s > _STEADY_S
            self._num_early_ends = 1 if is_first else self._num_early_ends + 1
            self._next_start_s = now_s + pause_s(self._num_early_ends)
        if now_s >= self._next_start_s:
            # Until it has started, that is the next try.
            self._next_start_s = now_s + _FIRST_PAUSE_S
            self._start(now_s)

    def kill(self, why: str) -> None:
        """Kills the process, which `step` then starts again.

        Args:
            why: How it ended, in words, such as `no answer for 30 s`.
        """
        # Only once: a second signal could take the end that `step` is to note.
        if self.pid is not None and self._process is not None and not self._why_killed:
            self._process.kill()
            self._why_killed = why

    def terminate(self) -> None:
        """Asks the process to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self, end_s: float) -> None:
        """Ends the process: by SIGTERM, and at the monotonic time `end_s` by SIGKILL."""
        self.terminate()
        if self._process is not None:
            while self._process.poll() is None and time.monotonic() < end_s:
                time.sleep(_POLL_S)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    def _start(self, now_s: float) -> None:
        command = self._command()
        set_aside(self.log)
        open_log(self.log).close()  # a new log is for its owner only
        self._process = start_child(
            command.arguments, log=self.log, cwd=command.cwd, env=command.env
        )
        self._started_s = now_s
        self._why_killed = ""
        self.num_starts += 1
        pid = self._process.pid
        replace_file(self._pid_file, f"{pid} {_start_time(pid)}\n".encode())


def end_leftovers(folder: Path, *, grace_s: float) -> list[str]:
    """Ends the processes of a supervisor that was killed.

    They got SIGTERM when it died. Those that are still there after the grace are killed.

    Args:
        folder: Folder of the files with process ids.
        grace_s: Seconds that requests in progress get to end.

    Returns:
        The names of the processes that still ran.
    """
    leftovers = running_pids(folder)
    for pid in leftovers.values():
        _send(pid, signal.SIGTERM)
    end_s = time.monotonic() + grace_s
    paths = [folder / f"{name}.pid" for name in leftovers]
    while any(map(_running_pid, paths)) and time.monotonic() < end_s:
        time.sleep(_POLL_S)
    for path in paths:
        if (still := _running_pid(path)) is not None:
            _send(still, signal.SIGKILL)
            while _running_pid(path):
                time.sleep(_POLL_S)
    for path in folder.glob("*.pid"):
        path.unlink(missing_ok=True)
    return list(leftovers)


def running_pids(folder: Path) -> dict[str, int]:
    """Returns the ids of the running processes of a gateway by their names.

    Args:
        folder: Folder of the files with process ids.
    """
    return {path.stem: pid for path in sorted(folder.glob("*.pid")) if (pid := _running_pid(path))}


def _running_pid(path: Path) -> int | None:
    """Returns the process that a file names, or None if it ended; numbers are given again."""
    try:
        pid, started = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(pid) if pid.isdecimal() and _start_time(int(pid)) == started else None


def _start_time(pid: int) -> str:
    """Returns when a process started, in ticks since the boot; empty if it ended."""
    try:
        # The name before the last parenthesis may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
