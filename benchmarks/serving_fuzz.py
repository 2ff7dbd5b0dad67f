"""Mutated requests of four kinds: is each answered, and how much memory does the server take?

    python -m benchmarks.serving_fuzz --requests 200000

The kinds are protobufs over gRPC, JSON, HTTP heads and gzip bodies; see `serving_mutations`. A
request may be refused, but only with a status that it calls for by itself, and the server answers a
right request after every hundred. Requests go to a server that this command starts on loopback.
`--wrong-file` keeps each request that was answered wrongly, whole, to be sent again.
"""

import argparse
import base64
import http.client
import json
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from benchmarks.served_model import PROJECT, StartedServer, started
from benchmarks.serving_mutations import (
    mutated_http,
    mutated_json,
    mutated_proto,
    packed,
    swollen_proto,
)

MODEL, TEXTS = "half_plus_two", "echo_string"
STATUSES = {
    *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"),
    "OUT_OF_RANGE",
}
ANSWERS = {200, 400, 404, 405, 411, 413, 417, 501}
_TIMEOUT_S = 60
_PROBE_EVERY = 100
_PROGRESS_S = 30
_SHARE_SWOLLEN = 0.02  # of the protobufs: compressed, of millions of tiny fields
_STATUS_LINE = re.compile(rb"^HTTP/1\.1 (\d+) ", re.MULTILINE)

# Verb, model and body of right requests.
JSON_SEEDS: tuple[tuple[str, str, object], ...] = (
    ("predict", MODEL, {"instances": [1.0, 2.5]}),
    ("predict", MODEL, {"inputs": {"x": [1, 2]}, "signature_name": "serving_default"}),
    (
        *("classify", MODEL),
        {"signature_name": "classify_x_to_y", "examples": [{"x": 1.0}, {"x": [2.0]}]},
    ),
    (
        *("regress", MODEL),
        {
            "signature_name": "regress_x_to_y",
            "context": {"x": 1.0},
            "examples": [{"y": "a"}, {}],
        },
    ),
    (
        *("predict", TEXTS),
        {"instances": [{"x": {"b64": "aGVsbG8="}}, {"x": "h\u00e4\U0001f600"}]},
    ),
)


def proto_seeds() -> list[tuple[str, bytes]]:
    """Returns right requests with their methods."""
    seeds: list[tuple[str, bytes]] = []
    for model, fields in (
        (MODEL, {"dtype": 1, "float_val": [1.0, 2.0]}),
        (MODEL, {"dtype": 1, "tensor_content": b"\0\0\x80?\0\0\0@"}),
        (TEXTS, {"dtype": 7, "string_val": [b"text", b"x" * 300]}),
    ):
        predict = predict_pb2.PredictRequest()
        predict.model_spec.name = model
        tensor = predict.inputs["x"]
        tensor.tensor_shape.dim.add().size = 2
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)
        seeds.append(("PredictionService/Predict", predict.SerializeToString()))
    for method, request, signature in (
        ("Classify", classification_pb2.ClassificationRequest(), "classify_x_to_y"),
        ("Regress", regression_pb2.RegressionRequest(), "regress_x_to_y"),
        ("MultiInference", inference_pb2.MultiInferenceRequest(), "regress_x_to_y"),
    ):
        task = request.tasks.add() if hasattr(request, "tasks") else request
        task.model_spec.name, task.model_spec.signature_name = MODEL, signature
        both = request.input.example_list_with_context
        both.context.features.feature["x"].float_list.value.append(2.0)
        both.context.features.feature["y"].bytes_list.value.append(b"y" * 200)
        both.examples.add().features.feature["x"].float_list.value.append(1.0)
        both.examples.add()
        seeds.append((f"PredictionService/{method}", request.SerializeToString()))
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = MODEL
    seeds.append(("PredictionService/GetModelMetadata", metadata.SerializeToString()))
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = MODEL
    seeds.append(("ModelService/GetModelStatus", status.SerializeToString()))
    return seeds


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request and its answer.

    Attributes:
        target: The gRPC method, the path, or "" for a whole HTTP request.
        content: What was sent: the message, the body, or the whole HTTP request.
        status: Its status, or what became of the connection.
        is_right: Whether the request calls for this status.
    """

    target: str
    content: bytes
    status: str
    is_right: bool

    def as_json(self, kind: str) -> str:
        """Returns a line of JSON with the whole request."""
        content = base64.b64encode(self.content).decode()
        return json.dumps(
            {"kind": kind, "status": self.status, "target": self.target, "content": content}
        )


@dataclass
class Outcome:
    """What came back to one thread.

    Attributes:
        counts: Requests by kind and status.
        wrong: Requests with a status that they do not call for, and failed probes.
        requests: The wrong requests themselves as lines of JSON.
        slowest_s: Seconds of the slowest request by kind.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    slowest_s: dict[str, float] = field(default_factory=dict)


