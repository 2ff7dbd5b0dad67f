"""Warm-up: replays the requests stored with a model before the version serves.

TensorFlow optimises a graph in its first run, which is slow. The export writes the warm-up
requests next to the model, so that no client waits for that run.
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.errors import ServingError, invalid_argument
from serving.grpc_services import (
    answer_classify,
    answer_multi_inference,
    answer_predict,
    answer_regress,
)
from serving.runtime.tensorflow_c import file_exists
from serving.runtime.tf_records import read_records
from serving.servable import Servable

logger = logging.getLogger(__name__)

FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000


def warm_up(servable: Servable, path: str, *, num_iterations: int = 1) -> int:
    """Replays the warm-up requests in a version's folder, if it has any.

    Args:
        servable: The loaded version.
        path: The version's folder.
        num_iterations: How often each request is replayed.

    Returns:
        The number of requests in the file; 0 without a file.

    Raises:
        ServingError: A record cannot be read, a request fails, or there are more than 1000.
    """
    file = f"{path}/{FILE}"
    if not file_exists(file):
        return 0
    start = time.monotonic()
    count = 0
    for count, log in enumerate(_read_logs(file), 1):
        if count > MAX_RECORDS:
            raise invalid_argument(
                f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}"
            )
        for _ in range(num_iterations):
            _replay(servable, log)
    logger.info(
        "Replayed %d warm-up requests of model %s version %d in %.2f s",
        count,
        servable.name,
        servable.version,
        time.monotonic() - start,
    )
    return count


def _read_logs(file: str) -> Iterator[PredictionLog]:
    for record in read_records(file):
        try:
            yield PredictionLog.FromString(record)
        except DecodeError as error:
            raise invalid_argument(f"Failed to parse warmup record from {file}") from error


def _replay(servable: Servable, log: PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    answer = _ANSWERS.get(kind)
    if answer is None:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
        )
    answer(servable, getattr(log, kind).request)


_ANSWERS: dict[str, Callable[[Servable, Any], Any]] = {
    "predict_log": answer_predict,
    "classify_log": answer_classify,
    "regress_log": answer_regress,
    "multi_inference_log": answer_multi_inference,
}
