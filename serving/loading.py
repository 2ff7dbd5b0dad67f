"""A SavedModel in a TensorFlow 1 Session: what TensorFlow Serving runs models in.

What does not load or answer here does not there either, and errors of the graph come out as the
runtime words them.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.python.framework.ops import dismantle_graph
from tensorflow.python.saved_model.loader_impl import SavedModelLoader

from serving.errors import ServingError, invalid_argument, not_found
from serving.runner import Runner
from serving.servable import Submit

# glibc keeps what was freed, in arenas by thread; over many versions that adds up.
_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)
_CODES = {code.value[0]: code for code in grpc.StatusCode}
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
    """A graph in a session of its own.

    Attributes:
        signatures: The model's signatures by name.
    """

    def __init__(self, path: str, options: SessionOptions) -> None:
        """Loads the graph, its variables, tables and assets.

        Raises:
            ServingError: With the code and the words of the failure.
        """
        self._graph = tf.Graph()
        config = tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=options.threads_within,
            inter_op_parallelism_threads=options.threads_between or _CALLERS_THREAD,
            use_per_session_threads=False,
        )
        self._session = tf.compat.v1.Session(graph=self._graph, config=config)
        self._handles = _Handles(self._graph)
        try:
            self.signatures: Mapping[str, SignatureDef] = _load_graph(self._session, path, options)
        except BaseException:
            self.close()
            raise

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph once."""
        handles = self._handles
        try:
            by_handle = {handles[name]: value for name, value in feeds.items()}
        except KeyError as error:
            text = f"FeedInputs: unable to find feed output {error.args[0]}"
            raise not_found(text) from error
        try:
            fetched = [handles[name] for name in fetches]
        except KeyError as error:
            raise not_found(f"FetchOutputs node {error.args[0]}: not found") from error
        try:
            # Session.run itself adds a quarter of a millisecond and its own words to errors.
            outputs: list[NDArray[Any]] = self._session._call_tf_sessionrun(
                None, by_handle, fetched, [], None
            )
        except tf.errors.OpError as error:
            raise _serving_error(error) from error
        except UnicodeDecodeError as error:
            # TensorFlow's text quotes bytes that are no UTF-8, and could not become an OpError.
            raise invalid_argument(error.object.decode("utf-8", "replace")) from error
        return outputs

    def close(self) -> None:
        """Frees the session and the graph; no run may be under way."""
        self._session.close()
        # A graph refers to itself: undone by hand, most of it goes now, not when Python next looks.
        dismantle_graph(self._graph)
        del self._session, self._graph, self._handles
        if _TRIM is not None:
            _TRIM(0)


class _Handles(dict[str, Any]):
    """Tensors of a graph as the session wants them, by name; each is looked up once."""

    def __init__(self, graph: tf.Graph) -> None:
        super().__init__()
        self._graph = graph

    def __missing__(self, name: str) -> Any:
        try:
            self[name] = self._graph.get_tensor_by_name(name)._as_tf_output()
        except (KeyError, ValueError) as error:
            raise KeyError(name) from error
        return self[name]


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


def _load_graph(
    session: tf.compat.v1.Session, path: str, options: SessionOptions
) -> Mapping[str, SignatureDef]:
    try:
        with session.graph.as_default():
            meta_graph = SavedModelLoader(path).load(session, list(options.tags))
    except tf.errors.OpError as error:
        raise _serving_error(error) from error
    except RuntimeError as error:
        if "MetaGraphDef associated with tags" not in str(error):
            raise
        tags = " ".join(options.tags)
        raise not_found(
            f"Could not find meta graph def matching supplied tags: {{ {tags} }}. To inspect "
            "available tag-sets in the SavedModel, please use the SavedModel CLI: "
            "`saved_model_cli`"
        ) from error
    except (OSError, ValueError, DecodeError) as error:
        raise ServingError(grpc.StatusCode.UNKNOWN, str(error)) from error
    return dict(meta_graph.signature_def)


def _serving_error(error: tf.errors.OpError) -> ServingError:
    return ServingError(_CODES[error.error_code], error.message)
