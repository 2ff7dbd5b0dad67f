"""Makes a version ready to serve: session, batching, warm-up."""

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
    """How versions are made ready.

    Attributes:
        session: How sessions are made.
        batching: How concurrent requests share runs; None where each runs alone.
        num_warm_up_iterations: How often each of the model's own requests is replayed; 0 is never.
        on_warm_up: Told each warm-up's folder, status and seconds.
    """

    session: SessionOptions = field(default_factory=SessionOptions)
    batching: BatchingOptions | None = None
    num_warm_up_iterations: int = 1
    on_warm_up: Callable[[str, str, float], None] = lambda _folder, _status, _seconds: None


class ModelLoader:
    """Loads versions; all of them share the slots for batches and their leaders."""

    def __init__(self, options: LoaderOptions) -> None:
        self._options = options
        num_slots = options.batching.num_batch_threads if options.batching else 1
        self._slots = threading.Semaphore(num_slots)
        self._leaders = ThreadPoolExecutor(num_slots, thread_name_prefix="batch")

    def load(self, name: str, version: int, folder: str) -> LoadedModel:
        """Returns the version in a folder, loaded and warm.

        Raises:
            ServingError: It does not load, or one of its own requests fails.
        """
        session = SessionRunner(folder, self._options.session)
        try:
            if self._options.num_warm_up_iterations:
                # With a slot of its own: the first, slow run must not hold up served versions.
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
