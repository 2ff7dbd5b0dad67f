"""The embedded server in a fresh process, on one model."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_PROJECT = Path(__file__).resolve().parents[3]
# A run that is killed cannot stop its server: the kernel is asked to (PR_SET_PDEATHSIG is 1).
_SERVER = (
    "import ctypes, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "from serving.server import import_lightly, main; import_lightly(); sys.exit(main())"
)
_POLL_S = 0.05
_STOP_S = 10.0


class ServerFailedError(Exception):
    """The server did not come up; the text is its own."""


@dataclass(frozen=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        grpc: `grpc://HOST:PORT`.
        rest: `http://HOST:PORT`.
    """

    grpc: str
    rest: str


@contextmanager
def model_server(model: Path, name: str, *, timeout_s: float = 120.0) -> Iterator[ServerAddress]:
    """Serves one model while the context is open.

    Args:
        model: Folder of a SavedModel.
        name: The name to serve it under.
        timeout_s: How long loading and warm-up may take, in seconds.

    Raises:
        ServerFailedError: It stopped, or was not ready in time; with the last line it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / name
        base.mkdir()
        (base / "1").symlink_to(model.resolve(), target_is_directory=True)
        ports = _free_ports(2)  # the server could choose, but what it says is for people
        log = Path(folder) / "server.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                _command(name, base, ports), cwd=_PROJECT, stdout=stream, stderr=stream
            )
        try:
            address = ServerAddress(
                grpc=f"grpc://127.0.0.1:{ports[0]}", rest=f"http://127.0.0.1:{ports[1]}"
            )
            _wait(process, f"{address.rest}/v1/models/{name}", log, timeout_s)
            yield address
        finally:
            _stop(process)


def _command(name: str, base: Path, ports: list[int]) -> list[str]:
    return [
        *(sys.executable, "-c", _SERVER),
        f"--port={ports[0]}",
        f"--rest_api_port={ports[1]}",
        f"--model_name={name}",
        f"--model_base_path={base}",
        "--file_system_poll_wait_seconds=0",
        "--max_num_load_retries=0",
    ]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    # One client for all tries: each makes a TLS context, which costs what the server needs.
    with httpx.Client(timeout=5) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerFailedError(_last_words(log))
            with suppress(httpx.TransportError):
                if client.get(url).status_code == httpx.codes.OK:
                    return
            time.sleep(_POLL_S)
    raise ServerFailedError(f"not ready within {timeout_s:.0f} s; it said: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if "Failed to start server" in line]
    return (told or lines or ["nothing"])[-1]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
