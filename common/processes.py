"""Processes that end with the one that started them, and the ports they answer on."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

# The kernel ends the child when its parent dies (PR_SET_PDEATHSIG is 1), which outlives `exec`.
_WITH_PARENT = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
_POLL_S = 0.1
_STOP_S = 10.0
_LAST_LINES = 8

Process = subprocess.Popen[bytes]


class EngineFailedError(Exception):
    """An engine did not come up; the text holds its own last words."""


@contextmanager
def child_process(command: Sequence[str], *, log: Path) -> Iterator[Process]:
    """Runs a command while the context is open.

    Args:
        command: Program and arguments.
        log: File for all that it prints.
    """
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WITH_PARENT, *command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            # Ctrl-C at a terminal is for the parent, which then stops its children in order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: Process) -> None:
    """Ends a process: politely, and after ten seconds by force."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Returns ports of the loopback on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def wait_for_port(process: Process, port: int, *, log: Path, timeout_s: float) -> None:
    """Waits until a process answers on a port of the loopback.

    Raises:
        EngineFailedError: It ended, or did not answer in time; with the last lines of its log.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EngineFailedError(
                f"It ended with code {process.returncode} before it answered on port {port}. "
                f"Its last words:\n{last_words(log)}"
            )
        # By name, as Java does: where `localhost` is ::1 first, that is where it listens.
        with suppress(OSError), socket.create_connection(("localhost", port), timeout=_POLL_S):
            return
        time.sleep(_POLL_S)
    raise EngineFailedError(
        f"No answer on port {port} within {timeout_s:.0f} s. Its last words:\n{last_words(log)}"
    )


def last_words(log: Path) -> str:
    """Returns the last lines of a log."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_LAST_LINES:]) or "(nothing)"
