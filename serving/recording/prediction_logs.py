"""TensorFlow Serving's PredictionLog: Predict requests and answers in TFRecord files."""

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.inference.predict import DEFAULT_SIGNATURE
from serving.recording.exchanges import Arrays, Exchange
from serving.recording.files import LIVE, TFRECORD, AppendFile, store_log
from serving.runtime.tensor_protos import fill_proto
from serving.runtime.tf_records import frame

_HOUR_S = 3_600


class PredictionLogs:
    """Writes the log of one model, a file an hour."""

    def __init__(self, folder: Path, arm: str) -> None:
        """Creates no file yet.

        Args:
            folder: Folder of the model.
            arm: The arm of this server.
        """
        self._folder, self._arm = folder, arm
        self._pending: list[bytes] = []
        self._file: AppendFile | None = None
        self._hour = 0

    def add(self, exchanges: Sequence[Exchange]) -> None:
        """Adds the successful Predict calls among exchanges."""
        for exchange in exchanges:
            if exchange.is_predict and exchange.feeds is not None:
                self._pending.append(frame(to_log(exchange).SerializeToString()))

    def flush(self, max_bytes: int) -> None:
        """Appends what was added, and closes a file that is full or of an hour before.

        Raises:
            OSError: The disk is full or failed; what was added is dropped.
        """
        pending, self._pending = self._pending, []
        hour = int(time.time()) // _HOUR_S
        if self._file is not None and (self._hour != hour or self._file.num_bytes >= max_bytes):
            self.close()
        if not pending:
            return
        content = b"".join(pending)
        if self._file is None:
            name = f"{self._arm}-{uuid.uuid4().hex[:12]}{TFRECORD}"
            self._file = AppendFile(self._folder / LIVE / name, content)
            self._hour = hour
        else:
            self._file.append(content)

    def close(self) -> None:
        """Closes the file, if there is one.

        Raises:
            OSError: It cannot be moved to the closed files; it is left over.
        """
        file, self._file = self._file, None
        if file is not None:
            try:
                store_log(self._folder, file.path)
            finally:
                file.close()


def to_log(exchange: Exchange) -> PredictionLog:
    """Returns a Predict exchange as TensorFlow Serving logs it."""
    log = PredictionLog()
    name = exchange.signature_name or DEFAULT_SIGNATURE
    signature = exchange.signatures[name]
    request, response = log.predict_log.request, log.predict_log.response
    for spec in (log.log_metadata.model_spec, request.model_spec, response.model_spec):
        spec.name, spec.signature_name = exchange.model, name
        spec.version.value = exchange.version or 0
    for key, array in _by_key(signature.inputs, exchange.feeds or {}).items():
        fill_proto(request.inputs[key], array)
    for key, array in _by_key(signature.outputs, exchange.outputs).items():
        fill_proto(response.outputs[key], array)
    return log


def _by_key(infos: Mapping[str, TensorInfo], arrays: Arrays) -> Arrays:
    return {key: arrays[info.name] for key, info in infos.items() if info.name in arrays}
