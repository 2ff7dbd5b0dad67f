"""Loads a version: session, batching, warm-up."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serving.errors import ServingError
from serving.lifecycle.warmup import warm_up
from serving.runtime.batching import (
    BatchingOptions,
    BatchingRunner,
    ObserveBatch,
    read_batching_options,
)
from serving.runtime.loading import LoadedModel, SessionOptions, SessionRunner
from serving.runtime.runner import Runner
from serving.runtime.tensorflow_c import file_exists

BATCHING_FILE = "batching_params.pbtxt"


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """Settings for loading versions.

    Attributes:
        session: Settings of the TensorFlow session.
        batching: Settings of the batching; None runs each request alone.
        num_warm_up_iterations: How often each warm-up request is replayed; 0 skips the warm-up.
        checks_method_names: Whether a call refuses signatures of another method name.
        batches_per_model: Whether a version batches only if its folder has batching settings.
        on_warm_up: Called after each warm-up with the folder, the status, the seconds taken and
            the number of requests.
        on_batch: Called for each batch; see `BatchingRunner`.
    """

    session: SessionOptions = field(default_factory=SessionOptions)
    batching: BatchingOptions | None = None
    num_warm_up_iterations: int = 1
    checks_method_names: bool = False
    batches_per_model: bool = False
    on_warm_up: Callable[[str, str, float, int], None] = lambda *_: None
    on_batch: ObserveBatch = lambda *_: None


class ModelLoader:
    """Loads versions, which share the slots for batches and the threads that lead them."""

    def __init__(self, options: LoaderOptions) -> None:
        self._options = options
        num_slots = options.batching.num_batch_threads if options.batching else 1
        self._slots = threading.Semaphore(num_slots)
        self._leaders = ThreadPoolExecutor(num_slots, thread_name_prefix="batch")

    def load(self, name: str, version: int, folder: str) -> LoadedModel:
        """Returns the version in a folder, loaded and warmed up.

        Raises:
            ServingError: It does not load, or one of its warm-up requests fails.
        """
        session = SessionRunner(folder, self._options.session)
        try:
            if self._options.num_warm_up_iterations:
                # In a separate slot: the slow first run must not delay requests to served versions.
                runner = self._runner(session, folder, threading.Semaphore())
                self._warm_up(self._model(name, version, session, runner), folder)
        except BaseException:
            session.close()
            raise
        return self._model(name, version, session, self._runner(session, folder, self._slots))

    def _model(
        self, name: str, version: int, session: SessionRunner, runner: Runner
    ) -> LoadedModel:
        checks = self._options.checks_method_names
        return LoadedModel(name, version, session, runner, checks_method_names=checks)

    def _runner(self, session: SessionRunner, folder: str, slots: threading.Semaphore) -> Runner:
        batching = self._batching(folder)
        if batching is None:
            return session
        return BatchingRunner(session, batching, slots, self._leaders, self._options.on_batch)

    def _batching(self, folder: str) -> BatchingOptions | None:
        batching = self._options.batching
        if batching is None or not self._options.batches_per_model:
            return batching
        file = f"{folder}/{BATCHING_FILE}"
        return read_batching_options(file) if file_exists(file) else None

    def _warm_up(self, model: LoadedModel, folder: str) -> None:
        started, status, count = time.monotonic(), "OK", 1
        try:
            count = warm_up(model, folder, num_iterations=self._options.num_warm_up_iterations)
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            if count:
                self._options.on_warm_up(folder, status, time.monotonic() - started, count)
