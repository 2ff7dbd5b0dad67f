"""Record batches of examples with their columns stacked as the transform graph takes them."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.inputs.stacks import MISSING_INT, Stacks


def stack_batch(batch: pa.RecordBatch, stacks: Stacks) -> pa.RecordBatch:
    """Returns a batch with the columns of each stack in one column of lists.

    Args:
        batch: Examples as TFX-BSL decodes them: a list of values a cell.
        stacks: The columns of each stack, all in `batch`.

    Returns:
        The stacks, each row a list of `num_columns` values where a missing one is NaN,
        `MISSING_INT` or the empty text; and the columns that are in no stack.

    Raises:
        ValueError: A row holds several values of a column that has one by the schema.
    """
    arrays = {
        name: _stacked([_values(batch, column) for column in columns])
        for name, columns in stacks.items()
    }
    inside = {column for columns in stacks.values() for column in columns}
    arrays |= {
        name: array
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
        if name not in inside
    }
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def _values(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The one value of each row, or the mark of a missing one."""
    cells = batch.column(name)
    counts = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False)
    if (counts > 1).any():
        row = int(np.argmax(counts > 1))
        raise ValueError(
            f"Column {name} has {counts[row]} values in a row; a {cells.type.value_type} feature "
            "takes one. Make it a signal in `features`, or leave the column out."
        )
    present = counts == 1
    places = pa.array(np.cumsum(present) - 1, mask=~present)
    return pc.fill_null(cells.flatten().take(places), _missing(cells.type.value_type))


def _missing(kind: pa.DataType) -> pa.Scalar:
    if pa.types.is_floating(kind):
        return pa.scalar(float("nan"), kind)
    return pa.scalar(MISSING_INT if pa.types.is_integer(kind) else b"", kind)


def _stacked(columns: Sequence[pa.Array]) -> pa.Array:
    num_rows, num_columns = len(columns[0]), len(columns)
    offsets = pa.array(np.arange(num_rows + 1) * num_columns, pa.int64())
    if num_columns == 1:  # files are not copied
        return pa.LargeListArray.from_arrays(offsets, columns[0])
    # From one column after the other to one row after the other.
    order = np.arange(num_rows * num_columns).reshape(num_columns, num_rows).T.ravel()
    values = pa.concat_arrays(columns).take(pa.array(order))
    return pa.LargeListArray.from_arrays(offsets, values)
