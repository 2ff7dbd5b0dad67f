"""A SavedModel in a TensorFlow 1 session, loaded and run like in TensorFlow Serving.

A model that fails to load or run here also fails there, with the same errors of the runtime.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef

from serving.runtime.runner import Runner
from serving.runtime.tensorflow_c import Session
from serving.servable import Submit

# glibc keeps freed memory in arenas by thread, which adds up over many versions.
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
_CALLERS_THREAD = -1  # inter_op_parallelism_threads: run in the caller's thread, without a pool


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """Settings of a TensorFlow session.

    Attributes:
        tags: Tags of the graph to load.
        threads_within: Threads within one operation; 0 is automatic.
        threads_between: Parallel operations of one run; 0 runs them in the caller's thread.
        config: Serialised ConfigProto with all other settings.
    """

    tags: tuple[str, ...] = ("serve",)
    threads_within: int = 0
    threads_between: int = 0
    config: bytes = b""


class SessionRunner:
    """A SavedModel in a separate session.

    Attributes:
        signatures: The model's signatures by name.
    """

    def __init__(self, path: str, options: SessionOptions) -> None:
        """Loads the graph, its variables, tables and assets.

        Raises:
            ServingError: With TensorFlow's code and text.
        """
        config = ConfigProto.FromString(options.config)
        if options.threads_within:
            config.intra_op_parallelism_threads = options.threads_within
        config.inter_op_parallelism_threads = (
            options.threads_between or config.inter_op_parallelism_threads or _CALLERS_THREAD
        )
        self._session = Session.from_saved_model(path, options.tags, config.SerializeToString())
        meta_graph = MetaGraphDef.FromString(self._session.meta_graph)
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph once; see `Session.run`."""
        return self._session.run(feeds, fetches)

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
        run: Runs the graph; the runner's method itself, which saves a call.
        submit: Like `run` but returns a future; None without batching.
    """

    def __init__(
        self,
        name: str,
        version: int,
        session: SessionRunner,
        runner: Runner,
        *,
        checks_method_names: bool = False,
    ) -> None:
        self.name = name
        self.checks_method_names = checks_method_names
        self.version = version
        self.signatures = session.signatures
        self.run = runner.run
        self.submit: Submit | None = getattr(runner, "submit", None)
        self._session = session

    def close(self) -> None:
        """Frees the session and the graph; call it while no run is in progress."""
        self._session.close()
