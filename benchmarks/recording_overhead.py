"""Cost of recording: two servers of one model, one of which records, side by side.

    python -m benchmarks.recording_overhead --model output/serving/signals

Open loop: requests are due at a steady rate, and a latency counts from when its request was due.
Both servers get their requests at the same moments, in blocks of a few seconds; which one is asked
first alternates from block to block. Other load on the machine therefore meets both alike. CPU is
that of the whole server, the recorder's thread included. Servers run on loopback and end by
themselves.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
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
from benchmarks.served_model import (
    ONE_THREAD,
    ServedModel,
    latest_version,
    rest_body,
    serve,
    single_row_request,
)

NAME = "signals"
_SENDERS = 32
_WITHOUT, _WITH = "without", "with"
_SERVERS = (_WITHOUT, _WITH)
_NUM_DRAWS = 2_000
_console = Console(width=110)

MakeSender = Callable[[], GrpcSender | RestSender]
Blocks = list[NDArray[np.float64]]


async def measure(
    makers: dict[str, MakeSender], pids: dict[str, int], *, rate: float, seconds: float, blocks: int
) -> tuple[dict[str, Blocks], dict[str, float]]:
    """Returns by server the latencies in milliseconds of each block, and the CPU time in seconds.

    Raises:
        RuntimeError: A request failed.
    """
    latencies: dict[str, Blocks] = {name: [] for name in _SERVERS}
    async with AsyncExitStack() as stack:
        groups = {
            name: await stack.enter_async_context(Senders(make, _SENDERS))
            for name, make in makers.items()
        }
        for group in groups.values():
            await closed_loop(group.all, 2)
        await asyncio.sleep(2)  # the recorder empties its queue
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        for number in range(blocks):
            order = _SERVERS[:: -1 if number % 2 else 1]
            loads = await asyncio.gather(
                *(open_loop(groups[name].all, rate, seconds) for name in order)
            )
            for name, load in zip(order, loads, strict=True):
                if load.failures:
                    raise RuntimeError(f"{load.failures} requests failed")
                latencies[name].append(np.array(load.latencies_ms))
        await asyncio.sleep(2)
    return latencies, {name: cpu_s(pid) - before[name] for name, pid in pids.items()}


def ratio_interval(blocks: dict[str, Blocks], percent: float) -> tuple[float, float]:
    """Returns the 95 % interval of the ratio of a percentile; see `percentile_draws`."""
    recorded, plain = percentile_draws(blocks[_WITH], blocks[_WITHOUT], percent).T
    low, high = np.percentile(recorded / plain, [2.5, 97.5])
    return float(low), float(high)


def block_ratio(blocks: dict[str, Blocks], percent: float) -> tuple[float, float, float]:
    """Returns the median over the blocks of the ratio of a percentile, and its 95 % interval.

    A stall of the machine falls into one block, and decides about a percentile of all requests.
    """
    recorded, plain = (
        np.array([np.percentile(block, percent) for block in blocks[name]])
        for name in (_WITH, _WITHOUT)
    )
    ratios = recorded / plain
    generator = np.random.default_rng(0)
    drawn = generator.choice(ratios, size=(_NUM_DRAWS, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def cpu_s(pid: int) -> float:
    """Returns the CPU time of a process so far in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def add_rows(table: Table, wire: str, blocks: dict[str, Blocks]) -> None:
    """Adds p50 and p99 of a wire to the table."""
    for percent in (50, 99):
        plain, recorded = (
            float(np.percentile(np.concatenate(blocks[server]), percent))
            for server in (_WITHOUT, _WITH)
        )
        low, high = ratio_interval(blocks, percent)
        table.add_row(
            wire,
            f"p{percent}",
            f"{plain:.2f}",
            f"{recorded:.2f}",
            f"{recorded / plain:.3f}",
            f"{low:.3f} to {high:.3f}",
        )
    ratio, low, high = block_ratio(blocks, 99)
    table.add_row(wire, "p99 of a block", "", "", f"{ratio:.3f}", f"{low:.3f} to {high:.3f}")


def _maker(wire: str, server: ServedModel, request: bytes, body: bytes) -> MakeSender:
    if wire == "gRPC":
        return lambda: GrpcSender(server.grpc, request)
    return lambda: RestSender(*server.rest, f"/v1/models/{NAME}:predict", body)


def _num_records(folder: Path) -> int:
    files = folder.glob("*/requests/*/*/*.parquet")
    return sum(pq.read_metadata(path).num_rows for path in files)


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("output/serving/signals"))
    parser.add_argument("--rate", type=float, default=100, help="requests a second to each server")
    parser.add_argument("--seconds", type=float, default=3, help="of each block")
    parser.add_argument("--blocks", type=int, default=40, help="for each wire")
    options = parser.parse_args()
    model = latest_version(options.model)
    request = single_row_request(model, NAME)
    serialised, body = request.SerializeToString(), rest_body(request)
    table = Table(
        title=f"{options.rate:.0f} requests/s to each server, latency in ms", title_justify="left"
    )
    for header in ("wire", "", "without", "with recording", "ratio", "95 % interval"):
        table.add_column(header, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        flags = (ONE_THREAD, f"--collect_dir={root / 'collected'}")
        with ExitStack() as stack:
            servers = {
                _WITHOUT: stack.enter_context(
                    serve(model, root / "a", name=NAME, flags=(ONE_THREAD,))
                ),
                _WITH: stack.enter_context(serve(model, root / "b", name=NAME, flags=flags)),
            }
            for wire in ("gRPC", "REST"):
                makers = {
                    name: _maker(wire, server, serialised, body) for name, server in servers.items()
                }
                blocks, used_s = asyncio.run(
                    measure(
                        makers,
                        {name: server.pid for name, server in servers.items()},
                        rate=options.rate,
                        seconds=options.seconds,
                        blocks=options.blocks,
                    )
                )
                add_rows(table, wire, blocks)
                plain_s, recorded_s = used_s[_WITHOUT], used_s[_WITH]
                ratio = f"{recorded_s / plain_s:.3f}"
                table.add_row(wire, "CPU s", f"{plain_s:.2f}", f"{recorded_s:.2f}", ratio, "")
        _console.print(table)
        _console.print(f"{_num_records(root / 'collected')} records in Parquet files")


if __name__ == "__main__":
    main()
