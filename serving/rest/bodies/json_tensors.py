"""Conversion of JSON values to tensors.

Valid values are converted in bulk. Only if a value is invalid, all are checked one by one in
TensorFlow Serving's order, for the first that Serving would name.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework.types_pb2 import DataType

from serving.errors import invalid_argument
from serving.rest.bodies.json_values import (
    JsonObject,
    TooDeep,
    debug_text,
    decode_base64,
    encode_text,
)

MAX_RANK = 64  # NumPy's; TensorFlow's own is 254
_INT32 = (-(2**31), 2**31 - 1)
# Values are converted in pieces, so that other threads run in between.
_PIECE = 2**14
_END = object()

Arrays = dict[str, NDArray[Any]]


class UnfitError(Exception):
    """Some value does not fit the tensor; a check of each value names it."""


@dataclass(frozen=True)
class TensorType:
    """The JSON values that a tensor of one type accepts.

    Attributes:
        array: NumPy type of the array.
        classes: Accepted Python types.
        bounds: Range of accepted ints, inclusive; None for other types.
    """

    array: np.dtype[Any]
    classes: frozenset[type]
    bounds: tuple[int, int] | None = None

    def accepts(self, value: Any) -> bool:
        """Returns whether a value may be an element."""
        if type(value) not in self.classes:
            return False
        return self.bounds is None or self.bounds[0] <= value <= self.bounds[1]

    def convert(self, values: list[Any]) -> NDArray[Any]:
        """Returns an array of the values.

        Raises:
            UnfitError: Some value is not accepted.
        """
        if not set(map(type, values)) <= self.classes:
            raise UnfitError
        if self.bounds is None:
            return np.fromiter(values, self.array, len(values))
        if values and not (self.bounds[0] <= min(values) and max(values) <= self.bounds[1]):
            raise UnfitError
        # Types smaller than int32 are checked as int32, and wrap.
        wide = np.uint64 if self.bounds[1] >= 2**63 else np.int64
        return np.fromiter(values, wide, len(values)).astype(self.array)


class _TextType(TensorType):
    """Strings, or bytes as `{"b64": ...}`."""

    def convert(self, values: list[Any]) -> NDArray[Any]:
        if not set(map(type, values)) <= self.classes:
            raise UnfitError
        array = np.empty(len(values), object)
        array[:] = [
            encode_text(value) if type(value) is str else decode_base64(value) for value in values
        ]
        return array


def _numbers(dtype: type) -> TensorType:
    return TensorType(np.dtype(dtype), frozenset({int, float}))


def _ints(dtype: type, bounds: tuple[int, int]) -> TensorType:
    return TensorType(np.dtype(dtype), frozenset({int}), bounds)


TYPES: Mapping[int, TensorType] = {
    DataType.DT_FLOAT: _numbers(np.float32),
    DataType.DT_DOUBLE: _numbers(np.float64),
    DataType.DT_INT32: _ints(np.int32, _INT32),
    DataType.DT_INT16: _ints(np.int16, _INT32),
    DataType.DT_INT8: _ints(np.int8, _INT32),
    DataType.DT_UINT8: _ints(np.uint8, _INT32),
    DataType.DT_INT64: _ints(np.int64, (-(2**63), 2**63 - 1)),
    DataType.DT_UINT32: _ints(np.uint32, (0, 2**32 - 1)),
    DataType.DT_UINT64: _ints(np.uint64, (0, 2**64 - 1)),
    DataType.DT_BOOL: TensorType(np.dtype(bool), frozenset({bool})),
    DataType.DT_STRING: _TextType(np.dtype(object), frozenset({str, JsonObject})),
}


def shape_of(value: Any) -> list[int]:
    """Returns the shape that the first element of each dimension implies."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    if type(value) is TooDeep:
        shape += [1] * MAX_RANK
    return shape


def to_array(values: list[Any], shape: Sequence[int], tensor_type: TensorType) -> NDArray[Any]:
    """Returns values of equal shape as one array with a leading dimension.

    Args:
        values: Nested lists.
        shape: Shape of each value.
        tensor_type: Type of the tensor.

    Raises:
        UnfitError: A list has another length or depth, or a value has another type.
    """
    if len(shape) >= MAX_RANK:
        raise UnfitError
    pieces = [
        _piece(values[start : start + _PIECE], shape, tensor_type)
        for start in range(0, len(values), _PIECE)
    ] or [_piece([], shape, tensor_type)]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _piece(values: list[Any], shape: Sequence[int], tensor_type: TensorType) -> NDArray[Any]:
    flat = values
    for size in shape:
        if not set(map(type, flat)) <= {list} or not set(map(len, flat)) <= {size}:
            raise UnfitError
        flat = flat[0] if len(flat) == 1 else list(itertools.chain.from_iterable(flat))
    if len(flat) <= _PIECE:
        array = tensor_type.convert(flat)
    else:
        starts = range(0, len(flat), _PIECE)
        array = np.concatenate([tensor_type.convert(flat[at : at + _PIECE]) for at in starts])
    return array.reshape(len(values), *shape)


def single_array(value: Any, tensor_type: TensorType) -> NDArray[Any]:
    """Returns a value as one tensor, without a leading dimension.

    Raises:
        UnfitError: As `to_array`.
    """
    shape = shape_of(value)
    if shape:
        return to_array(value, shape[1:], tensor_type)
    return to_array([value], (), tensor_type).reshape(())


Check = Callable[[Any], None]


def check_tensor(
    value: Any, check_value: Check, shape: Sequence[int], *, is_inner: bool = False
) -> int:
    """Checks the values of one tensor in order, without recursion; returns their number.

    Args:
        value: Nested lists.
        check_value: Raises ServingError for an element that does not fit.
        shape: Shape that the first elements imply.
        is_inner: Whether `value` is a part of the items of the tensor.

    Raises:
        ServingError: INVALID_ARGUMENT for the first wrong value.
    """
    rank = len(shape)
    count = 0
    base = 1 if is_inner else 0
    waiting = [iter(value if is_inner else [value])]
    while waiting:
        level = len(waiting) - 1 + base
        item = next(waiting[-1], _END)
        if item is _END:
            waiting.pop()
        elif type(item) is list or type(item) is TooDeep:
            _check_list(item, level, shape)
            waiting.append(iter(item))
        else:
            if level != rank:
                raise invalid_argument(
                    f"JSON Value: {debug_text(item)} found at incorrect level: {level + 1} in the "
                    f"JSON DOM. Expected at level: {rank}"
                )
            check_value(item)
            count += 1
    return count


def _check_list(item: list[Any], level: int, shape: Sequence[int]) -> None:
    rank = len(shape)
    if level >= rank:
        raise invalid_argument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if type(item) is not TooDeep and len(item) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(item)} at level: {level} "
            f"expected size: {shape[level]}"
        )
