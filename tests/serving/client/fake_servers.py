"""A small fake model server for gRPC and REST that fails on demand.

The model `m` adds its version number to every `x`: versions 1 and 2 take `x` float [-1] and give
`y` float [-1]; from version 3 on the input is called `z`.
"""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from serving.client.tensors import from_tensor, to_tensor
from serving.client.wires.messages import MESSAGES

HTTP_STATUS = {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "UNAVAILABLE": 503, "INTERNAL": 500}


@dataclass
class FakeModel:
    """The model of the fake servers.

    Attributes:
        version: The latest version.
        failures: Codes that answer the next prediction requests, in order.
        delay_s: Seconds before each answer.
        requests: Requests in order: `metadata`, and `predict` with its number of rows.
    """

    version: int = 1
    failures: list[str] = field(default_factory=list)
    delay_s: float = 0.0
    requests: list[str] = field(default_factory=list)

    @property
    def input_name(self) -> str:
        return "x" if self.version < 3 else "z"

    def fail(self) -> str | None:
        time.sleep(self.delay_s)
        return self.failures.pop(0) if self.failures else None

    def answer(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """Returns the outputs, or None for other inputs."""
        self.requests.append(f"predict {len(next(iter(inputs.values())))}")
        if list(inputs) != [self.input_name]:
            return None
        return np.asarray(inputs[self.input_name] + self.version, np.float32)


class _Grpc(grpc.GenericRpcHandler):
    def __init__(self, model: FakeModel) -> None:
        self._model = model

    def service(self, details: Any) -> Any:
        name = details.method.rpartition("/")[2]
        answer = {"Predict": self._predict, "GetModelMetadata": self._metadata}[name]
        return grpc.unary_unary_rpc_method_handler(answer)

    def _predict(self, body: bytes, context: grpc.ServicerContext) -> bytes:
        request = MESSAGES["PredictRequest"].FromString(body)
        failure = self._model.fail()
        outputs = None
        if failure is None:
            inputs = {name: from_tensor(name, t) for name, t in request.inputs.items()}
            outputs = self._model.answer(inputs)
        else:
            self._model.requests.append("predict failed")
        if outputs is None:
            failure = failure or "INVALID_ARGUMENT"
            context.abort(grpc.StatusCode[failure], f"told to: {failure}")
        response = MESSAGES["PredictResponse"]()
        response.model_spec.version.value = self._model.version
        response.outputs["y"].CopyFrom(to_tensor(outputs))
        return bytes(response.SerializeToString())

    def _metadata(self, _body: bytes, _context: grpc.ServicerContext) -> bytes:
        self._model.requests.append("metadata")
        signatures = MESSAGES["SignatureDefMap"]()
        entry = signatures.signature_def["serving_default"]
        for infos, name in ((entry.inputs, self._model.input_name), (entry.outputs, "y")):
            infos[name].dtype = 1
            infos[name].tensor_shape.dim.add(size=-1)
        response = MESSAGES["GetModelMetadataResponse"]()
        response.model_spec.name = "m"
        response.model_spec.version.value = self._model.version
        response.metadata["signature_def"].value = signatures.SerializeToString()
        return bytes(response.SerializeToString())


@contextmanager
def grpc_server(model: FakeModel, port: int = 0) -> Iterator[str]:
    """Serves a model over gRPC; yields its address."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=[_Grpc(model)])
    real = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{real}"
    finally:
        server.stop(None).wait()


def _handler(model: FakeModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            model.requests.append("metadata")
            shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
            tensor = {"dtype": "DT_FLOAT", "tensor_shape": shape}
            entry = {"inputs": {model.input_name: tensor}, "outputs": {"y": tensor}}
            signatures = {"signature_def": {"serving_default": entry}}
            spec = {"name": "m", "signature_name": "", "version": str(model.version)}
            self._send(200, {"model_spec": spec, "metadata": {"signature_def": signatures}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            failure = model.fail()
            if failure == "DROP":
                model.requests.append("predict dropped")
                self.close_connection = True
                return
            if failure is not None:
                model.requests.append("predict failed")
                self._send(HTTP_STATUS[failure], {"error": f"told to: {failure}"})
                return
            inputs = {name: np.asarray(value, np.float32) for name, value in body["inputs"].items()}
            outputs = model.answer(inputs)
            if outputs is None:
                self._send(400, {"error": "told to: INVALID_ARGUMENT"})
            else:
                self._send(200, {"outputs": outputs.tolist()})

        def _send(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def rest_server(model: FakeModel, port: int = 0) -> Iterator[str]:
    """Serves a model over REST; yields its address."""
    ThreadingHTTPServer.request_queue_size = 128  # more would wait a second for their connection
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(model))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SERVERS = {"grpc": grpc_server, "rest": rest_server}
