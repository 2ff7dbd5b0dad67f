"""Input columns of a model and their types, from its signature."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import ColumnFormat
from pipeline.prediction.files import input_files
from pipeline.prediction.files.json_lines import is_json_lines
from pipeline.reading.columns import (
    COLUMN_TYPES,
    Column,
    Kind,
    Type,
    form_of,
    kind_of,
    wide_parts,
)
from pipeline.reading.files.csv_header import check_layout
from pipeline.reading.files.pieces import Piece
from pipeline.reading.ingest_spec import IngestSpec
from serving.client import TensorSpec

_LISTS: dict[str, Type] = {"f": "float list", "i": "int list", "O": "bytes list"}
_SINGLE: dict[str, Type] = {"f": "float", "i": "int", "O": "bytes"}


def decide_columns(
    inputs: Mapping[str, TensorSpec], pieces: Sequence[Piece], spec: IngestSpec
) -> tuple[Column, ...]:
    """Returns the model's columns with their types and time formats.

    Args:
        inputs: Inputs of the signature with one input per column.
        pieces: The data.
        spec: The ingestion settings.

    Raises:
        InputError: A column is not in the data, or has a type that the model does not accept.
    """
    for piece in pieces:
        _check_layout(piece, inputs, spec)
    columns = tuple(_decide(tensor, spec, pieces) for tensor in inputs.values())
    for piece in pieces:
        _check_schema(input_files.read_schema(piece), columns, piece.path)
    return columns


def _decide(tensor: TensorSpec, spec: IngestSpec, pieces: Sequence[Piece]) -> Column:
    if tensor.name in spec.wide_signals:
        wide = spec.wide_signals[tensor.name]
        names = input_files.read_schema(pieces[0]).names
        if tensor.name not in names:
            parts = wide_parts(tensor.name, wide.first, wide.last, names)
            _check_width(tensor, parts, wide.first, wide.last)
            form = form_of(tensor.name, "float", spec)
            return Column(name=tensor.name, type="float list", parts=parts, form=form)
    if tensor.name in spec.media:
        return Column(name=tensor.name, type="media")
    kind = tensor.dtype.kind if tensor.dtype is not None else ""
    is_list = tensor.shape is not None and len(tensor.shape) == 2
    types = _LISTS if is_list else _SINGLE
    if kind not in types or tensor.shape is None or len(tensor.shape) > 2:
        raise InputError(
            f"The model's input `{tensor.name}` ({tensor.dtype}, shape {tensor.shape}) is neither "
            "a number, a text nor a signal per row. Use serving.client for such a model."
        )
    if is_list:
        return Column(name=tensor.name, type=types[kind])
    column_type = "time" if _is_time(tensor.name, spec) else types[kind]
    return Column(
        name=tensor.name,
        type=column_type,
        form=_form_for(tensor, types[kind], column_type, spec),
    )


def _is_time(name: str, spec: IngestSpec) -> bool:
    declared = spec.columns.get(name)
    return declared.type == "time" if declared else name in spec.times


def _form_for(
    tensor: TensorSpec, wanted: Type, column_type: Type, spec: IngestSpec
) -> ColumnFormat:
    """Returns the column's format, which must give what the model takes."""
    form = form_of(tensor.name, column_type, spec)
    given = "int" if column_type == "time" else COLUMN_TYPES[form.type]
    if given != wanted and not (wanted == "int" and form.type == "number"):
        raise InputError(
            f"data.columns.{tensor.name} is `{form.type}`, but the model takes {tensor.dtype}. "
            "The config has changed since the model was trained; run the pipeline again."
        )
    return form


def _check_width(tensor: TensorSpec, parts: Sequence[str], first: str, last: str) -> None:
    expected = tensor.shape[1] if tensor.shape is not None and len(tensor.shape) == 2 else -1
    if expected not in (-1, len(parts)):
        raise InputError(
            f"The signal `{tensor.name}` has {len(parts)} columns from `{first}` to `{last}` in "
            f"the data; the model takes {expected} samples."
        )


def _check_layout(piece: Piece, inputs: Iterable[str], spec: IngestSpec) -> None:
    if is_json_lines(piece.path):
        return
    wide = spec.wide_signals
    wanted = {wide[name].first if name in wide else name for name in inputs}
    check_layout(piece, sorted(wanted.difference(input_files.read_schema(piece).names)))


def _check_schema(schema: pa.Schema, columns: Iterable[Column], path: str) -> None:
    for column in columns:
        for name in column.parts or (column.name,):
            if name not in schema.names:
                raise InputError(_describe_missing(name, schema.names, path))
        if column.type.endswith("list") and not column.parts:
            _check_list(schema.field(column.name), column.type, path)


def _check_list(field: pa.Field, expected: Type, path: str) -> None:
    texts: set[Kind] = {"bytes list", "empty"}
    numbers: set[Kind] = {"int list", "float list", "empty"}
    if kind_of(field.type) not in (texts if expected == "bytes list" else numbers):
        raise InputError(
            f"The signal `{field.name}` must hold a list of numbers in each row; {path} holds "
            f"{field.type}. Give Parquet or JSON lines with lists, or name its columns under "
            "data.wide_signals in the config."
        )


def _describe_missing(name: str, names: Sequence[str], path: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean `{near[0]}`?" if near else "."
    listed = ", ".join(f"`{column}`" for column in names[:30])
    return (
        f"The model needs the column `{name}`, which is not in {path}{hint} "
        f"Columns found: {listed}."
    )
