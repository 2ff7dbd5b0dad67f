"""Throughput and latency of the embedded server, against bare Session.run in the same run.

    python -m benchmarks.serving_speed --model output/serving/signals

Closed loop (each client waits for its answer) with 1 to 64 clients by gRPC and REST, without and
with batching; open loop at half of the capacity; and latency while a version loads. Load goes to a
server that this command starts on loopback, and ends by itself.
"""

import argparse
import asyncio
import gc
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.load import GrpcSender, Load, RestSender, Senders, closed_loop, open_loop
from benchmarks.served_model import (
    BATCHING,
    ONE_THREAD,
    ServedModel,
    bare_session_rate,
    latest_version,
    rest_body,
    serve,
    single_row_request,
)

NAME = "signals"
CLIENTS = (1, 2, 4, 8, 16, 32, 64)
_console = Console(width=110)

MakeSender = Callable[[], GrpcSender | RestSender]


def senders(server: ServedModel, request: bytes, body: bytes) -> dict[str, MakeSender]:
    """Returns how to make a sender for each wire."""
    path = f"/v1/models/{server.name}:predict"
    return {
        "gRPC": lambda: GrpcSender(server.grpc, request),
        "REST": lambda: RestSender(*server.rest, path, body),
    }


async def _closed(make: MakeSender, clients: int, seconds: float) -> Load:
    async with Senders(make, clients) as group:
        await closed_loop(group.all, min(seconds, 1))
        return await closed_loop(group.all, seconds)


async def _open(make: MakeSender, rate: float, seconds: float) -> Load:
    async with Senders(make, 64) as group:
        await closed_loop(group.all[:8], 1)
        return await open_loop(group.all, rate, seconds)


def measure_closed(
    makers: dict[str, MakeSender], bare: float, seconds: float, title: str
) -> dict[str, float]:
    """Prints the table of closed loops and returns the best rate of each wire."""
    table = Table(title=title, title_justify="left")
    for header in ("wire", "clients", "answers/s", "of bare", "p50 ms", "p99 ms", "failed"):
        table.add_column(header, justify="right")
    best: dict[str, float] = {}
    for wire, make in makers.items():
        for clients in CLIENTS:
            load = asyncio.run(_closed(make, clients, seconds))
            best[wire] = max(best.get(wire, 0.0), load.rate)
            table.add_row(
                wire,
                str(clients),
                f"{load.rate:.0f}",
                f"{load.rate / bare:.2f}",
                f"{load.percentile_ms(50):.2f}",
                f"{load.percentile_ms(99):.2f}",
                str(load.failures),
            )
    _console.print(table)
    return best


def measure_half_load(
    makers: dict[str, MakeSender], best: dict[str, float], seconds: float
) -> None:
    """Prints latencies of an open loop at half of the best closed-loop rate."""
    for wire, make in makers.items():
        load = asyncio.run(_open(make, best[wire] / 2, seconds))
        _console.print(
            f"{wire}, open loop at half of capacity ({best[wire] / 2:.0f}/s): "
            f"p50 {load.percentile_ms(50):.2f} ms, p99 {load.percentile_ms(99):.2f} ms, "
            f"{load.failures} failed"
        )


def measure_version_load(server: ServedModel, make: MakeSender, rate: float) -> None:
    """Prints p99 while versions load beside p99 of an idle server, in one open loop."""
    pauses, loads = 4.0, 4
    windows: list[tuple[float, float]] = []

    def push_versions(begin: float) -> None:
        for version in range(2, 2 + loads):
            time.sleep(pauses)
            started = time.perf_counter() - begin
            server.push(version)
            server.wait_available(version)
            windows.append((started, time.perf_counter() - begin))

    async def both() -> Load:
        async with Senders(make, 64) as group:
            await closed_loop(group.all[:8], 1)
            pusher = threading.Thread(target=push_versions, args=(time.perf_counter(),))
            pusher.start()
            load = await open_loop(group.all, rate, loads * (pauses + 3.0))
            pusher.join()
            return load

    load = asyncio.run(both())
    pairs = list(zip(load.started_s, load.latencies_ms, strict=True))
    during = [ms for s, ms in pairs if any(a <= s <= b for a, b in windows)]
    idle = [ms for s, ms in pairs if not any(a <= s <= b + 1 for a, b in windows)]
    busy_p99, idle_p99 = (Load(1, each, (), 0).percentile_ms(99) for each in (during, idle))
    _console.print(
        f"{rate:.0f} requests/s by gRPC: p99 {idle_p99:.2f} ms idle, {busy_p99:.2f} ms while one "
        f"of {loads} versions loads ({len(during)} requests): ratio {busy_p99 / idle_p99:.2f}; "
        f"worst {max(idle):.1f} and {max(during):.1f} ms; {load.failures} failed"
    )


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("output/serving/signals"))
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    options = parser.parse_args()
    model = latest_version(options.model)
    request = single_row_request(model, NAME)
    bare = bare_session_rate(model, request, options.seconds)
    # This process holds all of TensorFlow: a full collection would stall the load for 0.2 s.
    gc.collect()
    gc.freeze()
    _console.print(f"bare Session.run, one row: {bare:.0f}/s")
    for title, flags in (("without batching", (ONE_THREAD,)), ("with batching", BATCHING)):
        with (
            tempfile.TemporaryDirectory() as folder,
            serve(model, Path(folder), name=NAME, flags=flags) as server,
        ):
            makers = senders(server, request.SerializeToString(), rest_body(request))
            best = measure_closed(makers, bare, options.seconds, f"closed loop, {title}")
            measure_half_load(makers, best, 2 * options.seconds)
            measure_version_load(server, makers["gRPC"], best["gRPC"] / 4)
    again = bare_session_rate(model, request, options.seconds)
    _console.print(f"bare Session.run again: {again:.0f}/s ({again / bare:.2f} of the first)")


if __name__ == "__main__":
    main()
