"""A server in a process of its own, which a test may hang, flood and stop."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.runtime.tensor_protos import fill_proto

PROJECT = Path(__file__).resolve().parents[2]
_STARTED = re.compile(r"ModelServer at \S+:(\d+), exporting .*:(\d+)")


class ServerProcess:
    """A running server.

    Attributes:
        process: Its process.
        grpc_port: Port of gRPC.
        rest_port: Port of REST.
    """

    def __init__(self, *flags: str, module: str = "serving.server") -> None:
        command = [sys.executable, "-m", module, "--port=0", "--rest_api_port=-1", *flags]
        self.process = subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if match := _STARTED.search(line):
                break
        else:
            self.process.communicate()
            raise AssertionError("the server did not start:\n" + "".join(self.lines))
        self.grpc_port, self.rest_port = int(match[1]), int(match[2])
        # Without a reader, a full pipe would stop the server.
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as log:
            self.lines.extend(log)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 30,
    ) -> tuple[int, bytes]:
        """Returns status and body of the answer over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def predict(self, model: str, *x: float, timeout_s: float = 30) -> tuple[int, bytes]:
        """Returns status and body of a predict call by REST."""
        body = json.dumps({"instances": x}).encode()
        return self.call("POST", f"/v1/models/{model}:predict", body, timeout_s=timeout_s)

    def talk(self, *parts: bytes, wait_s: float = 0.1) -> bytes:
        """Sends bytes in segments; returns what comes back until the server is silent for 1 s."""
        with socket.create_connection(("127.0.0.1", self.rest_port), timeout=5) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in parts:
                connection.sendall(part)
                time.sleep(wait_s)
            connection.settimeout(1)
            answers = b""
            try:
                while piece := connection.recv(2**16):
                    answers += piece
            except TimeoutError:
                pass
            return answers

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A gRPC channel with a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}", options) as channel:
            yield channel

    def peak_mb(self) -> float:
        """Returns the largest resident memory so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        match = re.search(r"VmHWM:\s+(\d+)", status)
        assert match is not None
        return int(match[1]) / 1024

    def stop(self, timeout_s: float = 40) -> float:
        """Sends one SIGTERM; returns the seconds until the process ended by itself."""
        started_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout_s)
        return time.monotonic() - started_s

    def kill(self) -> None:
        """Ends the process if it still runs."""
        self.process.kill()
        self.process.wait(30)
        self._reader.join(10)


@contextmanager
def running(*flags: str, module: str = "serving.server") -> Iterator[ServerProcess]:
    """A server for the context, killed at its end."""
    server = ServerProcess(*flags, module=module)
    try:
        yield server
    finally:
        server.kill()


def models_flag(folder: Path, **base_paths: Path) -> str:
    """Returns the flag for a config file, which it writes into the folder."""
    file = folder / "models.config"
    entries = " ".join(
        f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" }}'
        for name, base in base_paths.items()
    )
    file.write_text(f"model_config_list {{ {entries} }}", encoding="utf-8")
    return f"--model_config_file={file}"


def predict_call(channel: grpc.Channel) -> Any:
    """Returns the Predict method of a channel."""
    return channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=lambda request: request.SerializeToString(),
    )


def predict_request(model: str, *x: float) -> PredictRequest:
    """Returns a Predict request with an input `x` of floats."""
    request = PredictRequest()
    request.model_spec.name = model
    fill_proto(request.inputs["x"], np.array(x, np.float32))
    return request
