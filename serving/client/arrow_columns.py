"""Encoding of Arrow columns as the arrays of inputs, without a Python object per value.

Other columns go through `values.encode_values`, whose errors name the row.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from serving.client.signatures import TensorSpec
from serving.client.values import encode_values, has_overflown, missing_value


def encode_arrow(column: pa.Array | pa.ChunkedArray, spec: TensorSpec) -> NDArray[Any]:
    """Returns one column as an array `[rows, …]` of the input's type.

    Raises:
        RowError: A value does not fit; names row and column.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    fast = _encode_lists(array, spec) if _is_list(array.type) else _encode_single(array, spec)
    return encode_values(array.to_pylist(), spec) if fast is None else fast


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _encode_single(array: pa.Array, spec: TensorSpec) -> NDArray[Any] | None:
    if spec.shape is not None and len(spec.shape) != 1:
        return None
    if spec.is_text:
        return _encode_text(array)
    number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    if not number or spec.dtype is None or spec.dtype.kind not in "fi":
        return None
    if spec.dtype.kind == "i":
        return _encode_whole(array, spec)
    floats = array if pa.types.is_floating(array.type) else _cast(array, pa.float64())
    if floats is None:
        return None
    wide: NDArray[Any] = floats.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        values: NDArray[Any] = wide.astype(spec.dtype)
    return None if has_overflown(values, wide) else values


def _encode_whole(array: pa.Array, spec: TensorSpec) -> NDArray[Any] | None:
    assert spec.dtype is not None  # noqa: S101 - the caller has checked
    wide = _cast(array, pa.int64()) if pa.types.is_integer(array.type) else None
    filling = missing_value(spec)
    if wide is None or (wide.null_count and filling is None):
        return None
    values = wide.fill_null(filling or 0).to_numpy(zero_copy_only=False)
    narrow: NDArray[Any] = values.astype(spec.dtype)
    return narrow if np.array_equal(narrow, values) else None


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array | None:
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        return None


def _encode_text(array: pa.Array) -> NDArray[Any] | None:
    types = pa.types
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    if not any(is_kind(array.type) for is_kind in kinds):
        return None
    encoded = np.empty(len(array), object)
    encoded[:] = array.cast(pa.large_binary()).fill_null(b"").to_pylist()
    return encoded


def _encode_lists(array: pa.Array, spec: TensorSpec) -> NDArray[Any] | None:
    """Encodes rows of equal length; some may be missing if the input fixes the length."""
    if spec.shape is None or len(spec.shape) != 2 or _is_list(array.type.value_type):
        return None
    if pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    lengths = np.asarray(pc.list_value_length(array).fill_null(0), np.int64)
    size = spec.shape[1]
    if size < 0:
        size = int(lengths[0]) if lengths.size else 0
    has_values = lengths > 0
    filling = missing_value(spec)
    if not (lengths[has_values] == size).all() or (filling is None and not has_values.all()):
        return None
    if size == 0 or (spec.shape[1] < 0 and not has_values.all()):
        return None
    flat = _encode_single(array.flatten(), spec.element())
    if flat is None:
        return None
    rows = flat.reshape(-1, size)
    if has_values.all():
        return rows
    out = np.full((len(array), size), filling, spec.dtype)
    out[has_values] = rows
    return out
