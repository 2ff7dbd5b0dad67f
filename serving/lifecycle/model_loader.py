"""Loads a version: session, batching, warm-up."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serving.errors import ServingError
from serving.lifecycle.warmup import warm_up
from serving.runtime.batching import BatchingOptions, BatchingRunner
from serving.runtime.loading import LoadedModel, SessionOptions, SessionRunner
from serving.runtime.runner import Runner


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """Settings for loading versions.

    Attributes:
        session: Settings of the TensorFlow session.
        batching: Settings of the batching; None runs each request alone.
        num_warm_up_iterations: How often each warm-up request is replayed; 0 skips the warm-up.
        on_warm_up: Called after each warm-up with the folder, the status and the seconds taken.
    """

    session: SessionOptions = field(default_factory=SessionOptions)
    batching: BatchingOptions | None = None
    num_warm_up_iterations: int = 1
    on_warm_up: Callable[[str, str, float], None] = lambda _folder, _status, _seconds: None


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
                runner = self._runner(session, threading.Semaphore())
                self._warm_up(LoadedModel(name, version, session, runner), folder)
        except BaseException:
            session.close()
            raise
        return LoadedModel(name, version, session, self._runner(session, self._slots))

    def _runner(self, session: SessionRunner, slots: threading.Semaphore) -> Runner:
        batching = self._options.batching
        return BatchingRunner(session, batching, slots, self._leaders) if batching else session

    def _warm_up(self, model: LoadedModel, folder: str) -> None:
        started, status, count = time.monotonic(), "OK", 1
        try:
            count = warm_up(model, folder, num_iterations=self._options.num_warm_up_iterations)
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            if count:
                self._options.on_warm_up(folder, status, time.monotonic() - started)
