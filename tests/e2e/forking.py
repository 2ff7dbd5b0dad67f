"""Commands in forks of one process that has imported TensorFlow, TFX and Beam.

A fork starts without the seconds of CPU time that these imports take, and ends as any program does.
What a fork cannot show needs an interpreter of its own: imports, variables that Python or a library
reads when it starts, signals during the start, and results that depend on the seed of hashes.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.e2e import warm_process


def run_in_fork(
    arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str], timeout_s: float
) -> tuple[int, str, str]:
    """Runs a Python program to its end, in a process group of its own.

    Args:
        arguments: Path of the program and its arguments.
        cwd: The working directory.
        environment: All environment variables.
        timeout_s: Seconds after which the process group is killed.

    Returns:
        The exit code, as `subprocess` counts it, standard output and standard error.

    Raises:
        TimeoutExpired: The program did not end in time.
    """
    warm = _warm_process()
    command = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    socket.send_fds(warm.requests, [json.dumps(command).encode()], [out_end, err_end])
    os.close(out_end)
    os.close(err_end)
    with ThreadPoolExecutor(3) as pool, warm.requests.makefile() as answers:
        texts = [pool.submit(_read, stream) for stream in (out, err)]
        child = answers.readline()
        assert child, f"the process that forks has ended: {warm.log}"
        status = pool.submit(answers.readline)
        try:
            code = os.waitstatus_to_exitcode(int(status.result(timeout_s)))
        except TimeoutError:
            os.killpg(int(child), signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, timeout_s) from None
    return code, texts[0].result(), texts[1].result()


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor) as stream:
        return stream.read()


@dataclass(frozen=True)
class _WarmProcess:
    """The process that forks; it ends when its socket closes.

    Attributes:
        process: The process.
        requests: The socket.
        home: The home folder while libraries are imported; has the log.
    """

    process: subprocess.Popen[bytes]
    requests: socket.socket
    home: tempfile.TemporaryDirectory[str]

    @property
    def log(self) -> str:
        """Its standard error."""
        return Path(self.home.name, "log").read_text()

    def stop(self) -> None:
        self.requests.close()
        self.process.wait()
        self.home.cleanup()


@cache
def _warm_process() -> _WarmProcess:
    """Starts the process, which the end of the tests stops."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as for a command with a process
    requests, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    home = tempfile.TemporaryDirectory()
    with other_end, Path(home.name, "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, warm_process.__file__, str(other_end.fileno())],
            # As the command line sets them before it imports these libraries.
            env=os.environ | {"HOME": home.name, "KERAS_HOME": home.name, "GLOG_minloglevel": "3"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[other_end.fileno()],
            start_new_session=True,
        )
    warm = _WarmProcess(process, requests, home)
    atexit.register(warm.stop)
    return warm
