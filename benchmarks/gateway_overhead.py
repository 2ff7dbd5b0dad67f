"""Cost of the gateway: one server asked directly and through Envoy, in turns.

    python -m benchmarks.gateway_overhead --model output/serving/signals

Three Envoys are in front of the same two servers: a plain one, one with bearer tokens and a rate
limit, and one that copies each request to the other arm. All take turns in blocks of a second,
forwards and back, so that other load on the machine meets all alike. Latencies are of an open loop,
from when a request was due; rates are of a closed loop. CPU is that of one Envoy. Everything runs
on loopback and ends by itself.
"""

import argparse
import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.load import (
    GrpcSender,
    RestSender,
    Senders,
    closed_loop,
    open_loop,
    percentile_draws,
)
from benchmarks.recording_overhead import cpu_s
from benchmarks.served_model import ONE_THREAD, latest_version, rest_body, single_row_request
from common.output_folder import OutputFolder
from common.processes import child_process, free_ports, wait_until
from pipeline.production_options.gateway import GatewayOptions, RateLimit
from production.gateway.admin import EnvoyAdmin
from production.gateway.envoy_files import ADMIN_SOCKET, write_files
from production.gateway.gateway import Gateway, GatewaySpec
from production.gateway.members import envoy_command
from production.gateway.traffic import Pin, Traffic

NAME = "signals"
_NUM_SENDERS = 32
_NUM_CLIENTS = 4
_TOKEN = "token-of-the-benchmark"  # noqa: S105 - of no use elsewhere
_DIRECT, _GATEWAY = "direct", "gateway"
_GUARDED, _COPIES = "with tokens, rate limit", "with copies"
_WIRES = ("gRPC", "REST")
_console = Console(width=110)


MakeSender = Callable[[], GrpcSender | RestSender]


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to the server.

    Attributes:
        grpc: Port of gRPC.
        rest: Port of REST.
        pid: Process id of its Envoy; None without one.
        headers: Headers of each request.
    """

    grpc: int
    rest: int
    pid: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def sender(self, wire: str, request: bytes, body: bytes) -> GrpcSender | RestSender:
        """Returns a client of one wire."""
        if wire == "gRPC":
            return GrpcSender(f"127.0.0.1:{self.grpc}", request, headers=self.headers)
        path = f"/v1/models/{NAME}:predict"
        return RestSender("127.0.0.1", self.rest, path, body, headers=self.headers)


@dataclass
class Measured:
    """What was measured on one way.

    Attributes:
        latencies_ms: Of each block of the open loop, in milliseconds.
        rates: Answers a second of each block of the closed loop.
        cpu_s: CPU time of its Envoy in seconds.
        num_requests: Number of requests.
    """

    latencies_ms: list[NDArray[np.float64]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    num_requests: int = 0


@contextmanager
def envoy(
    folder: Path, gateway: Gateway, options: GatewayOptions, traffic: Traffic
) -> Iterator[Way]:
    """Runs one more Envoy in front of a gateway's servers."""
    grpc_port, rest_port = free_ports(2)
    write_files(folder, options, traffic, replace(gateway.ports, grpc=grpc_port, rest=rest_port))
    command = envoy_command(folder)
    admin = EnvoyAdmin(folder / ADMIN_SOCKET)
    with child_process(command.arguments, log=folder / "envoy.log", cwd=command.cwd) as process:
        if not wait_until(process, admin.is_live, timeout_s=30):
            raise RuntimeError((folder / "envoy.log").read_text())
        wait_until(process, lambda: all(admin.healthy().values()), timeout_s=30)
        yield Way(
            grpc=grpc_port,
            rest=rest_port,
            # The child has become Envoy itself.
            pid=process.pid,
            headers={"authorization": f"Bearer {_TOKEN}"} if options.clients else {},
        )


async def measure(
    ways: Mapping[str, Way], make: Callable[[Way], MakeSender], *, rate: float, rounds: int
) -> dict[str, Measured]:
    """Measures all ways in turns.

    Raises:
        RuntimeError: A request failed.
    """
    measured = {name: Measured() for name in ways}
    async with AsyncExitStack() as stack:
        groups = {
            name: await stack.enter_async_context(Senders(make(way), _NUM_SENDERS))
            for name, way in ways.items()
        }
        for group in groups.values():
            await closed_loop(group.all, 1)
        for turn in range(2 * rounds):
            for name in list(ways)[:: -1 if turn % 2 else 1]:
                await _measure_block(groups[name], ways[name].pid, rate, measured[name])
    return measured


