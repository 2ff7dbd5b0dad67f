"""Conversion between TensorProtos and NumPy arrays, with the rules of TensorFlow's C++ code.

TensorFlow's Python functions for it take longer than the run of a small model, and accept protos
that a C++ server refuses.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.types_pb2 import DataType

from serving.errors import invalid_argument

# A proto may hold one value for all elements. The bytes that a request adds in this way are
# limited, so that a small request cannot exhaust the memory.
MAX_FILLED_BYTES = 2**24
TEXT_BYTES = 24  # of each text in a tensor of TensorFlow, besides the characters
_MAX_RANK = 64  # NumPy's
_SLICE = 2**16


class TensorParsingError(ValueError):
    """The proto is not a valid tensor."""


class FilledTooLargeError(TensorParsingError):
    """The repeated values of a request exceed `MAX_FILLED_BYTES`; the message gives both."""


# NumPy type, and field of the proto that holds the values.
_TYPES: dict[int, tuple[np.dtype[Any], str]] = {
    DataType.DT_FLOAT: (np.dtype(np.float32), "float_val"),
    DataType.DT_DOUBLE: (np.dtype(np.float64), "double_val"),
    DataType.DT_INT32: (np.dtype(np.int32), "int_val"),
    DataType.DT_INT16: (np.dtype(np.int16), "int_val"),
    DataType.DT_INT8: (np.dtype(np.int8), "int_val"),
    DataType.DT_UINT16: (np.dtype(np.uint16), "int_val"),
    DataType.DT_UINT8: (np.dtype(np.uint8), "int_val"),
    DataType.DT_UINT32: (np.dtype(np.uint32), "uint32_val"),
    DataType.DT_UINT64: (np.dtype(np.uint64), "uint64_val"),
    DataType.DT_INT64: (np.dtype(np.int64), "int64_val"),
    DataType.DT_BOOL: (np.dtype(np.bool_), "bool_val"),
    DataType.DT_HALF: (np.dtype(np.float16), "half_val"),
    DataType.DT_BFLOAT16: (np.dtype(ml_dtypes.bfloat16), "half_val"),
    DataType.DT_COMPLEX64: (np.dtype(np.complex64), "scomplex_val"),
    DataType.DT_COMPLEX128: (np.dtype(np.complex128), "dcomplex_val"),
    DataType.DT_STRING: (np.dtype(object), "string_val"),
}
# DataType to NumPy type, and back.
NUMPY_TYPES = {enum: dtype for enum, (dtype, _) in _TYPES.items()}
# Keys on the wire of fields whose values have a fixed size.
_PACKED_KEYS = {
    field: bytes((TensorProto.DESCRIPTOR.fields_by_name[field].number << 3 | 2,))
    for field in ("float_val", "double_val", "scomplex_val", "dcomplex_val")
}
TYPE_ENUMS = {dtype: enum for enum, dtype in NUMPY_TYPES.items()}


def from_proto(tensor: TensorProto, *, max_filled_bytes: int = MAX_FILLED_BYTES) -> NDArray[Any]:
    """Returns a proto as an array; strings as an `object` array of bytes.

    If there are fewer values than elements, the last value is repeated, or zeros are used if there
    is none; surplus values are ignored. `tensor_content` must have exactly the size of the shape.

    Args:
        tensor: The proto.
        max_filled_bytes: Maximum size of the repeated values in a tensor of TensorFlow.

    Raises:
        FilledTooLargeError: The repeated values take more bytes.
        TensorParsingError: The type is unknown, the shape is invalid, or the content has another
            size.
    """
    entry = _TYPES.get(tensor.dtype)
    if entry is None:
        raise TensorParsingError(f"type {tensor.dtype}")
    dtype, field = entry
    shape = _shape(tensor)
    size = math.prod(shape)
    if tensor.tensor_content and size:
        return _from_content(tensor.tensor_content, dtype, shape)
    added_bytes = filled_bytes(tensor)
    if added_bytes > max_filled_bytes:
        raise FilledTooLargeError(
            f"{len(getattr(tensor, field))} values for {size} elements: the repeated values take "
            f"{added_bytes} bytes; the limit of a request is {MAX_FILLED_BYTES} bytes"
        )
    return _fill(_array(getattr(tensor, field), dtype, field)[:size], dtype, size).reshape(shape)


def filled_bytes(tensor: TensorProto) -> int:
    """Returns the bytes that values take which a valid proto does not hold but repeats."""
    dtype, field = _TYPES[tensor.dtype]
    if tensor.tensor_content:
        return 0
    values = getattr(tensor, field)
    num_parts = 2 if dtype.kind == "c" else 1
    size = math.prod(dim.size for dim in tensor.tensor_shape.dim)
    added = max(0, size - len(values) // num_parts)
    value_bytes = dtype.itemsize
    if dtype.hasobject:
        value_bytes = TEXT_BYTES + (len(values[-1]) if values else 0)
    return int(added * value_bytes)


def from_protos(tensors: Mapping[str, TensorProto]) -> dict[str, NDArray[Any]]:
    """Returns the tensors of a request as arrays; see `from_proto`.

    Raises:
        ServingError: INVALID_ARGUMENT, naming the first invalid tensor.
    """
    left = MAX_FILLED_BYTES
    arrays = {}
    for name, tensor in tensors.items():
        try:
            arrays[name] = from_proto(tensor, max_filled_bytes=left)
            left -= filled_bytes(tensor)
        except FilledTooLargeError as error:
            raise invalid_argument(f"tensor parsing error: {name}: {error}") from error
        except TensorParsingError as error:
            raise invalid_argument(f"tensor parsing error: {name}") from error
    return arrays


def true_bytes(array: NDArray[Any]) -> int:
    """Returns the bytes that an array takes as a tensor of TensorFlow, texts included."""
    if not array.dtype.hasobject:
        return array.nbytes
    return sum(TEXT_BYTES + len(text) for text in array.flat)


def _shape(tensor: TensorProto) -> list[int]:
    dims = tensor.tensor_shape.dim
    shape = [dim.size for dim in dims]
    if tensor.tensor_shape.unknown_rank or len(shape) > _MAX_RANK or min(shape, default=0) < 0:
        raise TensorParsingError(f"shape {shape[:8]}")
    # NumPy supports no larger strides, not even for an empty array.
    if math.prod(size for size in shape if size) >= 2**56:
        raise TensorParsingError(f"shape {shape[:8]}")
    return shape


def _from_content(content: bytes, dtype: np.dtype[Any], shape: Sequence[int]) -> NDArray[Any]:
    size = math.prod(shape)
    if dtype.hasobject:
        return _array(_decode_strings(content, size), dtype, "").reshape(shape)
    if len(content) != size * dtype.itemsize:
        raise TensorParsingError(f"{len(content)} bytes for {size} elements of {dtype}")
    return np.frombuffer(content, dtype).reshape(shape)


def _decode_strings(content: bytes, count: int) -> list[bytes]:
    """Decodes all lengths, as varints, and then all strings."""
    if count > len(content):
        raise TensorParsingError(f"{count} texts in {len(content)} bytes")
    lengths, at = [], 0
    for _ in range(count):
        length, at = _varint(content, at)
        lengths.append(length)
    texts = []
    for length in lengths:
        texts.append(content[at : at + length])
        at += length
    if at != len(content):
        raise TensorParsingError(f"texts of {at} bytes in {len(content)}")
    return texts


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise TensorParsingError("a text without a length")


def _array(values: Any, dtype: np.dtype[Any], field: str) -> NDArray[Any]:
    """Returns the values of a field as an array of one dimension."""
    if dtype.hasobject:
        array = np.empty(len(values), object)
        array[:] = values
        return array
    if field == "int_val":
        # C++ casts values that do not fit; NumPy would refuse them.
        return np.fromiter(values, np.int64, len(values)).astype(dtype)
    if field == "half_val":
        return np.fromiter(values, np.int64, len(values)).astype(np.uint16).view(dtype)
    if field in {"scomplex_val", "dcomplex_val"}:
        kind = np.float32 if field == "scomplex_val" else np.float64
        parts = np.fromiter(values, kind, len(values))
        return parts[: len(parts) // 2 * 2].view(dtype)
    # Value by value: `np.array` would first hold all of them as Python objects.
    return np.fromiter(values, dtype, len(values))


def _fill(values: NDArray[Any], dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    if len(values) == size:
        return values
    last = values[-1] if len(values) else (b"" if dtype.hasobject else dtype.type(0))
    filled = np.empty(size, dtype)
    filled[: len(values)] = values
    filled[len(values) :] = last
    return filled


def fill_proto(proto: TensorProto, array: NDArray[Any]) -> None:
    """Writes an array into the typed field of an empty proto, as TensorFlow Serving answers.

    Raises:
        TypeError: No proto can hold the array's type.
    """
    _fill_type_and_shape(proto, array)
    field = _TYPES[proto.dtype][1]
    flat = array.reshape(-1)
    if field in _PACKED_KEYS:
        # Both NumPy and protobuf store these values as little-endian bytes.
        head = _PACKED_KEYS[field] + _encode_varint(flat.nbytes)
        proto.MergeFromString(b"".join((head, np.ascontiguousarray(flat).view(np.uint8).data)))
        return
    values, convert = getattr(proto, field), _LISTS.get(field, _plain)
    for start in range(0, len(flat), _SLICE):  # as Python objects, values take ten times as much
        values.extend(convert(flat[start : start + _SLICE]))


def fill_content(proto: TensorProto, array: NDArray[Any]) -> None:
    """Writes an array into the `tensor_content` of an empty proto.

    Raises:
        TypeError: No proto can hold the array's type.
    """
    _fill_type_and_shape(proto, array)
    if array.dtype.hasobject:
        texts = _texts(array.reshape(-1))
        lengths = (_encode_varint(len(text)) for text in texts)
        proto.tensor_content = b"".join((*lengths, *texts))
    else:
        proto.tensor_content = array.tobytes()


def _fill_type_and_shape(proto: TensorProto, array: NDArray[Any]) -> None:
    enum = TYPE_ENUMS.get(array.dtype)
    if enum is None:
        raise TypeError(f"no tensor of type {array.dtype}")
    proto.dtype = enum
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size


def _encode_varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _plain(flat: NDArray[Any]) -> list[Any]:
    return list(flat.tolist())


def _texts(flat: NDArray[Any]) -> list[bytes]:
    return [value if isinstance(value, bytes) else str(value).encode() for value in flat]


_LISTS: dict[str, Callable[[NDArray[Any]], list[Any]]] = {
    "string_val": _texts,
    "half_val": lambda flat: _plain(flat.view(np.uint16)),
}
