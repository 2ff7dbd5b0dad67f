"""Which rows of a record batch belong to which slice."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import InputError

Value = str | int | float
SliceKey = tuple[tuple[str, Value], ...]
OVERALL: SliceKey = ()


def rows_by_slice(
    batch: pa.RecordBatch, columns: Sequence[str]
) -> Iterator[tuple[SliceKey, NDArray[np.int64]]]:
    """Yields each combination of values of `columns` with its rows.

    A row that lacks one of the values is in no slice. Without columns there is one slice: all rows.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        columns: The columns to slice by.

    Raises:
        InputError: A row has several values in one of the columns.
    """
    if not columns:
        yield OVERALL, np.arange(batch.num_rows)
        return
    if any(batch.schema.get_field_index(column) < 0 for column in columns):
        return
    encoded = [_encode(batch, column) for column in columns]
    codes = np.stack([code for code, _ in encoded], axis=1)
    rows = np.flatnonzero((codes >= 0).all(axis=1))
    combinations, places = np.unique(codes[rows], axis=0, return_inverse=True)
    for number, combination in enumerate(combinations):
        key = tuple(
            (column, _plain(values[code]))
            for column, code, (_, values) in zip(columns, combination, encoded, strict=True)
        )
        yield key, rows[places.reshape(-1) == number]


def group_ids(batch: pa.RecordBatch, column: str) -> NDArray[np.uint64]:
    """Returns a number for each row that is equal for equal values, in whatever batch.

    Rows without a value make one group, for nothing says that they are independent.

    Args:
        batch: Columns of lists, as tfx_bsl decodes them.
        column: The column of the groups.

    Raises:
        InputError: There is no such column, or a row has several values in it.
    """
    if batch.schema.get_field_index(column) < 0:
        raise InputError(
            f"split.column names `{column}`, by which the Evaluator groups examples, but the "
            "examples do not have it."
        )
    codes, values = _encode(batch, column)
    texts = ["", *(f"={_plain(value)}" for value in values)]
    numbers = [
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) for text in texts
    ]
    return np.array(numbers, np.uint64)[codes + 1]


def _encode(batch: pa.RecordBatch, column: str) -> tuple[NDArray[np.int64], list[Any]]:
    """The place of each row's value in a list of distinct values, or -1 where it has none."""
    lists = batch.column(batch.schema.get_field_index(column))
    codes = np.full(batch.num_rows, -1, np.int64)
    if pa.types.is_null(lists.type):
        return codes, []
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    if (lengths > 1).any():
        raise InputError(
            f"evaluation.slices, gate.slices or split.column names `{column}`, which has up to "
            f"{lengths.max()} values a row. "
            "Name columns with one value a row."
        )
    values = lists.flatten().dictionary_encode()
    codes[lengths == 1] = values.indices.to_numpy(zero_copy_only=False)
    return codes, values.dictionary.to_pylist()


def _plain(value: Any) -> Value:
    """Text as text; numbers as they are."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
