"""Encoding of the Python values of one column as the array of an input.

A missing value (None, NaN, pandas' NA and NaT) is sent as NaN in a float input, as -2**63 in an
int64 input and as the empty string in a string input; a missing or empty list as a row of those.
Other types have no missing value. A `pathlib.Path` is sent as the bytes of its file.
"""

import numbers
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.errors import InputMismatchError, RowError
from serving.client.signatures import TensorSpec

MISSING_INT = -(2**63)
_SHOWN = 40
_TEXTS = (str, bytes, bytearray, memoryview)
_PANDAS_MISSING = {"NAType", "NaTType"}  # compared by name, so that pandas is not imported

Convert = Callable[[Any], Any]


class _UnfitError(Exception):
    """A single value does not fit; the message is what was expected."""


def encode_values(values: Sequence[Any], spec: TensorSpec) -> NDArray[Any]:
    """Returns the values of one column as an array `[rows, …]` of the input's type.

    Args:
        values: One value per row; a (nested) list or array unless the input is `[batch]`.
        spec: Spec of the input.

    Raises:
        RowError: A value does not fit; names row and column.
        InputMismatchError: The input has no batch dimension, or an unsupported type.
    """
    row_shape = _row_shape(values, spec)
    if not row_shape:
        return _encode_single(values, spec, lambda place: place)
    return _encode_nested(values, spec, row_shape)


def is_missing(value: Any) -> bool:
    """Returns whether a single value is missing."""
    if value is None or type(value).__name__ in _PANDAS_MISSING:
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating) and bool(value != value)  # noqa: PLR0124 - NaN


def missing_value(spec: TensorSpec) -> Any:
    """Returns the value that encodes a missing one in an input; None if there is none."""
    if spec.is_text:
        return b""
    dtype = _dtype(spec)
    if dtype.kind == "f":
        return np.nan
    return MISSING_INT if dtype == np.int64 else None


def _dtype(spec: TensorSpec) -> np.dtype[Any]:
    if spec.dtype is None:
        raise InputMismatchError(
            f"The input `{spec.name}` has a TensorFlow type that this client does not support."
        )
    return spec.dtype


def _row_shape(values: Sequence[Any], spec: TensorSpec) -> tuple[int, ...]:
    if spec.shape is None:
        first = next((value for value in values if _is_list(value)), None)
        return () if first is None else tuple(-1 for _ in np.shape(first))
    if not spec.shape:
        raise InputMismatchError(
            f"The input `{spec.name}` takes one value per request, not one per row: it has no "
            "batch dimension. Call such a model by gRPC or REST directly."
        )
    return spec.shape[1:]


def _encode_single(
    values: Sequence[Any], spec: TensorSpec, row_of: Callable[[int], int]
) -> NDArray[Any]:
    fast = _encode_plain(values, spec)
    if fast is not None:
        return fast
    convert = _converter(spec)
    array = np.empty(len(values), _dtype(spec))
    for place, value in enumerate(values):
        try:
            array[place] = convert(value)
        except _UnfitError as error:
            raise RowError(
                row_of(place), spec.name, f"found {_shown(value)}, expected {error}."
            ) from None
    return array


def _encode_plain(values: Sequence[Any], spec: TensorSpec) -> NDArray[Any] | None:
    """Encodes a column that has only plain values of the input's kind; None for any other."""
    kinds = set(map(type, values))
    dtype = _dtype(spec)
    if spec.is_text and kinds <= {str}:
        encoded = np.empty(len(values), object)
        try:
            encoded[:] = [value.encode() for value in values]
        except UnicodeEncodeError:
            return None
        return encoded
    if (dtype.kind == "f" and kinds <= {float, int, type(None)}) or (
        dtype.kind in "iu" and kinds <= {int}
    ):
        try:
            with np.errstate(over="ignore"):
                array = np.array(values, dtype)
        except OverflowError:
            return None
        return None if has_overflown(array, np.array(values, float)) else array
    return np.array(values, dtype) if dtype.kind == "b" and kinds <= {bool} else None


def _converter(spec: TensorSpec) -> Convert:
    if spec.is_text:
        return _to_bytes
    dtype = _dtype(spec)
    if dtype.kind == "f":
        return lambda value: _to_float(value, dtype)
    if dtype.kind == "b":
        return _to_bool
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    missing = missing_value(spec)
    return lambda value: _to_int(value, low, high, missing)


def _to_bytes(value: Any) -> bytes:
    if is_missing(value):
        return b""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise _UnfitError("text that UTF-8 can encode, or bytes") from None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, bool | np.bool_):  # as Faultline's examples spell a truth value
        return b"true" if value else b"false"
    if isinstance(value, Path):
        try:
            return value.read_bytes()
        except OSError as error:
            raise _UnfitError(f"a file that can be read ({error.strerror})") from None
    raise _UnfitError("text or bytes, or the pathlib.Path of a file")


def has_overflown(array: NDArray[Any], values: NDArray[Any]) -> bool:
    """Tells whether a finite number became infinite in a narrower type of floats."""
    return array.dtype.kind == "f" and bool((np.isinf(array) & ~np.isinf(values)).any())


