"""Loads a version: session, batching, warm-up."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from serving.errors import ServingError
from serving.lifecycle.signed_models import SignedModels
from serving.lifecycle.warmup import warm_up
from serving.runtime.batching import (
    BatchingOptions,
    BatchingRunner,
    ObserveBatch,
    read_batching_options,
)
from serving.runtime.loading import LoadedModel, ModelSession, SessionOptions, SessionRunner
from serving.runtime.runner import Runner
from serving.runtime.tensorflow_c import file_exists
from serving.runtime.tflite import FILE, TfliteOptions, TfliteRunner

BATCHING_FILE = "batching_params.pbtxt"
# Threads in which batches of a version wait to fill up while others run; created on demand.
_NUM_WAITING = 32


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """Settings for loading versions.

    Attributes:
        session: Settings of the TensorFlow session.
        tflite: Settings for TFLite models, which are preferred to SavedModels; None ignores them.
        batching: Settings of the batching; None runs each request alone.
        num_warm_up_iterations: How often each warm-up request is replayed; 0 skips the warm-up.
        checks_method_names: Whether a call refuses signatures of another method name.
        batches_per_model: Whether a version batches only if its folder has batching settings.
        signed: Loads signed versions only; None loads any.
        on_warm_up: Called after each warm-up with the folder, the status, the seconds taken and
            the number of requests.
        on_batch: Called for each batch; see `BatchingRunner`.
    """

    session: SessionOptions = field(default_factory=SessionOptions)
    tflite: TfliteOptions | None = None
    batching: BatchingOptions | None = None
    num_warm_up_iterations: int = 1
    checks_method_names: bool = False
    batches_per_model: bool = False
    signed: SignedModels | None = None
    on_warm_up: Callable[[str, str, float, int], None] = lambda *_: None
    on_batch: ObserveBatch = lambda *_: None


class ModelLoader:
    """Loads versions. They share neither threads nor slots, so a hung one affects no other."""

    def __init__(self, options: LoaderOptions) -> None:
        self._options = options

    def load(self, name: str, version: int, folder: str) -> LoadedModel:
        """Returns the version in a folder, loaded and warmed up.

        Raises:
            ServingError: It does not load, one of its warm-up requests fails, or only signed
                versions are loaded and it has no valid signature.
        """
        signed = self._options.signed
        if signed is None:
            return self._load(name, version, folder)
        with signed.verified(name, folder) as copy:
            return self._load(name, version, copy, shown=folder)

    def _load(self, name: str, version: int, folder: str, *, shown: str = "") -> LoadedModel:
        """Loads from a folder; metrics name the folder that is `shown`."""
        session = self._open(folder)
        try:
            model = LoadedModel(
                name,
                version,
                session,
                self._runner(session, folder),
                checks_method_names=self._options.checks_method_names,
            )
            if self._options.num_warm_up_iterations:
                self._warm_up(model, folder, shown=shown or folder)
        except BaseException:
            session.close()
            raise
        return model

    def _open(self, folder: str) -> ModelSession:
        tflite = self._options.tflite
        if tflite is not None and file_exists(f"{folder}/{FILE}"):
            return TfliteRunner(folder, tflite)
        return SessionRunner(folder, self._options.session)

    def _runner(self, session: ModelSession, folder: str) -> Runner:
        batching = self._batching(folder)
        if batching is None:
            return session
        num_runs = batching.num_batch_threads
        leaders = ThreadPoolExecutor(num_runs + _NUM_WAITING, thread_name_prefix="batch")
        slots = threading.Semaphore(num_runs)
        return BatchingRunner(session, batching, slots, leaders, self._options.on_batch)

    def _batching(self, folder: str) -> BatchingOptions | None:
        batching = self._options.batching
        if batching is None or not self._options.batches_per_model:
            return batching
        file = f"{folder}/{BATCHING_FILE}"
        if not file_exists(file):
            return None
        # As in TensorFlow Serving, the pool stays that of the server.
        return replace(
            read_batching_options(file),
            num_batch_threads=batching.num_batch_threads,
            thread_pool_name=batching.thread_pool_name,
        )

    def _warm_up(self, model: LoadedModel, folder: str, *, shown: str) -> None:
        started, status, count = time.monotonic(), "OK", None
        try:
            count = warm_up(model, folder, num_iterations=self._options.num_warm_up_iterations)
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            if count != 0:  # there is a file
                took_s = time.monotonic() - started
                self._options.on_warm_up(shown, status, took_s, count or 0)