async def _measure_block(group: Senders, pid: int | None, rate: float, measured: Measured) -> None:
    before_s = 0.0 if pid is None else cpu_s(pid)
    opened = await open_loop(group.all, rate, 1)
    closed = await closed_loop(group.all[:_NUM_CLIENTS], 1)
    if opened.failures or closed.failures:
        raise RuntimeError(f"{opened.failures + closed.failures} requests failed")
    measured.latencies_ms.append(np.array(opened.latencies_ms))
    measured.rates.append(closed.rate)
    measured.num_requests += len(opened.latencies_ms) + len(closed.latencies_ms)
    measured.cpu_s += 0.0 if pid is None else cpu_s(pid) - before_s


def difference_interval(
    measured: Measured, direct: Measured, percent: float
) -> tuple[float, float]:
    """Returns the 95 % interval of the difference of a percentile; see `percentile_draws`."""
    through, straight = percentile_draws(measured.latencies_ms, direct.latencies_ms, percent).T
    low, high = np.percentile(through - straight, [2.5, 97.5])
    return float(low), float(high)


def add_rows(table: Table, wire: str, measured: Mapping[str, Measured]) -> None:
    """Adds the ways of one wire to the table."""
    direct = measured[_DIRECT]
    for name, part in measured.items():
        latencies = np.concatenate(part.latencies_ms)
        more = []
        for percent in (50, 99):
            low, high = difference_interval(part, direct, percent)
            shown = "" if part is direct else f" ({low:+.2f} to {high:+.2f})"
            more.append(f"{np.percentile(latencies, percent):.2f}{shown}")
        cpu_us = 1e6 * part.cpu_s / part.num_requests
        table.add_row(
            wire, name, *more, f"{np.median(part.rates):.0f}", f"{cpu_us:.0f}" if cpu_us else ""
        )


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("output/serving/signals"))
    parser.add_argument("--rate", type=float, default=100, help="requests a second, open loop")
    parser.add_argument("--rounds", type=int, default=10, help="forwards and back")
    options = parser.parse_args()
    model = latest_version(options.model)
    request = single_row_request(model, NAME)
    serialised, body = request.SerializeToString(), rest_body(request)
    table = Table(title="Latency in ms, and its excess over direct with a 95 % interval")
    for header in ("wire", "way", "p50", "p99", "requests/s", "CPU of Envoy, µs a request"):
        table.add_column(header, justify="right")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for version in ("1", "2"):
            shutil.copytree(model, root / "serving" / NAME / version)
        clients = root / "clients.txt"
        clients.write_text(f"me {hashlib.sha256(_TOKEN.encode()).hexdigest()}\n")
        plain = GatewayOptions(grpc_port=0, rest_port=0)
        guarded = GatewayOptions(clients=str(clients), rate_limit=RateLimit(requests_per_s=10**6))
        traffic = Traffic(
            stable=Pin(base=NAME, version=1), candidate=Pin(base=NAME, version=2), salt="r1"
        )
        spec = GatewaySpec(
            model=NAME,
            folder=OutputFolder(root),
            options=plain,
            server_flags=(ONE_THREAD,),
            recording=None,
        )
        copying = replace(traffic, mirrored_percent=100)
        with (
            Gateway(spec, traffic) as gateway,
            envoy(root / "plain", gateway, plain, traffic) as through,
            envoy(root / "guarded", gateway, guarded, traffic) as by_token,
            envoy(root / "copying", gateway, plain, copying) as with_copies,
        ):
            stable = gateway.ports.stable
            ways = {
                _DIRECT: Way(grpc=stable.grpc, rest=stable.rest),
                _GATEWAY: through,
                _GUARDED: by_token,
                _COPIES: with_copies,
            }
            for wire in _WIRES:

                def make(way: Way, wire: str = wire) -> MakeSender:
                    return lambda: way.sender(wire, serialised, body)

                measured = asyncio.run(
                    measure(ways, make, rate=options.rate, rounds=options.rounds)
                )
                add_rows(table, wire, measured)
    _console.print(table)


if __name__ == "__main__":
    main()
