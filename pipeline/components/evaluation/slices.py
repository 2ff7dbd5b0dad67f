"""Which rows of a record batch belong to which slice."""

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


def _encode(batch: pa.RecordBatch, column: str) -> tuple[NDArray[np.int64], list[Any]]:
    """The place of each row's value in a list of distinct values, or -1 where it has none."""
    lists = batch.column(batch.schema.get_field_index(column))
    codes = np.full(batch.num_rows, -1, np.int64)
    if pa.types.is_null(lists.type):
        return codes, []
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    if (lengths > 1).any():
        raise InputError(
            f"evaluation.slices names `{column}`, which has up to {lengths.max()} values a row. "
            "Slice by columns with one value a row."
        )
    values = lists.flatten().dictionary_encode()
    codes[lengths == 1] = values.indices.to_numpy(zero_copy_only=False)
    return codes, values.dictionary.to_pylist()


def _plain(value: Any) -> Value:
    """Text as text; numbers as they are."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
