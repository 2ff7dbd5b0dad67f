"""Rows to predict: features with the model's types, and the keys that identify the rows."""

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
    """Settings for reading the data.

    Attributes:
        columns: The model's columns.
        spec: The ingestion settings.
        id_column: Column that identifies a row; None to use the row number.
        keys: Columns that identify a row where there is no id column, if rows are recordings.
        name_files: Whether the keys include the file name.
    """

    columns: tuple[Column, ...]
    spec: IngestSpec
    id_column: str | None = None
    keys: tuple[str, ...] = ()
    name_files: bool = False


@dataclass(kw_only=True)
class PredictionRows:
    """Rows to predict.

    Attributes:
        path: Their file.
        features: The model's columns.
        keys: Keys of the rows: the id, or file and row number.
        numbers: int64 [rows], their numbers in the file, from 1.
        bad_rows: Unreadable rows of this batch.
    """

    path: str
    features: pa.RecordBatch
    keys: pa.RecordBatch
    numbers: np.ndarray
    bad_rows: list[BadRow] = field(default_factory=list)


def check_id_column(plan: ReadPlan, pieces: Sequence[Piece]) -> None:
    """Checks that every file has the id column.

    Raises:
        InputError: A file does not have it.
    """
    for piece in pieces if plan.id_column is not None else ():
        names = input_files.read_schema(piece).names
        if plan.id_column not in names:
            listed = ", ".join(f"`{name}`" for name in names[:30])
            raise InputError(
                f"--id names the column `{plan.id_column}`, which is not in {piece.path}. "
                f"Columns found: {listed}."
            )


def read_rows(piece: Piece, plan: ReadPlan) -> Iterator[PredictionRows]:
    """Reads one piece in bounded batches; unreadable rows are set aside.

    Raises:
        InputError: The file cannot be read at all.
    """
    for raw in input_files.read_piece(piece):
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
    if plan.keys:
        keys = [raw.batch.column(name).filter(good) for name in plan.keys]
        return pa.RecordBatch.from_arrays(keys, names=list(plan.keys))
    numbers = pa.array(raw.rows, pa.int64()).filter(good)
    if not plan.name_files:
        return pa.RecordBatch.from_arrays([numbers], names=[ROW])
    files = pa.array([input_files.short_name(path)] * len(numbers), pa.string())
    return pa.RecordBatch.from_arrays([files, numbers], names=[FILE, ROW])


def _readable(ids: pa.Array) -> pa.Array:
    """Returns the ids unchanged, except that bytes, as read from CSV, become text."""
    if not values.is_text(ids.type):
        return ids.dictionary_decode() if pa.types.is_dictionary(ids.type) else ids
    try:
        return ids.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = [
            None if text is None else text.decode(errors="backslashreplace")
            for text in ids.cast(pa.binary()).to_pylist()
        ]
        return pa.array(texts, pa.string())
