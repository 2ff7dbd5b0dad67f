"""What a client asks of a server and what comes back, as values that either wire can carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from serving.client.signatures import ModelSignature

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which version of which model is meant; with neither version nor label the latest.

    Attributes:
        model: Name of the model.
        version: A version.
        label: A label that the server has for a version.
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
    """Asks for the signatures; answered with `ModelMetadata`."""

    target: Target
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class StatusCall:
    """Asks for the states of versions; answered with a tuple of `VersionStatus`."""

    target: Target
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class PredictCall:
    """Asks for a prediction; answered with `PredictAnswer`.

    Attributes:
        target: The model.
        signature_name: The signature.
        signature: What that signature takes and gives.
        inputs: Arrays by input.
        timeout_s: Seconds for the answer, retries included.
    """

    target: Target
    signature_name: str
    signature: ModelSignature
    inputs: Mapping[str, NDArray[Any]]
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class PredictAnswer:
    """What a model answered.

    Attributes:
        outputs: Arrays by output.
        version: The version that answered, where the wire says it: gRPC does, REST does not.
    """

    outputs: Arrays
    version: int | None


Call = MetadataCall | StatusCall | PredictCall
