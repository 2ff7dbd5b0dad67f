"""A SavedModel in a TensorFlow 1 session, loaded and run like in TensorFlow Serving.

A model that fails to load or run here also fails there, with the same errors of the runtime.
"""

import ctypes
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from numpy.typing import NDArray
from tensorflow.core.protobuf.config_pb2 import ConfigProto, RunOptions
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef

from serving.errors import ServingError
from serving.runtime.batching import BatchingRunner
from serving.runtime.deadlines import remaining_s
from serving.runtime.run_watch import RunWatch
from serving.runtime.runner import Runner
from serving.runtime.tensorflow_c import Session
from serving.servable import Submit

# glibc keeps freed memory in arenas by thread, which adds up over many versions.
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
_CALLERS_THREAD = -1  # inter_op_thread_pool: run in the caller's thread, without a pool
# TensorFlow can end a run in its pool at any operation, but a run in the caller's thread only where
# an operation waits. The pool costs 0.1 ms a run: versions slower than this use it.
_SLOW_S = 0.02
_MAX_TIMEOUT_MS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """Settings of a TensorFlow session.

    Attributes:
        tags: Tags of the graph to load.
        threads_within: Threads within one operation; 0 is automatic.
        threads_between: Parallel operations of one run; 0 runs them in the caller's thread, unless
            the model is slow and the request has a deadline.
        config: Serialised ConfigProto with all other settings.
    """

    tags: tuple[str, ...] = ("serve",)
    threads_within: int = 0
    threads_between: int = 0
    config: bytes = b""


class ModelSession(Protocol):
    """A model in memory.

    Attributes:
        signatures: The model's signatures by name.
        watch: Whether the model still answers.
    """

    signatures: Mapping[str, SignatureDef]
    watch: RunWatch

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the model once; see `Servable.run`."""
        ...

    def close(self) -> None:
        """Frees its memory; call it while no run is in progress."""
        ...


class SessionRunner:
    """A SavedModel in a separate session.

    Attributes:
        signatures: The model's signatures by name.
        watch: Whether the model still answers.
    """

    def __init__(self, path: str, options: SessionOptions) -> None:
        """Loads the graph, its variables, tables and assets.

        Raises:
            ServingError: With TensorFlow's code and text.
        """
        config = ConfigProto.FromString(options.config)
        if options.threads_within:
            config.intra_op_parallelism_threads = options.threads_within
        if options.threads_between:
            config.inter_op_parallelism_threads = options.threads_between
        self._may_use_callers_thread = not config.inter_op_parallelism_threads
        # With the threads that all sessions share, one hung model would stop all others.
        config.use_per_session_threads = True
        self._is_slow = True  # until the first run has shown otherwise
        self._session = Session.from_saved_model(path, options.tags, config.SerializeToString())
        meta_graph = MetaGraphDef.FromString(self._session.meta_graph)
        self.watch = RunWatch()
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph once, until the deadline at the latest; see `Session.run`.

        Raises:
            ServingError: DEADLINE_EXCEEDED, or TensorFlow's code and text.
        """
        options = self._run_options(remaining_s())
        started_s = time.perf_counter()
        try:
            outputs = self._session.run(feeds, fetches, options)
        except ServingError as error:
            if error.code is not grpc.StatusCode.DEADLINE_EXCEEDED:
                self.watch.answered()
            raise
        self.watch.answered()
        self._is_slow = time.perf_counter() - started_s > _SLOW_S
        return outputs

    def _run_options(self, timeout_s: float) -> bytes:
        options = RunOptions()
        if timeout_s < math.inf:
            options.timeout_in_ms = min(math.ceil(timeout_s * 1000), _MAX_TIMEOUT_MS)
        if self._may_use_callers_thread and not (self._is_slow and options.timeout_in_ms):
            options.inter_op_thread_pool = _CALLERS_THREAD
        return bytes(options.SerializeToString())

    def close(self) -> None:
        """Frees the session and the graph; call it while no run is in progress."""
        self._session.close()
        if _TRIM is not None:
            _TRIM(0)


class LoadedModel:
    """One loaded version of a model; see `Servable`.

    Attributes:
        name: Name of the model.
        version: Its version.
        signatures: The model's signatures by name.
        checks_method_names: Whether a call refuses signatures of another method name.
        submit: Like `run` but returns a future; None without batching.
    """

    def __init__(
        self,
        name: str,
        version: int,
        session: ModelSession,
        runner: Runner,
        *,
        checks_method_names: bool = False,
    ) -> None:
        self.name = name
        self.checks_method_names = checks_method_names
        self.version = version
        self.signatures = session.signatures
        self.submit: Submit | None = self._submit if hasattr(runner, "submit") else None
        self._runner = runner
        self._session = session

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph; see `Servable.run`."""
        with self._session.watch.watched():
            return self._runner.run(feeds, fetches)

    def _submit(
        self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]
    ) -> Future[list[NDArray[Any]]]:
        submit: Submit = self._runner.submit  # type: ignore[attr-defined]
        number = self._session.watch.begin()
        try:
            future = submit(feeds, fetches)
        except ServingError:
            self._session.watch.end(number)
            raise
        future.add_done_callback(lambda _: self._session.watch.end(number))
        return future

    def is_hung(self) -> bool:
        """Returns whether requests run without an answer; see `RunWatch`."""
        return self._session.watch.is_hung()

    def close(self) -> None:
        """Frees the session and the graph; call it while no run is in progress."""
        if isinstance(self._runner, BatchingRunner):
            self._runner.close()
        self._session.close()
