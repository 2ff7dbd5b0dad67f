"""A pushed model behind the embedded server in a process of its own."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

PROJECT = Path(__file__).resolve().parent.parent
DEPLOY = PROJECT / "serving" / "deploy"
# As compose.yaml has them.
ONE_THREAD = "--tensorflow_intra_op_parallelism=1"
BATCHING = (
    "--enable_batching",
    f"--batching_parameters_file={DEPLOY / 'batching.config'}",
    ONE_THREAD,
)


def latest_version(base: Path) -> Path:
    """Returns the folder of the highest version below a base path.

    Raises:
        FileNotFoundError: There is none.
    """
    versions = [each for each in base.glob("*") if each.name.isdecimal()]
    if not versions:
        raise FileNotFoundError(f"No version in {base}; push one first: make run")
    return max(versions, key=lambda each: int(each.name))


def single_row_request(model: Path, name: str) -> predict_pb2.PredictRequest:
    """Returns the model's own warm-up request of one row in raw columns."""
    records = tf.data.TFRecordDataset(
        str(model / "assets.extra" / "tf_serving_warmup_requests")
    ).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(next(iter(records)))
    request = predict_pb2.PredictRequest()
    request.CopyFrom(log.predict_log.request)
    request.model_spec.name = name
    return request


def rest_body(request: predict_pb2.PredictRequest) -> bytes:
    """Returns a request as the body of a REST call in row form."""
    columns = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
    size = len(next(iter(columns.values())))
    instances = [
        {name: _json_value(column[row]) for name, column in columns.items()} for row in range(size)
    ]
    return json.dumps({"instances": instances}).encode()


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return np.asarray(value).tolist()


def bare_session_rate(model: Path, request: predict_pb2.PredictRequest, seconds: float) -> float:
    """Returns runs a second of `Session.run` in a loop: what no server can exceed unbatched."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta_graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(model))
    signature = meta_graph.signature_def[request.model_spec.signature_name]
    feed = {
        signature.inputs[name].name: tf.make_ndarray(value)
        for name, value in request.inputs.items()
    }
    fetch = {name: info.name for name, info in signature.outputs.items()}
    for _ in range(200):
        session.run(fetch, feed)
    started, runs = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        session.run(fetch, feed)
        runs += 1
    return runs / (time.perf_counter() - started)


@dataclass(frozen=True)
class ServedModel:
    """A running server.

    Attributes:
        base: The model's base path, a copy that may be changed.
        name: The model's name.
        grpc: `HOST:PORT`.
        rest: `(HOST, PORT)`.
        pid: The server's process.
    """

    base: Path
    name: str
    grpc: str
    rest: tuple[str, int]
    pid: int

    def resident_mb(self) -> float:
        """Returns the server's resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        [line] = [each for each in status.splitlines() if each.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def states(self) -> dict[int, str]:
        """Returns the state of each version."""
        url = f"http://{self.rest[0]}:{self.rest[1]}/v1/models/{self.name}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            statuses = json.load(answer)["model_version_status"]
        return {int(each["version"]): each["state"] for each in statuses}

    def push(self, version: int) -> None:
        """Adds a version, a copy of version 1, in the one step of a rename."""
        incoming = self.base / f"incoming-{version}"
        shutil.copytree(self.base / "1", incoming)
        incoming.rename(self.base / str(version))

    def wait_available(self, version: int, timeout_s: float = 120) -> None:
        """Waits until a version answers.

        Raises:
            TimeoutError: It does not.
        """
        deadline = time.monotonic() + timeout_s
        while self.states().get(version) != "AVAILABLE":
            if time.monotonic() > deadline:
                raise TimeoutError(f"version {version} is not available after {timeout_s} s")
            time.sleep(0.02)


@contextmanager
def serve(
    model: Path, folder: Path, *, name: str, flags: Sequence[str] = ()
) -> Iterator[ServedModel]:
    """Serves a copy of a model on free ports of loopback while the context is open.

    Raises:
        RuntimeError: The server did not start; with what it said.
    """
    base = folder / name
    shutil.copytree(model, base / "1")
    with started((f"--model_name={name}", f"--model_base_path={base}", *flags)) as server:
        yield ServedModel(
            base=base, name=name, grpc=server.grpc, rest=server.rest, pid=server.process.pid
        )


@dataclass(frozen=True)
class StartedServer:
    """A server's process.

    Attributes:
        process: The process.
        grpc: `HOST:PORT`.
        rest: `(HOST, PORT)`.
    """

    process: "subprocess.Popen[str]"
    grpc: str
    rest: tuple[str, int]

    def memory_mb(self, key: str) -> float:
        """Returns a figure of `/proc/PID/status` in MB: `VmRSS` now, `VmHWM` at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        match = re.search(rf"{key}:\s+(\d+)", status)
        return int(match[1]) / 1024 if match else 0.0

    def num_files(self) -> int:
        """Returns the number of open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


@contextmanager
def started(flags: Sequence[str]) -> Iterator[StartedServer]:
    """Runs a server with these flags on free ports of loopback while the context is open.

    Raises:
        RuntimeError: The server did not start; with what it said.
    """
    command = (sys.executable, "-m", "serving.server", "--port=0", "--rest_api_port=-1", *flags)
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        errors="replace",  # TensorFlow quotes requests; a reader that ends would stop the server
    )
    try:
        grpc, rest = _listening(process)
        yield StartedServer(process, grpc, rest)
    finally:
        process.terminate()
        process.wait(30)


def _listening(process: "subprocess.Popen[str]") -> tuple[str, tuple[str, int]]:
    """Reads the start-up line, and goes on emptying the pipe."""
    said: list[str] = []
    assert process.stderr is not None  # noqa: S101 - it was asked for
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"ModelServer at (\S+:\d+), .*http://(\S+):(\d+)", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return found[1], (found[2], int(found[3]))
    raise RuntimeError("".join(said))
