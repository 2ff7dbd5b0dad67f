"""Features in serialised tf.Examples, as the arrays that a request with raw columns has."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.example.example_pb2 import Example

from serving.recording.columns import FeatureColumn
from serving.runtime.arrival.parsed_size import MAX_EXPANSION, parsed_bytes

_MAX_PARSED_BYTES = 2**26


def decode_examples(
    serialised: Sequence[bytes], features: Sequence[FeatureColumn]
) -> dict[str, list[NDArray[Any]]]:
    """Returns the values of each feature, one array `[1]` or `[1, …]` an example.

    Args:
        serialised: The examples; none of them is invalid, because the model has parsed them.
        features: The features to decode.

    Raises:
        ValueError: An example would take more than 64 MiB once parsed.
    """
    if not features:
        return {}  # the model may take texts of another kind
    pieces: dict[str, list[NDArray[Any]]] = {feature.name: [] for feature in features}
    for content in serialised:
        by_name = _parse(content).features.feature
        for feature in features:
            values = _values(by_name[feature.name]) if feature.name in by_name else ()
            pieces[feature.name].append(_piece(values, feature))
    return pieces


def _parse(content: bytes) -> Example:
    # TensorFlow passes over features that the model does not know; this parser keeps them.
    if len(content) * MAX_EXPANSION > _MAX_PARSED_BYTES:
        num_bytes = parsed_bytes(Example.DESCRIPTOR, content, limit=_MAX_PARSED_BYTES)
        if num_bytes > _MAX_PARSED_BYTES:
            raise ValueError(
                f"An example of {len(content)} bytes takes at least {num_bytes} bytes once it is "
                f"parsed; the limit of a recorded one is {_MAX_PARSED_BYTES} bytes"
            )
    return Example.FromString(content)


def _values(feature: Any) -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return () if kind is None else getattr(feature, kind).value


def _piece(values: Sequence[Any], feature: FeatureColumn) -> NDArray[Any]:
    if not feature.is_list:
        values = values[:1] or (feature.missing().item(),)
    array = np.empty(len(values), feature.dtype)
    array[:] = values
    return array.reshape(1, -1) if feature.is_list else array
