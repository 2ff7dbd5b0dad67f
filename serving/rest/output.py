"""Answers as JSON, in TensorFlow Serving's format of numbers."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.errors import ServingError, invalid_argument

Arrays = Mapping[str, NDArray[Any]]

_INDENT = b"    "


def float_text(value: float, *, single: bool) -> str:
    """Returns the shortest of `%g` and 9 (float) or 17 (double) digits that gives the value back.

    Args:
        value: The number.
        single: Whether it is a float rather than a double.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    back = float(np.float32(text)) if single else float(text)
    if back != value:
        text = f"{value:.9g}" if single else f"{value:.17g}"
    return text if any(each in text for each in ".e") else f"{text}.0"


def predictions_json(outputs: Arrays) -> bytes:
    """Returns the answer in row form: one value or object an instance.

    Raises:
        ServingError: INVALID_ARGUMENT for outputs without a batch, or with unequal ones;
            UNIMPLEMENTED for a type that JSON cannot hold.
    """
    size = None
    for name, array in sorted(outputs.items()):
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if size is not None and len(array) != size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}"
            )
        size = len(array)
    if len(outputs) == 1:
        [(name, array)] = outputs.items()
        rows = _rows(name, array)
        return _document(b"predictions", b"[" + b", ".join(rows) + b"\n" + _INDENT + b"]")
    columns = {_text(name.encode()): _rows(name, array) for name, array in outputs.items()}
    objects = (
        _object(dict(zip(columns, row, strict=True)), 2)
        for row in zip(*columns.values(), strict=True)
    )
    listed = (b",\n" + _INDENT * 2).join(objects)
    return _document(b"predictions", b"[\n" + _INDENT * 2 + listed + b"\n" + _INDENT + b"]")


def outputs_json(outputs: Arrays) -> bytes:
    """Returns the answer in columnar form.

    Raises:
        ServingError: UNIMPLEMENTED for a type that JSON cannot hold.
    """
    if len(outputs) == 1:
        [(name, array)] = outputs.items()
        return _document(b"outputs", _whole(name, array))
    columns = {_text(name.encode()): _whole(name, array) for name, array in outputs.items()}
    return _document(b"outputs", _object(columns, 1))


def classifications_json(result: ClassificationResult) -> bytes:
    """Returns the classes of each example as pairs of label and score."""
    rows = [
        b"["
        + b", ".join(
            b"[" + _text(each.label.encode()) + b", " + _float32(each.score) + b"]"
            for each in row.classes
        )
        + b"]"
        for row in result.classifications
    ]
    return _document(b"results", b"[" + b", ".join(rows) + b"]")


def regressions_json(result: RegressionResult) -> bytes:
    """Returns the value of each example."""
    values = (_float32(each.value) for each in result.regressions)
    return _document(b"results", b"[" + b", ".join(values) + b"]")


def error_json(message: str) -> bytes:
    """Returns the body of an error."""
    return b"{ " + _text(b"error") + b": " + _text(message.encode("utf-8", "replace")) + b" }"


def _document(key: bytes, value: bytes) -> bytes:
    return b'{\n    "' + key + b'": ' + value + b"\n}"


def _object(members: Mapping[bytes, bytes], depth: int) -> bytes:
    inner = b",\n".join(
        _INDENT * (depth + 1) + key + b": " + value for key, value in members.items()
    )
    return b"{\n" + inner + b"\n" + _INDENT * depth + b"}"


def _rows(name: str, array: NDArray[Any]) -> list[bytes]:
    """Each element along the first dimension, as JSON."""
    leaves = _leaves(name, array)
    if array.ndim == 1:
        return leaves
    size = len(leaves) // len(array) if len(array) else 0
    return [
        _nested(leaves[start : start + size], array.shape[1:])
        for start in range(0, len(leaves), size or 1)
    ] or [_nested([], array.shape[1:])] * len(array)


def _whole(name: str, array: NDArray[Any]) -> bytes:
    return _nested(_leaves(name, array), array.shape)


def _nested(leaves: list[bytes], shape: Sequence[int]) -> bytes:
    if not shape:
        return leaves[0]
    level = leaves
    for position in range(len(shape) - 1, 0, -1):
        size = shape[position]
        count = math.prod(shape[:position])
        level = [
            b"[" + b", ".join(level[number * size : (number + 1) * size]) + b"]"
            for number in range(count)
        ]
    return b"[" + b", ".join(level) + b"]"


def _leaves(name: str, array: NDArray[Any]) -> list[bytes]:
    flat = array.reshape(-1)
    kind = array.dtype.kind
    if array.dtype in (np.float32, np.float64):
        single = array.dtype == np.float32
        return [float_text(each, single=single).encode() for each in flat.tolist()]
    if kind == "b":
        return [b"true" if each else b"false" for each in flat.tolist()]
    if kind in "iu":
        return [str(each).encode() for each in flat.tolist()]
    if kind in "OSU":
        encode = _base64 if name.endswith("_bytes") else _text
        return [encode(_as_bytes(each)) for each in flat.tolist()]
    raise ServingError(
        grpc.StatusCode.UNIMPLEMENTED,
        f"Encountered unsupported data type: {array.dtype} of tensor: {name}",
    )


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _base64(value: bytes) -> bytes:
    return b'{"b64": "' + base64.b64encode(value) + b'"}'


def _text(value: bytes) -> bytes:
    """A JSON string; bytes that are no UTF-8 stay as they are, as TensorFlow Serving sends them."""
    text = json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)
    return text.encode("utf-8", "surrogateescape")


def _float32(value: float) -> bytes:
    return float_text(value, single=True).encode()
