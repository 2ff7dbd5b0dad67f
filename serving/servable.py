"""Interfaces between the gRPC and REST services and the loaded models."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

Submit = Callable[[Mapping[str, NDArray[Any]], Sequence[str]], Future[list[NDArray[Any]]]]


class Servable(Protocol):
    """One loaded version of a model.

    Attributes:
        name: Name of the model.
        version: Its version.
        signatures: The model's signatures by name, as the SavedModel holds them.
        checks_method_names: Whether a call refuses signatures of another method name.
        submit: Like `run` but returns a future, for an event loop; None without batching.
    """

    name: str
    version: int
    signatures: Mapping[str, SignatureDef]
    checks_method_names: bool
    submit: Submit | None

    def run(self, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
        """Runs the graph; concurrent calls may be batched into one Session.run.

        Args:
            feeds: Arrays by tensor name (`x:0`); text as `object` arrays of bytes.
            fetches: Tensor names.

        Raises:
            ServingError: With TensorFlow's code and text.
        """
        ...


class Servables(Protocol):
    """The versions that are ready to answer."""

    def acquire(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable]:
        """Returns a version, kept loaded while the context is open.

        With neither version nor label, it is the highest version that is ready.

        Raises:
            ServingError: NOT_FOUND `Servable not found for request: Latest(m)`, or
                `Specific(m, 9)`; INVALID_ARGUMENT `Unrecognized servable version label: L`.
        """
        ...


class ModelManager(Protocol):
    """The states of the models, and the config that says which are served."""

    def status(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> GetModelStatusResponse:
        """Returns the state of every version ever seen, highest first, or of one version.

        Raises:
            ServingError: NOT_FOUND `Could not find any versions of model m`, or
                `Could not find version 9 of model m`; INVALID_ARGUMENT for an unknown label.
        """
        ...

    def reload(self, config: ModelServerConfig) -> None:
        """Replaces the served models by those of `config`; returns once its new models are ready.

        Raises:
            ServingError: States why the config was refused, or which model did not load.
        """
        ...
