"""A real Envoy on the loopback, in front of two servers that answer with what they got."""

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx

from common.processes import Process, child_process, free_ports
from pipeline.production_options.gateway import GatewayOptions
from production.gateway.admin import EnvoyAdmin
from production.gateway.envoy_files import (
    ADMIN_SOCKET,
    BOOTSTRAP,
    Ports,
    ServerAddress,
    envoy_program,
    write_files,
    write_routes,
)
from production.gateway.traffic import Pin, Traffic

ECHO = Path(__file__).with_name("echo_server.py")
PREDICT = "/tensorflow.serving.PredictionService/Predict"
STABLE, CANDIDATE = Pin(base="signals", version=1), Pin(base="signals", version=2)
_TIMEOUT_S = 20.0


def canary(percent: int, *, mirrored: int = 0, salt: str = "r17") -> Traffic:
    return Traffic(
        stable=STABLE,
        candidate=CANDIDATE,
        candidate_percent=percent,
        mirrored_percent=mirrored,
        salt=salt,
    )


def token_line(name: str, token: str) -> str:
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()}\n"


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited {_TIMEOUT_S:.0f} s until {what}"
        time.sleep(0.02)


@dataclass
class Rig:
    """Envoy, its two servers and its files."""

    folder: Path
    options: GatewayOptions
    ports: Ports
    servers: dict[str, Process]

    @property
    def admin(self) -> EnvoyAdmin:
        return EnvoyAdmin(self.folder / ADMIN_SOCKET)

    def apply(self, traffic: Traffic) -> None:
        version = write_routes(self.folder, self.options, traffic)
        wait_for(lambda: version in self.admin.stats("rds.*version_text").values(), "it is routed")

    def rest(self, **options: Any) -> httpx.Client:
        scheme = "https" if self.options.tls else "http"
        options.setdefault("timeout", 10)
        return httpx.Client(base_url=f"{scheme}://127.0.0.1:{self.ports.rest}", **options)

    def channel(self) -> grpc.Channel:
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        return grpc.insecure_channel(f"127.0.0.1:{self.ports.grpc}", options=options)

    def log_of(self, arm: str) -> list[dict[str, Any]]:
        address = self.ports.stable if arm == "stable" else self.ports.candidate
        entries: list[dict[str, Any]] = httpx.get(f"http://127.0.0.1:{address.rest}/log").json()
        return entries

    def access_log(self) -> list[dict[str, Any]]:
        text = (self.folder / "access.log").read_text()
        return [json.loads(line) for line in text.splitlines()]


def start_echo(rig_folder: Path, arm: str, address: ServerAddress) -> Any:
    command = [sys.executable, str(ECHO), arm, str(address.grpc), str(address.rest)]
    return child_process(command, log=rig_folder / f"{arm}.log")


@contextmanager
def running(folder: Path, options: GatewayOptions, traffic: Traffic) -> Iterator[Rig]:
    numbers = free_ports(6)
    ports = Ports(
        grpc=numbers[0],
        rest=numbers[1],
        stable=ServerAddress(grpc=numbers[2], rest=numbers[3]),
        candidate=ServerAddress(grpc=numbers[4], rest=numbers[5]),
    )
    write_files(folder, options, traffic, ports)
    with ExitStack() as stack:
        servers = {
            "stable": stack.enter_context(start_echo(folder, "stable", ports.stable)),
            "candidate": stack.enter_context(start_echo(folder, "candidate", ports.candidate)),
        }
        command = [envoy_program(), "-c", BOOTSTRAP, "--disable-hot-restart"]
        command += ["--concurrency", "2", "--file-flush-interval-msec", "50"]
        stack.enter_context(child_process(command, log=folder / "envoy.log", cwd=folder))
        rig = Rig(folder, options, ports, servers)
        wait_for(lambda: _is_ready(rig), f"Envoy is ready, see {folder}")
        yield rig


def _is_ready(rig: Rig) -> bool:
    if not rig.admin.is_live():
        return False
    healthy = rig.admin.healthy()
    return rig.admin.listening() == {"grpc", "rest"} and len(healthy) == 4 and all(healthy.values())


def ask_rest(client: httpx.Client, *, key: str | None = None, **headers: str) -> dict[str, Any]:
    if key is not None:
        headers["x-faultline-key"] = key
    answer = client.post("/v1/models/signals:predict", content=b"{}", headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def ask_grpc(
    channel: grpc.Channel,
    *,
    key: str | None = None,
    method: str = PREDICT,
    request: bytes = b"",
    timeout: float = 10,
    **headers: str,
) -> dict[str, Any]:
    metadata: list[tuple[str, str | bytes]] = [
        (name.replace("_", "-"), value) for name, value in headers.items()
    ]
    if key is not None:
        metadata.append(("x-faultline-key", key))
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    body: dict[str, Any] = json.loads(call(request, metadata=tuple(metadata), timeout=timeout))
    return body


def arms_of(client: httpx.Client, keys: list[str]) -> dict[str, str]:
    return {key: ask_rest(client, key=key)["server"] for key in keys}


def num_by_server(entries: list[dict[str, Any]]) -> Counter[str]:
    return Counter(entry["server"] for entry in entries)
