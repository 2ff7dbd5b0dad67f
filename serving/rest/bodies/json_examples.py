"""The body of a classify or regress request: tf.Examples from JSON objects."""

import math
from typing import Any

from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature

from serving.errors import ServingError, invalid_argument
from serving.inference.examples import with_context
from serving.rest.bodies.json_values import (
    MISSING,
    JsonObject,
    debug_text,
    decode_base64,
    encode_text,
    is_base64,
    type_name,
)

_MAX_INT64 = 2**63 - 1
# Word in error texts, by field of a Feature.
_WORDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}
_MISSING: dict[type, Any] = {float: math.nan, int: -(2**63), bool: -(2**63)}
_FIELDS = {str: "bytes_list", float: "float_list", int: "int64_list", bool: "int64_list"}


def read_examples(document: JsonObject, *, is_lenient: bool = False) -> list[bytes]:
    """Returns the serialised tf.Examples of a request, each with the context's features.

    Args:
        document: The whole body.
        is_lenient: Whether null is a missing value: a feature without values, or inside a list a
            NaN, -2**63 or an empty string.

    Raises:
        ServingError: INVALID_ARGUMENT with TensorFlow Serving's text.
    """
    context = document.find("context")
    shared = None if context is MISSING else _example(context, is_lenient=is_lenient)
    examples = [_example(value, is_lenient=is_lenient) for value in _find_examples(document)]
    return examples if shared is None else with_context(examples, shared)


def _find_examples(document: JsonObject) -> list[Any]:
    examples = document.find("examples")
    if examples is MISSING:
        problem = "When method is classify, key 'examples' is expected and was not found"
    elif type(examples) is not list:
        problem = "Expecting 'examples' value to be an list/array"
    elif not examples:
        problem = "'examples' value is an empty array"
    else:
        return examples
    raise invalid_argument(f"JSON Value: {debug_text(document)} {problem}")


def _example(value: Any, *, is_lenient: bool) -> bytes:
    """Returns a serialised example; only one at a time exists as a message."""
    if type(value) is not JsonObject:
        raise invalid_argument(f"Example must be JSON object but got JSON {type_name(value)}")
    example = Example()
    # Of a feature that stands twice, each value is checked and the last one counts.
    for name, content in value:
        values = content if type(content) is list else [content]
        if is_lenient:
            values = _without_null(values)
        # A protobuf string must be UTF-8; the name is not checked otherwise.
        feature = example.features.feature[encode_text(name).decode("utf-8", "replace")]
        feature.Clear()
        _fill_feature(feature, name, values)
    return bytes(example.SerializeToString())


def _without_null(values: list[Any]) -> list[Any]:
    """Returns values whose nulls are replaced by the missing value of the others' type."""
    others = {type(value) for value in values if value is not None}
    filler = next((_MISSING[kind] for kind in others if kind in _MISSING), "")
    return [filler if value is None else value for value in values] if others else []


def _fill_feature(feature: Feature, name: str, values: list[Any]) -> None:
    kind = ""
    converted = []
    for value in values:
        field = _field(value, name)
        if kind and field != kind:
            raise invalid_argument(
                f"Unexpected element type in feature: {name} expecting type: {_WORDS[kind]}"
            )
        kind = field
        converted.append(_converted(value, name))
    if kind:
        getattr(feature, kind).value.extend(converted)


def _field(value: Any, name: str) -> str:
    field = "bytes_list" if is_base64(value) else _FIELDS.get(type(value))
    if field is None:
        raise _unexpected(value, name)
    return field


def _unexpected(value: Any, name: str) -> ServingError:
    return invalid_argument(
        f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
    )


def _converted(value: Any, name: str) -> Any:
    if type(value) is JsonObject:
        return decode_base64(value)
    if type(value) is str:
        return encode_text(value)
    if type(value) is int and value > _MAX_INT64:
        raise invalid_argument(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    return int(value) if type(value) is bool else value
