"""JSON objects as tf.Examples, for Classify and Regress."""

from collections.abc import Mapping
from typing import Any

from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature

from serving.errors import invalid_argument
from serving.rest.values import as_bytes, format_error, is_base64, type_name

_INT64 = (-(2**63), 2**63 - 1)


def examples_from_json(document: Mapping[str, Any]) -> list[bytes]:
    """Returns the serialised examples of a request, each with the context's features it lacks.

    Raises:
        ServingError: INVALID_ARGUMENT, in TensorFlow Serving's words.
    """
    context = _features(document["context"]) if "context" in document else {}
    if "examples" not in document:
        # For regress, too, the text speaks of classify.
        raise format_error(
            document, "When method is classify, key 'examples' is expected and was not found"
        )
    examples = document["examples"]
    if not isinstance(examples, list):
        raise format_error(document, "'examples' value is not an array")
    if not examples:
        raise format_error(document, "'examples' value is an empty array")
    return [_serialised({**context, **_features(example)}) for example in examples]


def _serialised(features: Mapping[str, Feature]) -> bytes:
    example = Example()
    for name, feature in features.items():
        example.features.feature[name].CopyFrom(feature)
    return bytes(example.SerializeToString())


def _features(given: Any) -> dict[str, Feature]:
    if not isinstance(given, dict):
        raise format_error(given, "Example must be JSON object but got JSON list/value")
    return {name: _feature(name, value) for name, value in given.items()}


def _feature(name: str, value: Any) -> Feature:
    elements = value if isinstance(value, list) else [value]
    feature = Feature()
    kind = ""
    for element in elements:
        found, stored = _element(name, element)
        kind = kind or found
        if found != kind:
            raise invalid_argument(
                f"Unexpected element type in feature: {name} expecting type: {kind}"
            )
        field = {"int64": feature.int64_list, "float": feature.float_list}.get(
            kind, feature.bytes_list
        )
        field.value.append(stored)
    return feature


def _element(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "int64", int(value)
    if isinstance(value, int) and _INT64[0] <= value <= _INT64[1]:
        return "int64", value
    if isinstance(value, int | float):
        return "float", float(value)
    if isinstance(value, str) or is_base64(value):
        found = as_bytes(value)
        if found is not None:
            return "bytes", found
    raise invalid_argument(
        f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
    )
