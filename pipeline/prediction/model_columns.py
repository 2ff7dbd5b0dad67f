"""Which columns of the data a model takes, and of which type, by its own signature."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.config import Config
from pipeline.prediction.files import input_files
from pipeline.reading import values
from pipeline.reading.columns import Column, Kind, Type, kind_of, wide_parts
from pipeline.reading.files.pieces import Piece
from pipeline.reading.ingest_spec import IngestSpec, make_ingest_spec
from serving.client import TensorSpec

_LISTS: dict[str, Type] = {"f": "float list", "i": "int list", "O": "bytes list"}
_SINGLE: dict[str, Type] = {"f": "float", "i": "int", "O": "bytes"}


def prediction_spec(config: Config) -> IngestSpec:
    """Returns how raw rows are read for prediction: as for training, without label and split."""
    return replace(make_ingest_spec(config), split_column=None, strategy="stratified")


def decide_columns(
    inputs: Mapping[str, TensorSpec], pieces: Sequence[Piece], spec: IngestSpec
) -> tuple[Column, ...]:
    """Returns the model's columns, each with its type and how its texts read as times.

    Args:
        inputs: Inputs of the signature that takes one input a column.
        pieces: The data.
        spec: What the config says of raw rows.

    Raises:
        InputError: A column is not in the data, or holds what the model cannot take.
    """
    columns = tuple(_decide(tensor, spec, pieces) for tensor in inputs.values())
    for piece in pieces:
        _check_schema(input_files.read_schema(piece), columns, piece.path)
    return tuple(_with_time_format(column, pieces, spec) for column in columns)


def _decide(tensor: TensorSpec, spec: IngestSpec, pieces: Sequence[Piece]) -> Column:
    if tensor.name in spec.wide_signals:
        wide = spec.wide_signals[tensor.name]
        names = input_files.read_schema(pieces[0]).names
        if tensor.name not in names:
            parts = wide_parts(tensor.name, wide.first, wide.last, names)
            _check_width(tensor, parts, wide.first, wide.last)
            return Column(name=tensor.name, type="float list", parts=parts)
    kind = tensor.dtype.kind if tensor.dtype is not None else ""
    is_list = tensor.shape is not None and len(tensor.shape) == 2
    types = _LISTS if is_list else _SINGLE
    if kind not in types or tensor.shape is None or len(tensor.shape) > 2:
        raise InputError(
            f"The model's input `{tensor.name}` ({tensor.dtype}, shape {tensor.shape}) is neither "
            "a number, a text nor a signal a row. Ask such a model through serving.client."
        )
    if tensor.name in spec.times and not is_list:
        return Column(name=tensor.name, type="time")
    return Column(name=tensor.name, type=types[kind])


def _check_width(tensor: TensorSpec, parts: Sequence[str], first: str, last: str) -> None:
    expected = tensor.shape[1] if tensor.shape is not None and len(tensor.shape) == 2 else -1
    if expected not in (-1, len(parts)):
        raise InputError(
            f"The signal `{tensor.name}` has {len(parts)} columns from `{first}` to `{last}` in "
            f"the data; the model takes {expected} samples."
        )


def _check_schema(schema: pa.Schema, columns: Iterable[Column], path: str) -> None:
    for column in columns:
        for name in column.parts or (column.name,):
            if name not in schema.names:
                raise InputError(_describe_missing(name, schema.names, path))
        if column.type.endswith("list") and not column.parts:
            _check_list(schema.field(column.name), column.type, path)


def _check_list(field: pa.Field, wanted: Type, path: str) -> None:
    texts: set[Kind] = {"bytes list", "empty"}
    numbers: set[Kind] = {"int list", "float list", "empty"}
    if kind_of(field.type) not in (texts if wanted == "bytes list" else numbers):
        raise InputError(
            f"The signal `{field.name}` must hold a list of numbers in each row; {path} holds "
            f"{field.type}. Give Parquet or JSON lines with lists, or name its columns under "
            "data.wide_signals in the config."
        )


def _describe_missing(name: str, names: Sequence[str], path: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else "."
    found = ", ".join(f"`{known}`" for known in names[:30])
    return (
        f"The model needs the column `{name}`, which is not in {path}{hint} Columns found: {found}."
    )


def _with_time_format(column: Column, pieces: Sequence[Piece], spec: IngestSpec) -> Column:
    """Finds the time format that reads the most values of all the data, as training did."""
    if column.type != "time":
        return column
    hits = np.zeros(len(values.TIME_FORMATS), np.int64)
    for piece in pieces:
        if not values.is_text(input_files.read_schema(piece).field(column.name).type):
            continue
        for raw in input_files.read_piece(
            piece, missing_values=spec.missing_values, columns=[column.name]
        ):
            hits += values.count_times(raw.batch.column(0).cast(pa.binary()))
    return replace(column, time_format=values.TIME_FORMATS[int(np.argmax(hits))])
