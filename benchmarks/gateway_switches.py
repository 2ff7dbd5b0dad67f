"""Switch after switch of the gateway under load: does a request fail, how long does a switch take?

    python -m benchmarks.gateway_switches --switches 100 --requests 100000

Clients of both wires ask without a pause while the traffic changes: canary, steps, rollback,
blue/green, promotion. Everything runs on loopback, with two versions of a tiny model, and ends by
itself.
"""

import argparse
import asyncio
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.load import GrpcSender, RestSender
from common.output_folder import OutputFolder
from pipeline.production_options.gateway import GatewayOptions
from production.gateway.gateway import Gateway, GatewaySpec
from production.gateway.traffic import Pin, Traffic

MODEL = "half_plus_two"
_CLIENTS_A_WIRE = 2

MakeSender = Callable[[], GrpcSender | RestSender]


@dataclass
class Tally:
    """What came back so far.

    Attributes:
        failed: Whether each request failed, in the order of the answers.
        latencies_ms: Milliseconds of each request.
    """

    failed: list[bool] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def num_requests(self) -> int:
        """Number of requests."""
        return len(self.failed)

    @property
    def num_failed(self) -> int:
        """Number of requests without an answer, or with an error."""
        return sum(self.failed)


@contextmanager
def load(makers: Sequence[MakeSender]) -> Iterator[Tally]:
    """Sends requests while the context is open; each client waits for its answer.

    Args:
        makers: Makes a client each, anew after a failure.
    """
    tally, stop = Tally(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_ask_all(makers, stop, tally)))
    thread.start()
    try:
        yield tally
    finally:
        stop.set()
        thread.join()


async def _ask_all(makers: Sequence[MakeSender], stop: threading.Event, tally: Tally) -> None:
    await asyncio.gather(*(_ask(make, stop, tally) for make in makers))


async def _ask(make: MakeSender, stop: threading.Event, tally: Tally) -> None:
    sender = make()
    while not stop.is_set():
        begin = time.perf_counter()
        try:
            is_ok = await sender.send()
        except (OSError, EOFError, ValueError):
            is_ok = False
        tally.latencies_ms.append((time.perf_counter() - begin) * 1000)
        tally.failed.append(not is_ok)
        if not is_ok:
            await sender.close()
            sender = make()
            await asyncio.sleep(0.01)
    await sender.close()


def clients(gateway: Gateway, count: int = _CLIENTS_A_WIRE) -> list[MakeSender]:
    """Returns clients of a gateway on both wires.

    Args:
        gateway: The gateway, which serves the tiny model.
        count: Clients of each wire.
    """
    from tests.serving.processes import predict_request

    request, body = predict_request(MODEL, 1.0).SerializeToString(), b'{"instances": [1.0]}'
    grpc_port, rest_port = gateway.ports.grpc, gateway.ports.rest
    path = f"/v1/models/{MODEL}:predict"
    makers: list[MakeSender] = [
        lambda: GrpcSender(f"127.0.0.1:{grpc_port}", request),
        lambda: RestSender("127.0.0.1", rest_port, path, body),
    ]
    return makers * count


def write_versions(output: Path) -> None:
    """Writes versions 1 and 2 of the tiny model below `serving/` of an output folder."""
    from tests.serving import tiny_models

    base = OutputFolder(output).serving(MODEL)
    tiny_models.half_plus_two(base / "1")
    tiny_models.half_plus_two(base / "2", offset=3.0)


def spec(output: Path) -> GatewaySpec:
    """Returns a gateway of the tiny model on free ports."""
    options = GatewayOptions(grpc_port=0, rest_port=0)
    return GatewaySpec(model=MODEL, folder=OutputFolder(output), options=options, grace_s=10)


def switches(stable: Pin, candidate: Pin) -> Iterator[Traffic]:
    """Yields traffics without end: of ten changes, one is a promotion, and the roles swap."""
    for number in itertools.count(1):
        start = Traffic(stable=stable, candidate=candidate, salt=f"r{number}")
        ended = replace(start, candidate=None)
        yield from (_with(start, percent) for percent in (0, 10, 50))
        yield ended  # rolled back
        yield from (_with(start, percent) for percent in (100, 0, 100, 25, 100))  # blue/green
        yield replace(ended, stable=candidate)  # promoted
        stable, candidate = candidate, stable


def _with(traffic: Traffic, percent: int) -> Traffic:
    mirrored = 100 if percent < 100 else 0
    return replace(traffic, candidate_percent=percent, mirrored_percent=mirrored)


def measure(gateway: Gateway, tally: Tally, *, num_switches: int, num_requests: int) -> list[float]:
    """Switches the gateway, evenly over the requests.

    Returns:
        Seconds until each change of shares alone was acknowledged.
    """
    first, second = (Pin(base=MODEL, version=number) for number in (1, 2))
    shares_s: list[float] = []
    previous = Traffic(stable=first)
    for number, traffic in enumerate(itertools.islice(switches(first, second), num_switches)):
        _await_requests(tally, num_requests * number // num_switches)
        begin_s = time.monotonic()
        gateway.apply(traffic)
        if previous.candidate == traffic.candidate:
            shares_s.append(time.monotonic() - begin_s)
        previous = traffic
    _await_requests(tally, num_requests)
    return shares_s


def _await_requests(tally: Tally, count: int) -> None:
    while tally.num_requests < count:
        time.sleep(0.05)


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--switches", type=int, default=100)
    parser.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_versions(Path(folder))
        traffic = Traffic(stable=Pin(base=MODEL, version=1))
        with (
            Gateway(spec(Path(folder)), traffic) as gateway,
            load(clients(gateway)) as tally,
        ):
            begin_s = time.monotonic()
            shares_s = measure(
                gateway, tally, num_switches=options.switches, num_requests=options.requests
            )
            seconds = time.monotonic() - begin_s
    p50, p99 = np.percentile(tally.latencies_ms, [50, 99])
    print(
        f"{options.switches} switches in {seconds:.0f} s, {tally.num_requests} requests, "
        f"{tally.num_failed} failed; answers p50 {p50:.1f} ms, p99 {p99:.1f} ms; other shares were "
        f"acknowledged after {np.median(shares_s) * 1000:.0f} ms in the median, "
        f"{max(shares_s) * 1000:.0f} ms at most"
    )


if __name__ == "__main__":
    main()
