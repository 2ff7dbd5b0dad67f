"""A SavedModel in a TensorFlow 1 Session, loaded and run as TensorFlow Serving does.

What does not load or answer here does not there either, and errors come out as the runtime words
them.
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

# glibc keeps what was freed, in arenas by thread; over many versions that adds up.
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
_CALLERS_THREAD = -1  # of inter_op_parallelism_threads: no pool, so no change of threads


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """How sessions are made.

    Attributes:
        tags: Tags of the graph to load.
        threads_within: Threads of one operation; 0 is automatic.
        threads_between: Operations of one run at a time; 0 is one, in the caller's thread.
    """

    tags: tuple[str, ...] = ("serve",)
    threads_within: int = 0
    threads_between: int = 0


class SessionRunner:
    """A SavedModel in a session of its own.

    Attributes:
        signatures: The model's signatures by name.
    """

    def __init__(self, path: str, options: SessionOptions) -> None:
        """Loads the graph, its variables, tables and assets.

        Raises:
            ServingError: With the code and the words of the failure.
        """
        config = ConfigProto(
            intra_op_parallelism_threads=options.threads_within,
            inter_op_parallelism_threads=options.threads_between or _CALLERS_THREAD,
        )
        self._session = Session.from_saved_model(path, options.tags, config.SerializeToString())
        meta_graph = MetaGraphDef.FromString(self._session.meta_graph)
        self.signatures: Mapping[str, SignatureDef] = dict(meta_graph.signature_def)

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph once; see `Session.run`."""
        return self._session.run(feeds, fetches)

    def close(self) -> None:
        """Frees the session and the graph; no run may be under way."""
        self._session.close()
        if _TRIM is not None:
            _TRIM(0)


class LoadedModel:
    """One loaded version of a model; see `Servable`.

    Attributes:
        name: Name of the model.
        version: Its version.
        signatures: The model's signatures by name.
        run: Runs the graph; the runner's own method, so that a call costs no more.
        submit: As `run`, without waiting; None where requests are not batched.
    """

    def __init__(self, name: str, version: int, session: SessionRunner, runner: Runner) -> None:
        self.name = name
        self.version = version
        self.signatures = session.signatures
        self.run = runner.run
        self.submit: Submit | None = getattr(runner, "submit", None)
        self._session = session

    def close(self) -> None:
        """Frees what the version holds; no run may be under way."""
        self._session.close()
