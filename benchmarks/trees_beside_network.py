"""Time of exported models for one row and for many, in turn: in one process, and served.

From the project's folder, with models that saw the same examples:

    python -m benchmarks.trees_beside_network EXAMPLES MODEL MODEL…

EXAMPLES is an Examples artifact, MODEL a Model artifact of a Trainer. Servers start on loopback and
end with this command.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.served_model import serve
from common.example_files import read_serialised, split_files
from models.exporting.export import MODEL_INFO_FILE, SERVE_EXAMPLES, Signature, load_in_session

_REPEATS = {1: 100, 64: 100, 1_000: 20, 10_000: 20}
_NAME = "model"


def main(arguments: Sequence[str]) -> None:
    """Prints the least and the median time of each model for each number of rows.

    Args:
        arguments: The Examples artifact, then the models.
    """
    examples, *models = arguments
    rows = np.concatenate(list(read_serialised(*split_files(examples, "train"))))
    folders = [Path(model) / "Format-Serving" for model in models]
    _compare(rows, {_words(f): load_in_session(f, SERVE_EXAMPLES) for f in folders})
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        served = {}
        for number, folder in enumerate(folders):
            server = stack.enter_context(serve(folder, work / str(number), name=_NAME))
            served[f"gRPC, {_words(folder)}"] = _by_grpc(server.grpc)
        _compare(rows, served)


def _compare(rows: NDArray[Any], asked: Mapping[str, Signature]) -> None:
    for num_rows, repeats in _REPEATS.items():
        batch = rows[np.arange(num_rows) % rows.size]
        times: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(repeats):
            for name, ask in asked.items():
                start = time.perf_counter()
                ask({"examples": batch})
                times[name].append(1_000 * (time.perf_counter() - start))
        for name, own in times.items():
            print(
                f"{num_rows:6,} rows, {name}: least {min(own):.2f} ms, median {np.median(own):.2f}"
            )


def _by_grpc(target: str) -> Signature:
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    predict = prediction_service_pb2_grpc.PredictionServiceStub(
        grpc.insecure_channel(target, options)
    ).Predict

    def ask(inputs: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = _NAME
        request.model_spec.signature_name = SERVE_EXAMPLES
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        outputs = predict(request, timeout=60).outputs
        return {name: tf.make_ndarray(value) for name, value in outputs.items()}

    return ask


def _words(folder: Path) -> str:
    info = json.loads((folder / MODEL_INFO_FILE).read_text(encoding="utf-8"))["model"]
    trees = f", {info['num_trees']} trees" if "num_trees" in info else ""
    return f"{info['model']}{trees}"


if __name__ == "__main__":
    main(sys.argv[1:])
