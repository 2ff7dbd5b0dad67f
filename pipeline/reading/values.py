"""Conversion of whole columns to int64, float64, float32 or binary.

Each function returns the converted column and a mask of the values that could not be converted. A
missing value remains an Arrow null and is not invalid. Whole columns are cast at once; values are
parsed one by one only if that fails.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Number = TypeVar("Number", int, float)

_INT64_LIMIT = 2**63
MINUS = "\u2212"  # the sign of typography, which some programs write
# `str.strip` removes all blanks of Unicode, non-breaking ones too, but not these.
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
# All characters that mean nothing around a value.
BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + ZERO_WIDTH


def is_text(kind: pa.DataType) -> bool:
    """Tells whether an Arrow type holds text or bytes."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def to_text(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Returns a binary column; texts that are not UTF-8 are invalid."""
    if not is_text(column.type):
        return column.cast(pa.string()).cast(pa.binary()), _none_bad(column)
    column = column.cast(pa.binary())
    try:
        column.cast(pa.string())
    except pa.ArrowInvalid:
        bad = np.array(
            [text is not None and utf8_or_none(text) is None for text in column.to_pylist()]
        )
        return _without(column, bad), bad
    return column, _none_bad(column)


def utf8_or_none(text: bytes | None) -> str | None:
    """Returns the decoded text, or None where it is missing or not UTF-8."""
    try:
        return None if text is None else text.decode()
    except UnicodeDecodeError:
        return None


def floats_of(texts: pa.Array) -> pa.Array:
    """Returns float64 numbers of Arrow strings; a text that is no number becomes null."""
    fast = cast_or_none(texts, pa.float64())
    if fast is not None:
        return fast
    numbers = [None if text is None else _float_or_none(text) for text in texts.to_pylist()]
    return pa.array(numbers, pa.float64())


def to_int(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Returns an int64 column; fractions and texts that are not whole numbers are invalid."""
    if is_text(column.type):
        return _parse(column, pa.int64(), _int_or_none)
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        values = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
        missing = np.isnan(values)
        bad = ~missing & ~((np.abs(values) < _INT64_LIMIT) & (np.floor(values) == values))
        whole = np.where(missing | bad, 0, values).astype(np.int64)
        return pa.array(whole, mask=missing | bad), bad
    if pa.types.is_uint64(column.type):
        limit = pa.scalar(_INT64_LIMIT - 1, pa.uint64())
        bad = np.asarray(pc.greater(column, limit).fill_null(False))
        return _without(column, bad).cast(pa.int64()), bad
    return column.cast(pa.int64()), _none_bad(column)


def to_float(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Returns a float32 column; texts that are not numbers are invalid, and NaN is missing."""
    if is_text(column.type):
        values, bad = _parse(column, pa.float64(), _float_or_none)
    else:
        wide = column.cast(pa.float32()) if pa.types.is_float16(column.type) else column
        # Not safe: whole numbers beyond 2**53 are rounded, as those of a text are.
        values, bad = wide.cast(pa.float64(), safe=False), _none_bad(column)
    missing = np.asarray(pc.is_null(values, nan_is_null=True))
    numbers = np.asarray(values.fill_null(0.0))
    # A number beyond float32 becomes infinite, as it does in a tf.Example.
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
    return pa.array(narrow, mask=missing), bad


def all_int(column: pa.Array) -> bool:
    """Tells whether every text that is not missing is a whole number within int64."""
    # Fast path for a column of fractions, whose first few thousand values may be whole.
    if pc.any(pc.match_substring_regex(column, r"[.A-Za-z]")).as_py():
        return False
    return _all_parse(column, pa.int64(), _int_or_none)


def all_float(column: pa.Array) -> bool:
    """Tells whether every text that is not missing is a number."""
    return _all_parse(column, pa.float64(), _float_or_none)


def _all_parse(column: pa.Array, kind: pa.DataType, parse: Callable[[str], Number | None]) -> bool:
    if cast_or_none(column, kind) is not None:
        return True
    for text in column.drop_null().to_pylist():
        if text.strip() and (utf8_or_none(text) is None or parse(text.decode()) is None):
            return False
    return True


def _parse(
    column: pa.Array, kind: pa.DataType, parse: Callable[[str], Number | None]
) -> tuple[pa.Array, Mask]:
    column = column.cast(pa.binary())
    fast = cast_or_none(column, kind)
    if fast is not None:
        return fast, _none_bad(column)
    values: list[Number | None] = []
    bad = np.zeros(len(column), bool)
    for place, text in enumerate(column.to_pylist()):
        blank = text is None or not text.strip()
        value = None if blank else parse(text.decode(errors="replace"))
        bad[place] = not blank and value is None
        values.append(value)
    return pa.array(values, kind), bad


def cast_or_none(column: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Casts all texts to numbers at once; returns None if one does not fit."""
    try:
        text = column.cast(pa.string())
        numbers = text.cast(kind)
    except pa.ArrowInvalid:
        return None
    # Arrow parses 0x1F as a number; Python and TFX do not.
    if (
        pa.types.is_integer(kind)
        and pc.any(pc.match_substring(text, "x", ignore_case=True)).as_py()
    ):
        return None
    return numbers


def _int_or_none(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if "_" not in text and -_INT64_LIMIT <= value < _INT64_LIMIT else None


def _float_or_none(text: str) -> float | None:
    try:
        value = float(text.replace(MINUS, "-"))
    except ValueError:
        return None
    return None if "_" in text else value


def _none_bad(column: pa.Array) -> Mask:
    return np.zeros(len(column), bool)


def _without(column: pa.Array, bad: Mask) -> pa.Array:
    return pc.if_else(pa.array(~bad), column, pa.scalar(None, column.type))


def to_lists(column: pa.Array, convert: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Returns a large list column with its elements converted; a null list becomes empty.

    Args:
        column: Lists of any Arrow list type.
        convert: Converts the flat elements one to one, without nulls.
    """
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    lengths = np.asarray(pc.list_value_length(column).fill_null(0), np.int64)
    return lists_of(convert(column.flatten()), lengths)


def lists_of(elements: pa.Array, lengths: npt.NDArray[np.int64]) -> pa.LargeListArray:
    """Returns a large list column of the given lengths over flat elements."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), elements)


def samples(elements: pa.Array) -> pa.Array:
    """Returns float32 samples; a missing sample becomes NaN, which counts as a gap."""
    values, _ = to_float(elements)
    return values.fill_null(np.float32(np.nan))


def stack(columns: Sequence[pa.Array]) -> pa.LargeListArray:
    """Returns one list column; each row holds one float32 value from each input column."""
    table: Any = np.stack([np.asarray(samples(column)) for column in columns], axis=1)
    rows, width = table.shape
    return lists_of(pa.array(table.reshape(-1)), np.full(rows, width, np.int64))
