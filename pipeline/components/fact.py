"""Key figures of a step; needs no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact


@dataclass(frozen=True)
class Fact:
    """The key figures of a step.

    Attributes:
        text: As text.
        values: As values.
    """

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def properties(artifact: Artifact) -> dict[str, Any]:
    """Returns an artifact's custom properties as plain Python values, without internal ones."""
    return {
        key: getattr(value, value.WhichOneof("value"))
        for key, value in artifact.custom_properties.items()
        if value.WhichOneof("value") and not key.startswith("__")
    }


def first_of_type(artifacts: list[Artifact], type_name: str) -> Artifact | None:
    """Returns the first artifact of a type, or None."""
    return next((artifact for artifact in artifacts if artifact.type == type_name), None)
