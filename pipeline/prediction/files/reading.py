"""Rows with the model's types, beside what identifies them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.prediction.files import input_files
from pipeline.reading import values
from pipeline.reading.columns import Column
from pipeline.reading.files.pieces import BadRow, Piece, RawBatch
from pipeline.reading.ingest_spec import IngestSpec
from pipeline.reading.typing_rows import type_batch

ROW, FILE = "row", "file"


@dataclass(frozen=True, kw_only=True)
class ReadPlan:
    """How the data is read.

    Attributes:
        columns: The model's columns.
        spec: What the config says of raw rows.
        id_column: Column that identifies a row; None for the row's number in its file.
        name_files: Whether the file's name stands beside the row's number.
    """

    columns: tuple[Column, ...]
    spec: IngestSpec
    id_column: str | None = None
    name_files: bool = False


@dataclass(kw_only=True)
class PredictionRows:
    """Rows to predict.

    Attributes:
        path: Their file.
        features: The model's columns.
        keys: What identifies the rows: the id, or file and row number.
        numbers: int64 [rows], their numbers in the file, the first is 1.
        bad_rows: Rows of this stretch that could not be read.
    """

    path: str
    features: pa.RecordBatch
    keys: pa.RecordBatch
    numbers: np.ndarray
    bad_rows: list[BadRow] = field(default_factory=list)


def check_id_column(plan: ReadPlan, pieces: Sequence[Piece]) -> None:
    """Checks that every file has the id column.

    Raises:
        InputError: One has not.
    """
    for piece in pieces if plan.id_column is not None else ():
        names = input_files.read_schema(piece).names
        if plan.id_column not in names:
            found = ", ".join(f"`{name}`" for name in names[:30])
            raise InputError(
                f"--id names the column `{plan.id_column}`, which is not in {piece.path}. "
                f"Columns found: {found}."
            )


def read_rows(piece: Piece, plan: ReadPlan) -> Iterator[PredictionRows]:
    """Reads one piece in bounded batches; rows that cannot be read are set aside.

    Raises:
        InputError: The file cannot be read at all.
    """
    for raw in input_files.read_piece(piece, missing_values=plan.spec.missing_values):
        typed = type_batch(raw, plan.columns, plan.spec, path=piece.path)
        good = pa.array(np.isin(raw.rows, typed.rows))
        yield PredictionRows(
            path=piece.path,
            features=typed.batch,
            keys=_keys(raw, good, plan, piece.path),
            numbers=typed.rows,
            bad_rows=[*raw.bad_rows, *typed.bad_rows],
        )


def _keys(raw: RawBatch, good: pa.Array, plan: ReadPlan, path: str) -> pa.RecordBatch:
    if plan.id_column is not None:
        ids = raw.batch.column(plan.id_column).filter(good)
        return pa.RecordBatch.from_arrays([_readable(ids)], names=[plan.id_column])
    numbers = pa.array(raw.rows, pa.int64()).filter(good)
    if not plan.name_files:
        return pa.RecordBatch.from_arrays([numbers], names=[ROW])
    files = pa.array([input_files.short_name(path)] * len(numbers), pa.string())
    return pa.RecordBatch.from_arrays([files, numbers], names=[FILE, ROW])


def _readable(ids: pa.Array) -> pa.Array:
    """The ids as they are; texts, which are bytes in CSV, as text."""
    if not values.is_text(ids.type):
        return ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids
    try:
        return ids.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = [
            None if one is None else one.decode(errors="backslashreplace")
            for one in ids.cast(pa.binary()).to_pylist()
        ]
        return pa.array(texts, pa.string())
