"""Version after version under load: does a request fail, does memory grow?

    python -m benchmarks.serving_swaps --model output/serving/signals --swaps 200

Clients of both wires ask without a pause while new versions are pushed one after the other and old
ones removed. Load goes to a server that this command starts on loopback, and ends by itself.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.load import GrpcSender, RestSender
from benchmarks.served_model import (
    ServedModel,
    latest_version,
    rest_body,
    serve,
    single_row_request,
)

NAME = "signals"
_CLIENTS_A_WIRE = 2
_PAUSE_S = 0.01


async def _ask(sender: GrpcSender | RestSender, stop: asyncio.Event, counts: list[int]) -> None:
    while not stop.is_set():
        counts[0] += 1
        try:
            counts[1] += not await sender.send()
        except (OSError, EOFError, ValueError):
            counts[1] += 1
        await asyncio.sleep(_PAUSE_S)
    await sender.close()


async def swap_under_load(
    server: ServedModel, makers: Sequence[Callable[[], GrpcSender | RestSender]], swaps: int
) -> tuple[list[int], list[float]]:
    """Swaps versions while clients ask.

    Args:
        server: The server.
        makers: Makes a client each, on the event loop that it will work on.
        swaps: How many versions.

    Returns:
        Requests and failures; the server's resident memory in MB after each swap.
    """
    stop, counts = asyncio.Event(), [0, 0]
    asking = [asyncio.create_task(_ask(make(), stop, counts)) for make in makers]
    memory: list[float] = []
    for version in range(2, 2 + swaps):
        await asyncio.to_thread(server.push, version)
        await asyncio.to_thread(server.wait_available, version)
        if version > 3:
            shutil.rmtree(server.base / str(version - 2))
        memory.append(server.resident_mb())
        if len(memory) % 10 == 0:
            print(
                f"{len(memory)} swaps, {memory[-1]:.0f} MB, {counts[0]} requests, "
                f"{counts[1]} failed",
                flush=True,
            )
    stop.set()
    await asyncio.gather(*asking)
    return counts, memory


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("output/serving/signals"))
    parser.add_argument("--swaps", type=int, default=200)
    options = parser.parse_args()
    model = latest_version(options.model)
    request = single_row_request(model, NAME)
    flags = ("--file_system_poll_wait_seconds=0.1",)
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(model, Path(folder), name=NAME, flags=flags) as server,
    ):
        path, body = f"/v1/models/{NAME}:predict", rest_body(request)
        makers = (
            lambda: GrpcSender(server.grpc, request.SerializeToString()),
            lambda: RestSender(*server.rest, path, body),
        )
        counts, memory = asyncio.run(
            swap_under_load(server, makers * _CLIENTS_A_WIRE, options.swaps)
        )
    tenth, last = memory[min(9, len(memory) - 1)], memory[-1]
    print(
        f"{options.swaps} swaps in {time.monotonic() - started:.0f} s, {counts[0]} requests, "
        f"{counts[1]} failed; resident {tenth:.0f} MB after the tenth swap, {last:.0f} MB after "
        f"the last, at most {max(memory):.0f} MB"
    )


if __name__ == "__main__":
    main()
