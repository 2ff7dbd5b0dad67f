"""Child processes that end with their parent, and the ports they listen on."""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from common.errors import InputError

# The kernel ends the child when its parent dies (PR_SET_PDEATHSIG is 1), which outlives `exec`.
# The parent may have died before the child asked for that.
_WITH_PARENT = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execvp(sys.argv[2], sys.argv[2:])"
)
_POLL_S = 0.05
_CONNECT_S = 0.1
_STOP_S = 10.0
_LAST_LINES = 8

Process = subprocess.Popen[bytes]


class EngineFailedError(Exception):
    """An engine did not start; the message ends with the last lines of its log."""


def start_child(
    command: Sequence[str],
    *,
    log: Path,
    output: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Starts a command that ends with the thread that calls this: SIGTERM ends it then.

    Args:
        command: Program and arguments.
        log: File for its standard error.
        output: File for its standard output; None for `log`.
        cwd: Its working directory; None for this process's own.
        env: Its environment; None for this process's own.
    """
    with log.open("ab") as stream, (output or log).open("ab") as printed:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(os.getpid()), *command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=stream,
            # Ctrl-C at a terminal is for the parent, which then stops its children in order.
            start_new_session=True,
        )


@contextmanager
def child_process(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Runs a command while the context is open.

    Args:
        command: Program and arguments.
        log: File for its standard output and standard error.
        cwd: Its working directory; None for this process's own.
        env: Its environment; None for this process's own.
    """
    process = start_child(command, log=log, cwd=cwd, env=env)
    try:
        yield process
    finally:
        stop(process)


def stop(process: Process) -> None:
    """Ends a process: by SIGTERM, and by SIGKILL after ten seconds."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Returns unused ports of the loopback interface."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for unbound in sockets:
            unbound.bind(("127.0.0.1", 0))
        return [int(bound.getsockname()[1]) for bound in sockets]


def is_port_taken(host: str, port: int) -> bool:
    """Returns whether another program listens on a port; False if this cannot be told.

    Args:
        host: IP address; one of IPv6 may have brackets.
        port: The port; one that is not above 0 is never taken.
    """
    if port <= 0:
        return False
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), port), family=family).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def check_ports(host: str, ports: Mapping[str, int], *, command: str) -> None:
    """Checks that ports are free, before anything is loaded.

    Args:
        host: IP address; one of IPv6 may have brackets.
        ports: The ports of gRPC and REST by their names; those not above 0 are free.
        command: The command that was given, which takes other ports as flags.

    Raises:
        InputError: Another program listens on one of them.
    """
    taken = [f"{port} ({wire})" for wire, port in ports.items() if is_port_taken(host, port)]
    if taken:
        raise InputError(
            f"Already in use on {host}: port {' and port '.join(taken)}. Stop the program "
            "that listens there, or choose other ports, such as:\n"
            f"{command} -- --port=9000 --rest_api_port=9001"
        )


def wait_until(process: Process, is_ready: Callable[[], bool], *, timeout_s: float) -> bool:
    """Waits until a process is ready.

    Returns:
        False if it ended first, which `process.returncode` tells, or was not ready in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        if is_ready():
            return True
        time.sleep(_POLL_S)
    return False


def wait_for_port(process: Process, port: int, *, log: Path, timeout_s: float) -> None:
    """Waits until a process answers on a port of the loopback interface.

    Raises:
        EngineFailedError: It ended, or did not answer in time; with the last lines of its log.
    """
    if wait_until(process, lambda: _answers(port), timeout_s=timeout_s):
        return
    if process.returncode is None:
        problem = f"No answer on port {port} within {timeout_s:.0f} s."
    else:
        problem = f"It ended with code {process.returncode} before it answered on port {port}."
    raise EngineFailedError(f"{problem} Its last words:\n{last_words(log)}")


def _answers(port: int) -> bool:
    # By name, as Java does: where `localhost` is ::1 first, that is where it listens.
    with suppress(OSError), socket.create_connection(("localhost", port), timeout=_CONNECT_S):
        return True
    return False


def last_words(log: Path) -> str:
    """Returns the last lines of a log."""
    return "\n".join(log_lines(log)[-_LAST_LINES:]) or "(nothing)"


def log_lines(log: Path) -> list[str]:
    """Returns the lines of a log, none where it does not exist."""
    return log.read_text(errors="replace").splitlines() if log.exists() else []
