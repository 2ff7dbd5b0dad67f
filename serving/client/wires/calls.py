"""Calls of the client and their answers, independent of gRPC and REST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from serving.client.signatures import ModelSignature

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A model, and optionally a version or a label; the latest version by default.

    Attributes:
        model: Name of the model.
        version: Number of a version.
        label: Label of a version on the server.
    """

    model: str
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError(
                f"Got version={self.version} and label={self.label!r}; give one of the two."
            )


@dataclass(frozen=True, kw_only=True)
class MetadataCall:
    """A request for the signatures; the answer is a `ModelMetadata`."""

    target: Target
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class StatusCall:
    """A request for the states of versions; the answer is a tuple of `VersionStatus`."""

    target: Target
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class PredictCall:
    """A request for a prediction; the answer is a `PredictAnswer`.

    Attributes:
        target: Model and version.
        signature_name: Name of the signature.
        signature: Inputs and outputs of that signature.
        inputs: Arrays by input name.
        timeout_s: Timeout in seconds, retries included.
    """

    target: Target
    signature_name: str
    signature: ModelSignature
    inputs: Mapping[str, NDArray[Any]]
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class PredictAnswer:
    """The answer of a model.

    Attributes:
        outputs: Arrays by output name.
        version: Version that answered; over REST, which does not report it, the requested one.
    """

    outputs: Arrays
    version: int | None


Call = MetadataCall | StatusCall | PredictCall