def total(outcomes: Sequence[Outcome]) -> Outcome:
    """Returns the outcomes of all threads as one."""
    summed = Outcome()
    for outcome in outcomes:
        summed.counts += outcome.counts
        summed.wrong += outcome.wrong
        summed.requests += outcome.requests
        for kind, seconds in outcome.slowest_s.items():
            summed.slowest_s[kind] = max(seconds, summed.slowest_s.get(kind, 0.0))
    return summed


class Fuzzer:
    """Sends mutated requests to one server, from one thread."""

    def __init__(self, grpc_address: str, rest: tuple[str, int], seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - no secret
        # Repeated values are bounded at 16 MiB, above the 4 MiB that a client takes by default.
        options = [("grpc.max_receive_message_length", -1)]
        self._channel = grpc.insecure_channel(grpc_address, options)
        self._rest = rest
        self._protos = proto_seeds()
        self._kinds: dict[str, Callable[[], Sent]] = {
            "protobuf": self._send_proto,
            "JSON": self._send_json,
            "HTTP": self._send_http,
            "gzip": self._send_gzip,
        }

    def run(self, num_requests: int, end_s: float, outcome: Outcome) -> None:
        """Sends requests, all kinds in turn, until a time, and adds what comes back."""
        kinds = list(self._kinds.items())
        for number in range(num_requests):
            if time.monotonic() > end_s:
                break
            kind, send = kinds[number % len(kinds)]
            started_s = time.perf_counter()
            sent = send()
            seconds = time.perf_counter() - started_s
            outcome.counts[kind, sent.status] += 1
            outcome.slowest_s[kind] = max(seconds, outcome.slowest_s.get(kind, 0.0))
            if not sent.is_right:
                outcome.wrong.append(f"{kind} {sent.target}: {sent.status} after {seconds:.1f} s")
                outcome.requests.append(sent.as_json(kind))
            if number % _PROBE_EVERY == 0 and not self.is_well():
                outcome.wrong.append(f"no right answer after {number} requests")
        self._channel.close()

    def is_well(self) -> bool:
        """Returns whether a right request gets its answer."""
        sent = self._post(f"/v1/models/{MODEL}:predict", b'{"instances": [1.0]}', {})
        return sent.status == "200"

    def _send_proto(self) -> Sent:
        method, seed = self._rng.choice(self._protos)
        call: Any = self._channel.unary_unary(f"/tensorflow.serving.{method}")
        is_swollen = self._rng.random() < _SHARE_SWOLLEN
        message, status = (swollen_proto if is_swollen else mutated_proto)(self._rng, seed), "OK"
        compression = grpc.Compression.Gzip if is_swollen else grpc.Compression.NoCompression
        try:
            call(message, timeout=_TIMEOUT_S, compression=compression)
        except grpc.RpcError as error:
            status = error.code().name
        is_right = status in STATUSES or (is_swollen and status == "RESOURCE_EXHAUSTED")
        return Sent(target=method, content=message, status=status, is_right=is_right)

    def _send_json(self) -> Sent:
        path, seed = self._call()
        return self._post(path, mutated_json(self._rng, seed), {})

    def _send_gzip(self) -> Sent:
        path, seed = self._call()
        body = packed(self._rng, mutated_json(self._rng, seed))
        return self._post(path, body, {"Content-Encoding": "gzip"})

    def _send_http(self) -> Sent:
        """Sends a request in one to three segments; it may also end in a closed connection."""
        path = self._path() if self._rng.random() < 0.2 else _path(MODEL, "predict")
        request = mutated_http(self._rng, path, b'{"instances": [1.0]}')
        cuts = sorted(self._rng.randrange(len(request)) for _ in range(self._rng.choice((0, 0, 2))))
        pieces = [
            request[start:end] for start, end in zip([0, *cuts], [*cuts, len(request)], strict=True)
        ]
        answer, end = _talk(self._rest, pieces)
        statuses = [int(code) for code in _STATUS_LINE.findall(answer)]
        is_right = end == "closed" and set(statuses) <= ANSWERS | {100}
        status = str(statuses[-1]) if statuses and end == "closed" else end
        return Sent(target="", content=request, status=status, is_right=is_right)

    def _call(self) -> tuple[str, object]:
        """Returns a path and the JSON of a right request, for the same verb most of the time."""
        verb, model, seed = self._rng.choice(JSON_SEEDS)
        return (self._path() if self._rng.random() < 0.2 else _path(model, verb)), seed

    def _path(self) -> str:
        verb = self._rng.choice(("predict", "predict", "classify", "regress"))
        return _path(self._rng.choice((MODEL, MODEL, TEXTS)), verb)

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Sent:
        connection = http.client.HTTPConnection(*self._rest, timeout=_TIMEOUT_S)
        is_right = False
        try:
            connection.request("POST", path, body, headers)
            code = connection.getresponse().status
            status, is_right = str(code), code in ANSWERS
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        finally:
            connection.close()
        return Sent(target=path, content=body, status=status, is_right=is_right)


def _path(model: str, verb: str) -> str:
    return f"/v1/models/{model}:{verb}"


def _talk(address: tuple[str, int], pieces: Sequence[bytes]) -> tuple[bytes, str]:
    """Sends segments and the end of the connection; returns the answer and how it ended."""
    answer = b""
    with socket.create_connection(address, timeout=_TIMEOUT_S) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(2**16):
                answer += received
        except TimeoutError:
            return answer, "timeout"
        except OSError:  # the server closed the connection first
            return answer, "closed"
    return answer, "closed"


def fuzz(server: StartedServer, options: argparse.Namespace) -> Outcome:
    """Returns what came back of requests from several threads."""
    outcomes = [Outcome() for _ in range(options.threads)]
    end_s = time.monotonic() + 60 * options.minutes
    with ThreadPoolExecutor(options.threads) as pool:
        running = {
            pool.submit(
                Fuzzer(server.grpc, server.rest, options.seed + number).run,
                options.requests // options.threads,
                end_s,
                outcome,
            )
            for number, outcome in enumerate(outcomes)
        }
        while running:
            done, running = wait(running, _PROGRESS_S, return_when=FIRST_EXCEPTION)
            for thread in done:
                thread.result()
            so_far = total(outcomes)
            print(
                f"{so_far.counts.total()} requests, peak {server.memory_mb('VmHWM'):.0f} MB, "
                f"{len(so_far.wrong)} wrong {so_far.wrong[:5]}",
                flush=True,
            )
            if options.wrong_file:
                lines = "".join(f"{line}\n" for line in so_far.requests)
                options.wrong_file.write_text(lines, encoding="utf-8")
    return total(outcomes)


def main() -> int:
    """Reads the command line and sends the requests; returns 1 after a wrong answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="at most")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wrong-file", type=Path, help="gets the wrong requests as JSON")
    parser.add_argument("--batching", action="store_true", help="with --enable_batching")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writer = [sys.executable, "-m", "tests.serving.contract.models", folder, folder]
        subprocess.run(writer, cwd=PROJECT, check=True, stderr=subprocess.DEVNULL)
        flags = [
            f"--model_config_file={Path(folder) / 'models.config'}",
            "--allow_version_labels_for_unavailable_models",
            *(["--enable_batching"] if options.batching else []),
        ]
        started_s = time.monotonic()
        with started(flags) as server:
            outcome = fuzz(server, options)
            peak_mb, now_mb = server.memory_mb("VmHWM"), server.memory_mb("VmRSS")
            is_alive = server.process.poll() is None
    for (kind, status), count in sorted(outcome.counts.items()):
        print(f"{kind:10} {status:20} {count}")
    slowest = ", ".join(f"{kind} {s:.1f} s" for kind, s in sorted(outcome.slowest_s.items()))
    print(
        f"{outcome.counts.total()} requests in {time.monotonic() - started_s:.0f} s; memory at "
        f"most {peak_mb:.0f} MB, {now_mb:.0f} MB in the end; slowest: {slowest}; "
        f"{len(outcome.wrong)} wrong {outcome.wrong[:5]}"
    )
    return int(bool(outcome.wrong) or not is_alive)


if __name__ == "__main__":
    sys.exit(main())
