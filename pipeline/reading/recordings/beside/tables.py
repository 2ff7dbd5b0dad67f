"""Small tables beside recordings, and the values of their columns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from pipeline.column_format import ColumnFormat, CsvLayout
from pipeline.config import Data
from pipeline.reading import contract, values
from pipeline.reading.files.encodings import detect_encoding
from pipeline.reading.files.sources import common_format, plan_pieces, read_piece
from pipeline.reading.recordings.raw.columns import number_form
from pipeline.reading.recordings.raw.stamps import read_stamps

# What the context of a recording is stored as, by the type of its values.
CONTEXT_TYPES: dict[str, pa.DataType] = {
    "number": pa.float64(),
    "code": pa.int64(),
    "text": pa.string(),
    "truth": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
}


def read_table(path: Path, *, key: str) -> pa.Table:
    """Reads a whole small table; text of CSV is binary.

    Args:
        path: A file of any format that `data.path` may have.
        key: The key below `data.recordings` that names it, for messages.

    Raises:
        InputError: It does not exist, is empty, or has a row that cannot be read.
    """
    if not path.is_file():
        raise InputError(f"data.recordings.{key} names {path}, which is not a file.")
    file_format = common_format([str(path)])
    is_csv = file_format == "csv"
    layout = CsvLayout(encoding=detect_encoding(str(path))) if is_csv else CsvLayout()
    [piece] = plan_pieces([str(path)], file_format, layout=layout, whole_files=True)
    batches = []
    for raw in read_piece(replace(piece, partition=())):
        if raw.bad_rows:
            raise InputError(f"data.recordings.{key}: {raw.bad_rows[0]}.")
        batches.append(raw.batch)
    if not sum(batch.num_rows for batch in batches):
        raise InputError(f"data.recordings.{key}: {path} has no rows.")
    return pa.Table.from_batches(batches).combine_chunks()


def column_of(table: pa.Table, name: str, path: Path, *, key: str) -> pa.Array:
    """Returns a column of a table.

    Raises:
        InputError: It is absent; names the config's key for it.
    """
    if name not in table.column_names:
        listed = ", ".join(f"`{column}`" for column in table.column_names[:20])
        raise InputError(f"{path} has no column `{name}`, which {key} names. It has {listed}.")
    return table[name].combine_chunks()


def texts_of(column: pa.Array) -> list[str | None]:
    """Returns the trimmed texts of a column."""
    read, _ = contract.read_column(column, ColumnFormat(type="text"), default_marks=())
    return [None if text is None else text.decode() for text in read.to_pylist()]


def context_form(column: pa.Array, name: str, data: Data) -> ColumnFormat:
    """Returns how the values of a context column are written: as declared, else by all of them."""
    kind = column.type
    declared = data.columns.get(name)
    if declared is not None:
        return declared if declared.type != "number" else number_form(name, data)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return ColumnFormat(type="time")
    if pa.types.is_boolean(kind):
        return ColumnFormat(type="truth")
    for form in (ColumnFormat(type="code"), number_form(name, data)):
        typed, bad = contract.read_column(column, form, default_marks=data.missing_values)
        if not bad.any() and typed.null_count < len(typed):
            return form
    return ColumnFormat(type="text")


def typed_context(column: pa.Array, form: ColumnFormat, data: Data) -> tuple[pa.Array, values.Mask]:
    """Returns values of a context column as the assembled table has them, and which do not fit."""
    kind = CONTEXT_TYPES[form.type]
    if form.type == "time" and not form.elapsed:
        seconds, _, bad = read_stamps(column, form, decimal=data.decimal)
        is_missing = ~np.isfinite(seconds)
        micros = np.where(is_missing, 0, np.round(seconds * 1e6)).astype(np.int64)
        return pa.array(micros, mask=is_missing).cast(kind), bad
    typed, bad = contract.read_column(column, form, default_marks=data.missing_values)
    if form.type == "time":
        return pc.divide(typed.cast(pa.float64()), 1e6), bad
    return typed.cast(kind), bad


def typed_text(text: str, form: ColumnFormat, data: Data) -> Any:
    """Returns one value of a context column; None where its text means a missing one.

    Raises:
        ValueError: The text does not fit.
    """
    is_plain = form == ColumnFormat(type=form.type) or form == ColumnFormat(
        type=form.type, decimal="."
    )
    if text not in data.missing_values and is_plain and form.type in ("number", "code"):
        return float(text) if form.type == "number" else int(text)
    typed, bad = typed_context(pa.array([text]), form, data)
    if bad[0]:
        raise ValueError(f"{text!r} is no {form.type}")
    return typed[0].as_py()
