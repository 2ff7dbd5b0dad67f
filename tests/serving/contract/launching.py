"""Server processes that the suite starts and stops, and waits with a deadline."""

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.serving.contract.wires import Grpc, Rest, free_port

PROJECT = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 120.0


def binary() -> list[str]:
    """The command that serves: `FAULTLINE_CONTRACT_BINARY`, or the embedded server."""
    named = os.environ.get("FAULTLINE_CONTRACT_BINARY")
    return shlex.split(named) if named else [sys.executable, "-m", "serving.server"]


class LaunchedServer:
    """A server process.

    Args:
        flags: Values by flag; None leaves a flag out. Free ports are added as `port` and
            `rest_api_port`.
        log: Receives stdout and stderr of the process.
    """

    def __init__(self, flags: Mapping[str, Any], log: Path) -> None:
        given = {"port": free_port(), "rest_api_port": free_port(), **flags}
        self.log = log
        self.grpc_address = f"127.0.0.1:{given['port'] or 8500}"
        self.rest = Rest(address=f"127.0.0.1:{given['rest_api_port'] or 0}")
        self.has_rest = bool(given["rest_api_port"])
        command = binary() + [f"--{k}={v}" for k, v in given.items() if v is not None]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=PROJECT)
        self.started_s = time.monotonic()
        self._grpc: Grpc | None = None

    @property
    def grpc(self) -> Grpc:
        if self._grpc is None:
            self._grpc = Grpc(self.grpc_address)
        return self._grpc

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def is_open(self) -> bool:
        """Whether every requested port takes connections."""
        addresses = [self.grpc_address] + ([self.rest.address] if self.has_rest else [])
        return all(takes_connections(address) for address in addresses)

    def wait_until_open(self) -> "LaunchedServer":
        def opened() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"Exit code {self.process.returncode}: {self.output()}")
            return self.is_open()

        eventually(opened, timeout_s=START_TIMEOUT_S)
        return self

    def wait_for_exit(self) -> int:
        return self.process.wait(START_TIMEOUT_S)

    def stop(self) -> None:
        if self._grpc is not None:
            self._grpc.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)


def takes_connections(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1.0):
            return True
    except OSError:
        return False


def eventually(check: Callable[[], Any], *, timeout_s: float = 20.0) -> Any:
    """Returns the first true value of `check`; fails if there is none before the timeout."""
    if value := within(check, timeout_s=timeout_s):
        return value
    raise AssertionError(f"Not true within {timeout_s} s: {check.__qualname__}")


def within(check: Callable[[], Any], *, timeout_s: float) -> Any:
    """Returns the first true value of `check`, called ten times a second, or the last value."""
    deadline = time.monotonic() + timeout_s
    while not (value := check()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


def always(expected: Any, actual: Callable[[], Any], *, duration_s: float) -> None:
    """Fails as soon as `actual` returns anything but `expected`, within the duration."""
    others = []

    def differs() -> bool:
        value = actual()
        if value != expected:
            others.append(value)
        return bool(others)

    within(differs, timeout_s=duration_s)
    assert others == [], f"expected {expected} for {duration_s} s"
