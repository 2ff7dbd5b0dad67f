"""A long run under everything at once: does a good request fail, does anything grow?

    python -m benchmarks.serving_soak --requests 1000000

One server has a good model, whose versions are swapped all the time, a model that hangs for some
requests, one that raises, and batching on. Clients send good requests over both wires; others hang,
raise, poison the batches of the good model with rows that do not fit, or are killed in the middle
of a request. Only good requests count. They may fail with nothing at all; the server's memory and
file descriptors are printed. Everything runs on loopback and ends by itself.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from benchmarks.load import PREDICT, GrpcSender, RestSender
from benchmarks.served_model import PROJECT, StartedServer, started
from serving.runtime.tensor_protos import fill_proto

GOOD, HANGING, RAISING = "matrix", "hanging", "missing_variable"
_ROW = [1.0, 2.0, 3.0]
_REST_TIMEOUT_MS = 2000
_MONITORED = ("VmRSS", "VmHWM")
_WRITE_MODELS = """
import sys
from pathlib import Path
from tests.serving import tiny_models
root = Path(sys.argv[1])
for name in ("matrix", "hanging", "missing_variable"):
    getattr(tiny_models, name)(root / name / "1")
"""


def predict(model: str, *rows: list[float] | float) -> bytes:
    """Returns a serialised Predict request."""
    request = PredictRequest()
    request.model_spec.name = model
    fill_proto(request.inputs["x"], np.array(rows, np.float32))
    return bytes(request.SerializeToString())


@dataclass
class Counts:
    """What was sent and what failed.

    Attributes:
        good: Good requests.
        failed: Good requests without a right answer, as texts.
        other: Requests that are meant to fail.
        swaps: Versions of the good model that replaced another.
    """

    good: int = 0
    failed: list[str] = field(default_factory=list)
    other: int = 0
    swaps: int = 0


class Soak:
    """All clients of one server."""

    def __init__(self, server: StartedServer, base: Path, num_requests: int) -> None:
        self.counts = Counts()
        self._server = server
        self._base = base
        self._num_requests = num_requests

    async def run(self) -> None:
        """Sends requests until there were enough good ones."""
        good = [self._ask_well(make) for make in (self._grpc, self._rest) * 4]
        others = (self._hang, self._hang_by_rest, self._raise, self._poison, self._die, self._swap)
        asking = [asyncio.create_task(each) for each in good]
        disturbing = [asyncio.create_task(self._repeat(each)) for each in others]
        started_s = time.monotonic()
        while not all(task.done() for task in asking):
            await asyncio.sleep(10)
            memory = ", ".join(f"{key} {self._server.memory_mb(key):.0f} MB" for key in _MONITORED)
            print(
                f"{time.monotonic() - started_s:.0f} s: {self.counts.good} good requests, "
                f"{len(self.counts.failed)} failed, {self.counts.other} others, "
                f"{self.counts.swaps} swaps; {memory}, {self._server.num_files()} files",
                flush=True,
            )
        for task in disturbing:
            task.cancel()
        results = await asyncio.gather(*asking, *disturbing, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                raise error

    def _grpc(self) -> GrpcSender:
        return GrpcSender(self._server.grpc, predict(GOOD, _ROW))

    def _rest(self) -> RestSender:
        body = b'{"instances": [[1, 2, 3]]}'
        return RestSender(*self._server.rest, f"/v1/models/{GOOD}:predict", body)

    async def _ask_well(self, make: Callable[[], GrpcSender | RestSender]) -> None:
        sender = make()
        while self.counts.good < self._num_requests:
            self.counts.good += 1
            try:
                is_right = await sender.send()
            except (OSError, EOFError, ValueError) as error:
                self.counts.failed.append(f"{type(sender).__name__}: {error!r}")
                await sender.close()
                sender = make()
                continue
            if not is_right:
                self.counts.failed.append(type(sender).__name__)
        await sender.close()

    async def _repeat(self, send: Callable[[], Awaitable[None]]) -> None:
        while True:
            await send()

    async def _call(self, request: bytes, timeout_s: float) -> None:
        async with grpc.aio.insecure_channel(self._server.grpc) as channel:
            call: Any = channel.unary_unary(PREDICT)
            self.counts.other += 1
            with contextlib.suppress(grpc.aio.AioRpcError):
                await call(request, timeout=timeout_s)

    async def _hang(self) -> None:
        await self._call(predict(HANGING, -1.0), timeout_s=0.5)

    async def _hang_by_rest(self) -> None:
        body = b'{"instances": [-1]}'
        sender = RestSender(*self._server.rest, f"/v1/models/{HANGING}:predict", body)
        self.counts.other += 1
        await sender.send()
        await sender.close()

    async def _raise(self) -> None:
        await self._call(predict(RAISING, 1.0), timeout_s=5)
        await asyncio.sleep(0.05)

    async def _poison(self) -> None:
        """Sends rows of two columns, which fail in the graph together with the batch."""
        await self._call(predict(GOOD, [1.0, 2.0]), timeout_s=5)
        await asyncio.sleep(0.05)

    async def _die(self) -> None:
        """Breaks a connection off in the middle of a head, of a body or of the wait."""
        request = b"POST /v1/models/%s:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n"
        whole = request % GOOD.encode() + b'{"instances": [[1, 2, 3]]}'
        _, writer = await asyncio.open_connection(*self._server.rest)
        writer.write(whole[: random.randint(1, len(whole))])  # noqa: S311 - no secret
        await asyncio.sleep(random.choice((0, 0.01)))  # noqa: S311 - no secret
        writer.transport.abort()
        self.counts.other += 1
        await asyncio.sleep(0.02)

    async def _swap(self) -> None:
        version = self.counts.swaps + 2
        incoming = self._base / GOOD / ".incoming"
        await asyncio.to_thread(shutil.copytree, self._base / GOOD / "1", incoming)
        incoming.rename(self._base / GOOD / str(version))
        self.counts.swaps += 1
        await asyncio.sleep(1)
        if version > 3:
            shutil.rmtree(self._base / GOOD / str(version - 2))


def main() -> int:
    """Reads the command line and runs; returns 1 if a good request failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=1_000_000, help="good ones")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        writer = [sys.executable, "-c", _WRITE_MODELS, folder]
        subprocess.run(writer, cwd=PROJECT, check=True, stderr=subprocess.DEVNULL)
        config = "".join(
            f' config {{ name: "{name}" base_path: "{base / name}" model_platform: "tensorflow" }}'
            for name in (GOOD, HANGING, RAISING)
        )
        file = base / "models.config"
        file.write_text(f"model_config_list {{{config} }}", encoding="utf-8")
        flags = (
            f"--model_config_file={file}",
            f"--rest_api_timeout_in_ms={_REST_TIMEOUT_MS}",
            "--file_system_poll_wait_seconds=0.2",
            "--enable_batching",
        )
        with started(flags) as server:
            first_mb = server.memory_mb("VmRSS")
            soak = Soak(server, base, options.requests)
            asyncio.run(soak.run())
            last_mb, peak_mb = server.memory_mb("VmRSS"), server.memory_mb("VmHWM")
            num_files = server.num_files()
            stopping_s = time.monotonic()
        print(
            f"{soak.counts.good} good requests, {len(soak.counts.failed)} failed "
            f"{soak.counts.failed[:5]}; {soak.counts.other} others, {soak.counts.swaps} swaps; "
            f"memory {first_mb:.0f} MB at first, {last_mb:.0f} MB at last, {peak_mb:.0f} MB at "
            f"most; {num_files} files; stopped in {time.monotonic() - stopping_s:.1f} s"
        )
    return int(bool(soak.counts.failed))


if __name__ == "__main__":
    sys.exit(main())
