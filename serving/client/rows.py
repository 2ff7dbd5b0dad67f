"""Encoding of rows (dicts, DataFrame, Arrow) as one array per input."""

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from serving.client.errors import InputMismatchError
from serving.client.signatures import TensorSpec
from serving.client.values import encode_values
from serving.client.wires.calls import Arrays

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Rows: TypeAlias = Sequence[Mapping[str, Any]] | pd.DataFrame | pa.Table | pa.RecordBatch

Encode = Callable[[TensorSpec], NDArray[Any]]


def encode_rows(rows: "Rows", inputs: Mapping[str, TensorSpec]) -> Arrays:
    """Returns one array `[rows, …]` per input; other columns are left out.

    Args:
        rows: Dicts, a DataFrame, an Arrow table or record batch. In a dict that lacks a key of
            other dicts, that value is missing.
        inputs: Inputs of the signature by name.

    Raises:
        InputMismatchError: A column that the model needs is missing.
        RowError: A value does not fit; names row and column.
    """
    names, encode = _columns(rows)
    missing = [name for name in inputs if name not in names] if len(rows) else []
    if missing:
        raise InputMismatchError(_describe_missing(missing, names))
    return {name: encode(spec) for name, spec in inputs.items()}


def encode_examples(examples: Sequence[bytes], inputs: Mapping[str, TensorSpec]) -> Arrays:
    """Returns serialised tf.Examples as the only input of a signature.

    Raises:
        InputMismatchError: The signature has other inputs, or an example is not bytes.
    """
    if len(inputs) != 1 or not next(iter(inputs.values())).is_text:
        raise InputMismatchError(
            f"This signature takes {sorted(inputs)}, not serialised tf.Examples. Choose one that "
            "does by signature=…, or send rows with `predict`."
        )
    wrong = next((n for n, e in enumerate(examples) if not isinstance(e, bytes)), None)
    if wrong is not None:
        raise InputMismatchError(
            f"Example {wrong} (counted from 0) is {type(examples[wrong]).__name__}, expected the "
            "bytes of a serialised tf.Example."
        )
    array = np.empty(len(examples), object)
    array[:] = list(examples)
    return dict.fromkeys(inputs, array)


def _columns(rows: Any) -> tuple[Sequence[str], Encode]:
    if _is_from("pandas", "DataFrame", rows):
        return [str(name) for name in rows.columns], lambda spec: _encode_series(rows, spec)
    if _is_from("pyarrow", "Table", rows) or _is_from("pyarrow", "RecordBatch", rows):
        from serving.client.arrow_columns import encode_arrow

        return rows.schema.names, lambda spec: encode_arrow(rows.column(spec.name), spec)
    if isinstance(rows, Mapping | str | bytes) or not isinstance(rows, Sequence):
        raise InputMismatchError(
            f"Rows must be a list of dicts, a DataFrame or an Arrow table, got "
            f"{type(rows).__name__}."
        )
    wrong = next((n for n, row in enumerate(rows) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise InputMismatchError(
            f"Row {wrong} (counted from 0) is {type(rows[wrong]).__name__}, expected a dict of "
            "column to value."
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, lambda spec: encode_values([row.get(spec.name) for row in rows], spec)


def _is_from(library: str, kind: str, value: object) -> bool:
    """Returns whether a value has a type of a library, without importing the library."""
    module = sys.modules.get(library)
    return module is not None and isinstance(value, getattr(module, kind))


def _encode_series(frame: Any, spec: TensorSpec) -> NDArray[Any]:
    if not len(frame):
        return encode_values([], spec)
    series = frame[next(name for name in frame.columns if str(name) == spec.name)]
    import pyarrow as pa

    from serving.client.arrow_columns import encode_arrow

    try:
        column = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        column = None
    if column is None:  # mixed values: an error names the row
        return encode_values(series.tolist(), spec)
    return encode_arrow(column, spec)


def _describe_missing(missing: Sequence[str], names: Sequence[str]) -> str:
    words = []
    for name in missing:
        near = difflib.get_close_matches(name, names, n=1)
        words.append(f"`{name}`" + (f" (did you mean `{near[0]}`?)" if near else ""))
    listed = ", ".join(f"`{name}`" for name in names[:30])
    return (
        f"The model needs {', '.join(words)}, which no row has. Columns found: {listed}. "
        "Where a value is missing, send null (None in Python)."
    )
