"""Requests that a model server replays before a version answers its first client."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from models.exporting.export import SERVE_EXAMPLES, SERVING_DEFAULT, read_signatures
from models.exporting.recordings.signature import SERVING_RECORDING
from models.framing import NUM_SAMPLES, RATE
from models.inputs.raw_columns import columns_from_examples

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
# From a lone request to a full batch: TensorFlow plans its memory when it first meets a size.
_BATCH_SIZES = (1, 8, 64)
# Requests with files are written up to this size, in order that the model stays small.
_MAX_BATCH_BYTES = 2**23


def write_warmup(folder: Path, serialised: Sequence[bytes]) -> None:
    """Writes warm-up requests for all signatures to where TensorFlow Serving looks for them.

    Args:
        folder: The SavedModel.
        serialised: Some tf.Examples, at least one; repeated to fill the largest batch. Batches of
            more than 8 MiB are left out.
    """
    signatures = read_signatures(folder)
    path = folder / WARMUP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        num_bytes = sum(map(len, serialised)) / len(serialised)
        for size in _BATCH_SIZES:
            if size > 1 and size * num_bytes > _MAX_BATCH_BYTES:
                break
            batch = [serialised[row % len(serialised)] for row in range(size)]
            inputs = signatures[SERVING_DEFAULT].inputs
            writer.write(_log(SERVING_DEFAULT, columns_from_examples(batch, inputs)))
            writer.write(_log(SERVE_EXAMPLES, {"examples": np.asarray(batch, object)}))
        if SERVING_RECORDING in signatures:
            writer.write(_log(SERVING_RECORDING, _recording(serialised[0], signatures)))


def _recording(
    serialised: bytes, signatures: Mapping[str, SignatureDef]
) -> dict[str, NDArray[Any]]:
    """Returns a recording of unknown rate that is as long as its only window, an example."""
    columns = columns_from_examples([serialised], signatures[SERVING_DEFAULT].inputs)
    inputs = signatures[SERVING_RECORDING].inputs
    channels = [name for name, info in inputs.items() if len(info.tensor_shape.dim) == 2]
    size = max(columns[name].size for name in channels if name in columns)
    # A channel that is no feature has a sample everywhere.
    no_feature = {name: np.zeros((1, size), np.float32) for name in channels}
    length = {NUM_SAMPLES: np.array([size]), RATE: np.array([np.nan])}
    arrays = no_feature | columns | length
    return {name: arrays[name] for name in inputs}


def _log(signature: str, arrays: dict[str, NDArray[Any]]) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, array in arrays.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    # Equal models have equal bytes, so that a push recognises a model that is already served.
    return bytes(log.SerializeToString(deterministic=True))