def _to_float(value: Any, dtype: np.dtype[Any]) -> float:
    if is_missing(value):
        return np.nan
    if not isinstance(value, numbers.Real | Decimal | np.bool_):
        raise _UnfitError("a number")
    limit = f"a number up to {np.finfo(dtype).max:.2g}, as a {dtype} holds"
    try:
        number = float(value)
    except OverflowError:
        raise _UnfitError(limit) from None
    with np.errstate(over="ignore"):
        if has_overflown(np.array(number, dtype), np.array(number)):
            raise _UnfitError(limit)
    return number


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise _UnfitError("True or False; this type has no missing value")


def _to_int(value: Any, low: int, high: int, missing: int | None) -> int:
    if is_missing(value):
        if missing is None:
            raise _UnfitError("a whole number; this type has no missing value")
        return missing
    number = _whole(value)
    if not low <= number <= high:
        raise _UnfitError(f"a whole number from {low} to {high}")
    return number


def _whole(value: Any) -> int:
    """Returns a whole number as int, and a date or time as seconds since 1970."""
    if isinstance(value, np.datetime64 | date):
        return _epoch_seconds(value)
    if isinstance(value, numbers.Integral | np.bool_):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return int(float(value))
    raise _UnfitError("a whole number" + _time_advice(value))


def _time_advice(value: Any) -> str:
    """Returns how to send a time that is written as text; empty for anything else."""
    if not isinstance(value, str) or "-" not in value:
        return ""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ""
    return (
        "; a time is sent as seconds since 1970 in UTC: pass datetime.fromisoformat(value), which "
        f"the client converts, or {_epoch_seconds(moment)}"
    )


def _epoch_seconds(moment: np.datetime64 | date) -> int:
    """Returns the seconds since 1970 UTC; without a time zone, a time is UTC."""
    if isinstance(moment, np.datetime64):
        return int(moment.astype("datetime64[s]").astype(np.int64))
    if not isinstance(moment, datetime):
        return int(datetime(moment.year, moment.month, moment.day, tzinfo=UTC).timestamp())
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() // 1)


def _is_list(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (*_TEXTS, dict))


def _encode_nested(
    values: Sequence[Any], spec: TensorSpec, row_shape: tuple[int, ...]
) -> NDArray[Any]:
    arrays: list[NDArray[Any] | None] = [
        None if _no_list(value) else _encode_row(place, value, spec, row_shape)
        for place, value in enumerate(values)
    ]
    shape = next((array.shape for array in arrays if array is not None), row_shape)
    for place, array in enumerate(arrays):
        if array is not None and array.shape != shape:
            raise RowError(
                place,
                spec.name,
                f"found the shape {list(array.shape)}, but {list(shape)} in the rows before. "
                "All rows of a call must have the same shape.",
            )
    filling = missing_value(spec)
    if any(array is None for array in arrays) and (filling is None or -1 in shape):
        place = next(place for place, array in enumerate(arrays) if array is None)
        raise RowError(place, spec.name, f"found nothing, expected {_described(row_shape)}.")
    out = np.empty((len(values), *(max(size, 0) for size in shape)), _dtype(spec))
    for place, array in enumerate(arrays):
        out[place] = filling if array is None else array
    return out


def _no_list(value: Any) -> bool:
    return is_missing(value) or (_is_list(value) and len(value) == 0)


def _encode_row(row: int, value: Any, spec: TensorSpec, row_shape: tuple[int, ...]) -> NDArray[Any]:
    if not _is_list(value):
        if set(row_shape) <= {1}:
            return _encode_single([value], spec, lambda _: row).reshape(row_shape)
        raise RowError(row, spec.name, f"found {_shown(value)}, expected {_described(row_shape)}.")
    if row_shape[0] not in (-1, len(value)):
        raise RowError(
            row,
            spec.name,
            f"found {len(value)} value{'s' * (len(value) != 1)}, expected {_described(row_shape)}.",
        )
    if len(row_shape) > 1:
        return np.stack([_encode_row(row, part, spec, row_shape[1:]) for part in value])
    if isinstance(value, np.ndarray) and value.dtype.kind in "f" and _dtype(spec).kind == "f":
        with np.errstate(over="ignore"):
            array = value.astype(_dtype(spec))
        if not has_overflown(array, value):
            return array
    flat = value.tolist() if isinstance(value, np.ndarray) else list(value)
    nested = next((part for part in flat if _is_list(part)), None)
    if nested is not None:
        raise RowError(row, spec.name, f"found a list of lists, expected {_described(row_shape)}.")
    return _encode_single(flat, spec, lambda _: row)


def _described(row_shape: tuple[int, ...]) -> str:
    sizes = ["any number of" if size < 0 else str(size) for size in row_shape]
    return f"a list of {' times '.join(sizes)} values"


def _shown(value: Any) -> str:
    if isinstance(value, Path):
        return f"the path {value}"
    text = repr(value)
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    if isinstance(value, _TEXTS):
        return f"the text {text}" if isinstance(value, str) else f"the bytes {text}"
    return f"a list of {len(value)}" if _is_list(value) else f"{text} ({type(value).__name__})"
