"""Load on a model server of this machine: closed loop and open loop, gRPC and REST.

Requests are serialised once, so that the generator costs as little as it can: it runs on the same
cores as the server.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
import numpy as np
from numpy.typing import NDArray

Blocks = Sequence[NDArray[np.float64]]

PREDICT = "/tensorflow.serving.PredictionService/Predict"


class Sender(Protocol):
    """Sends one request and waits for its answer."""

    async def send(self) -> bool:
        """Returns whether it was answered with success."""
        ...


@dataclass(frozen=True)
class Load:
    """What came back.

    Attributes:
        seconds: How long the load lasted.
        latencies_ms: Of each request, in milliseconds; in an open loop from when it was due.
        started_s: When each request was due or sent, in seconds from the start.
        failures: Requests without a success.
    """

    seconds: float
    latencies_ms: Sequence[float]
    started_s: Sequence[float]
    failures: int

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Returns a percentile of the latencies in milliseconds."""
        return float(np.percentile(self.latencies_ms, percent))


def percentile_draws(
    first: Blocks, second: Blocks, percent: float, *, num_draws: int = 2_000
) -> NDArray[np.float64]:
    """Returns a percentile of two groups of latencies, float64 `[draws, 2]`.

    Pairs of blocks are drawn anew, so that other load on the machine is in both groups alike.

    Args:
        first: Latencies of each block.
        second: Of the other group, in the same blocks.
        percent: The percentile.
        num_draws: Draws of all blocks.

    References:
        Cluster bootstrap: Davison and Hinkley, Bootstrap Methods and their Application, 1997, 3.8.
    """
    generator = np.random.default_rng(0)
    draws = []
    for _ in range(num_draws):
        places = generator.integers(len(first), size=len(first))
        draws.append(
            [
                np.percentile(np.concatenate([blocks[place] for place in places]), percent)
                for blocks in (first, second)
            ]
        )
    return np.array(draws)


class GrpcSender:
    """One request over a channel of its own."""

    def __init__(
        self,
        target: str,
        request: bytes,
        method: str = PREDICT,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # Else all channels of one process to one address share a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self._call: Any = self._channel.unary_unary(method)
        self._request = request
        self._metadata = tuple((headers or {}).items())

    async def send(self) -> bool:
        """Returns whether the status was OK."""
        try:
            await self._call(self._request, timeout=60, metadata=self._metadata)
        except grpc.aio.AioRpcError:
            return False
        return True

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()


class RestSender:
    """One request over a kept-alive connection of its own."""

    def __init__(
        self,
        host: str,
        port: int,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._address = (host, port)
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self) -> bool:
        """Returns whether the answer was 200."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        [length] = [line for line in lines if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.partition(b":")[2]))
        return lines[0].split(b" ")[1] == b"200"

    async def close(self) -> None:
        """Closes the connection."""
        if self._streams is not None:
            self._streams[1].close()


class Senders:
    """Senders that are closed at the end."""

    def __init__(self, make: Callable[[], "GrpcSender | RestSender"], count: int) -> None:
        self.all = [make() for _ in range(count)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sender in self.all:
            await sender.close()


async def closed_loop(senders: Sequence[Sender], seconds: float) -> Load:
    """Each sender sends its next request as soon as the last one is answered.

    Args:
        senders: One a client.
        seconds: How long.
    """
    latencies: list[float] = []
    starts: list[float] = []
    failures = 0
    begin = time.perf_counter()

    async def client(sender: Sender) -> None:
        nonlocal failures
        while (sent := time.perf_counter()) - begin < seconds:
            failures += not await sender.send()
            starts.append(sent - begin)
            latencies.append((time.perf_counter() - sent) * 1e3)

    await asyncio.gather(*map(client, senders))
    return Load(time.perf_counter() - begin, latencies, starts, failures)


async def open_loop(senders: Sequence[Sender], rate: float, seconds: float) -> Load:
    """Requests are due at a steady rate, whether or not earlier ones are answered.

    Latency counts from when a request was due, so that a stall of the server is seen by all the
    requests that it keeps waiting.

    Args:
        senders: A request that is due takes the next that is free.
        rate: Requests a second.
        seconds: How long.
    """
    latencies: list[float] = []
    starts: list[float] = []
    failures = 0
    free: asyncio.Queue[Sender] = asyncio.Queue()
    for sender in senders:
        free.put_nowait(sender)
    begin = time.perf_counter()

    async def request(due: float) -> None:
        nonlocal failures
        sender = await free.get()
        failures += not await sender.send()
        free.put_nowait(sender)
        starts.append(due)
        latencies.append((time.perf_counter() - begin - due) * 1e3)

    tasks: list[Awaitable[None]] = []
    for number in range(int(rate * seconds)):
        due = number / rate
        if (wait := due - (time.perf_counter() - begin)) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(request(due)))
    await asyncio.gather(*tasks)
    return Load(time.perf_counter() - begin, latencies, starts, failures)
