"""Answers as JSON, with the layout of TensorFlow Serving."""

import base64
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.errors import invalid_argument
from serving.rest.bodies.decimals import decimal_texts
from serving.rest.bodies.json_values import encode_text, quote

_INDENT = "    "
_BYTES_SUFFIX = "_bytes"
_PIECE = 2**14

Arrays = Mapping[str, NDArray[Any]]


def row_json(arrays: Arrays) -> bytes:
    """Returns outputs as `{"predictions": [...]}`, with a value or object per instance.

    Raises:
        ServingError: INVALID_ARGUMENT if an output has no batch dimension, or another batch size.
    """
    num_rows = _check_batch(arrays)
    write, separator = (_values, ", ") if len(arrays) == 1 else (_objects, ",\n")
    texts = [write(piece) for piece in _row_pieces(arrays, num_rows)]
    start = "" if len(arrays) == 1 else "\n"
    text = start + separator.join(texts) + f"\n{_INDENT}" if num_rows else ""
    return encode_text(f'{{\n{_INDENT}"predictions": [{text}]\n}}')


def _row_pieces(arrays: Arrays, num_rows: int) -> Iterator[Arrays]:
    """Yields the outputs some rows at a time, so that other threads run in between."""
    num_elements = sum(array.size for array in arrays.values())
    step = max(1, _PIECE * num_rows // max(num_elements, 1))
    for start in range(0, num_rows, step):
        yield {name: array[start : start + step] for name, array in arrays.items()}


def _values(arrays: Arrays) -> str:
    [(name, array)] = arrays.items()
    return ", ".join(_lines(_leaves(name, array, depth=2), array.shape))


def _objects(arrays: Arrays) -> str:
    columns = [
        [f"{_INDENT * 3}{quote(name)}: {row}" for row in rows]
        for name, array in arrays.items()
        for rows in [_lines(_leaves(name, array, depth=3), array.shape)]
    ]
    opening, closing = _INDENT * 2 + "{\n", f"\n{_INDENT * 2}}}"
    return ",\n".join(
        opening + ",\n".join(members) + closing for members in zip(*columns, strict=True)
    )


def column_json(arrays: Arrays) -> bytes:
    """Returns outputs as `{"outputs": ...}`: one value, or an object of values by name."""
    if len(arrays) == 1:
        [(name, array)] = arrays.items()
        text = _indented(name, array, depth=1)
    else:
        members = [
            f"{_INDENT * 2}{quote(name)}: {_indented(name, array, depth=2)}"
            for name, array in arrays.items()
        ]
        text = "{\n" + ",\n".join(members) + f"\n{_INDENT}}}"
    return encode_text(f'{{\n{_INDENT}"outputs": {text}\n}}')


def classification_json(result: ClassificationResult) -> bytes:
    """Returns `{"results": [[["label", score], ...], ...]}`."""
    scores = _score_texts(result)
    rows = [
        "[" + ", ".join(f"[{quote(item.label)}, {next(scores)}]" for item in row.classes) + "]"
        for row in result.classifications
    ]
    return encode_text(f'{{\n{_INDENT}"results": [{", ".join(rows)}\n{_INDENT}]\n}}')


def _score_texts(result: ClassificationResult) -> Iterator[str]:
    scores = (item.score for row in result.classifications for item in row.classes)
    while piece := list(itertools.islice(scores, _PIECE)):
        yield from decimal_texts(np.array(piece, np.float32))


def regression_json(result: RegressionResult) -> bytes:
    """Returns `{"results": [...]}`."""
    values = np.array([item.value for item in result.regressions], np.float32)
    return encode_text(f'{{\n{_INDENT}"results": [{", ".join(decimal_texts(values))}]\n}}')


def error_json(message: str) -> bytes:
    """Returns `{"error": ...}`."""
    return encode_text(f'{{\n{_INDENT}"error": {quote(message)}\n}}')


def document_json(document: Mapping[str, object]) -> bytes:
    """Returns a document in protobuf's layout: one space per level, and a newline at the end."""
    return encode_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _check_batch(arrays: Arrays) -> int:
    if not arrays:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    batch_size = -1
    for name, array in arrays.items():
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch_size >= 0 and len(array) != batch_size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {batch_size}"
            )
        batch_size = len(array)
    return batch_size


# Values


def _leaves(name: str, array: NDArray[Any], depth: int) -> list[str]:
    """Returns every element as JSON, in order."""
    dtype = array.dtype
    if dtype.char in "fd":
        return decimal_texts(array)
    flat = array.reshape(-1)
    if dtype.kind == "O":
        write = _base64_writer(depth) if name.endswith(_BYTES_SUFFIX) else _text
        return [write(value) for value in flat.tolist()]
    if dtype.kind == "b":
        return ["true" if value else "false" for value in flat.tolist()]
    if dtype.kind in "iu" and dtype != np.uint16:
        return list(map(str, flat.tolist()))
    raise invalid_argument(f"Failed to write JSON value for tensor type: {_type_name(dtype)}")


def _type_name(dtype: np.dtype[Any]) -> str:
    return {"float16": "half"}.get(dtype.name, dtype.name)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _text(value: Any) -> str:
    return quote(_bytes(value).decode("utf-8", "surrogateescape"))


def _base64_writer(depth: int) -> Callable[[Any], str]:
    inner, outer = _INDENT * (depth + 1), _INDENT * depth

    def write(value: Any) -> str:
        return f'{{\n{inner}"b64": "{base64.b64encode(_bytes(value)).decode()}"\n{outer}}}'

    return write


# Layout


def _lines(leaves: list[str], shape: Sequence[int]) -> list[str]:
    """Returns the items of the first dimension, each as one line."""
    texts = leaves
    for axis in range(len(shape) - 1, 0, -1):
        texts = _grouped(texts, shape, axis, lambda items: f"[{', '.join(items)}]")
    return texts


def _indented(name: str, array: NDArray[Any], depth: int) -> str:
    """Returns an array with every element on a separate line."""
    if not array.ndim:
        return _leaves(name, array, depth)[0]
    inner = "\n" + _INDENT * (depth + 1)
    items = [
        _indented_items(name, piece[name], depth)
        for piece in _row_pieces({name: array}, len(array))
    ]
    return f"[{inner}{f',{inner}'.join(items)}\n{_INDENT * depth}]" if items else "[]"


def _indented_items(name: str, array: NDArray[Any], depth: int) -> str:
    texts = _leaves(name, array, depth + array.ndim)
    for axis in range(array.ndim - 1, 0, -1):
        inner, outer = "\n" + _INDENT * (depth + axis + 1), "\n" + _INDENT * (depth + axis)

        def write(items: list[str], inner: str = inner, outer: str = outer) -> str:
            return f"[{inner}{f',{inner}'.join(items)}{outer}]" if items else "[]"

        texts = _grouped(texts, array.shape, axis, write)
    return f",\n{_INDENT * (depth + 1)}".join(texts)


def _grouped(
    texts: list[str], shape: Sequence[int], axis: int, write: Callable[[list[str]], str]
) -> list[str]:
    size = shape[axis]
    count = math.prod(shape[:axis])
    return [write(texts[at * size : (at + 1) * size]) for at in range(count)]
