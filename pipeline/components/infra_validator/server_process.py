"""The embedded server in a process of its own, serving one model."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from common.guards.stopping import check_not_stopped
from common.processes import child_process, free_ports, log_lines, wait_until

_PROJECT = Path(__file__).resolve().parents[3]
_SERVER = (
    "import sys; from serving.server import import_lightly, main; "
    "import_lightly(); sys.exit(main())"
)


class ServerFailedError(Exception):
    """The server did not start; the message is the server's own."""


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
        ServerFailedError: It ended, or was not ready in time; with the last line of its log.
    """
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / name
        base.mkdir()
        (base / "1").symlink_to(model.resolve(), target_is_directory=True)
        # The server could choose its ports, but it reports them in a text for people.
        grpc_port, rest_port = free_ports(2)
        address = ServerAddress(
            grpc=f"grpc://127.0.0.1:{grpc_port}", rest=f"http://127.0.0.1:{rest_port}"
        )
        log = Path(folder) / "server.log"
        command = _command(name, base, (grpc_port, rest_port))
        with child_process(command, log=log, cwd=_PROJECT) as process:
            url = f"{address.rest}/v1/models/{name}"
            # One client for all tries: each makes a TLS context, which costs what the server needs.
            with httpx.Client(timeout=5) as client:
                is_ready = wait_until(process, lambda: _answers(client, url), timeout_s=timeout_s)
            if not is_ready:
                raise ServerFailedError(_reason(log, process.returncode, timeout_s))
            yield address


def _command(name: str, base: Path, ports: tuple[int, int]) -> list[str]:
    return [
        *(sys.executable, "-c", _SERVER),
        f"--port={ports[0]}",
        f"--rest_api_port={ports[1]}",
        f"--model_name={name}",
        f"--model_base_path={base}",
        "--file_system_poll_wait_seconds=0",
        "--max_num_load_retries=0",
    ]


def _answers(client: httpx.Client, url: str) -> bool:
    check_not_stopped()  # in a thread, no signal interrupts the wait
    with suppress(httpx.TransportError):
        return client.get(url).status_code == httpx.codes.OK
    return False


def _reason(log: Path, returncode: int | None, timeout_s: float) -> str:
    lines = [line.strip() for line in log_lines(log) if line.strip()]
    refusals = [line for line in lines if "Failed to start server" in line]
    message = (refusals or lines or ["nothing"])[-1]
    if returncode is None:
        return f"not ready within {timeout_s:.0f} s; it said: {message}"
    return message
