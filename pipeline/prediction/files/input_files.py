"""Input files of a prediction and their raw rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.prediction.files import json_lines
from pipeline.reading.files import sources
from pipeline.reading.files.listing import list_files
from pipeline.reading.files.pieces import (
    PLAIN_LAYOUT,
    SUFFIXES,
    Piece,
    RawBatch,
    add_partition,
    with_partition,
)


@dataclass(frozen=True, kw_only=True)
class InputFiles:
    """Data files of one format.

    Attributes:
        paths: The files, sorted.
        format: `csv`, `parquet` or `jsonl`.
    """

    paths: tuple[str, ...]
    format: str


def find_input_files(data: str) -> InputFiles:
    """Returns the data files at a file path, folder or glob.

    Raises:
        InputError: No data found, or the files have several formats or an unsupported one.
    """
    if "://" in data:
        raise InputError(f"{data} is a URL. `faultline predict` reads local files only.")
    paths = list_files(data, (*SUFFIXES, *json_lines.SUFFIXES))
    lines = [path for path in paths if json_lines.is_json_lines(path)]
    if lines:
        others = [path for path in paths if path not in lines]
        if others:
            raise InputError(
                f"The files have several formats: {lines[0]} and {others[0]}. Narrow {data} to "
                "one of them."
            )
        return InputFiles(paths=tuple(lines), format="jsonl")
    file_format = sources.common_format(paths)
    if file_format == "tfrecord":
        raise InputError(
            f"{paths[0]} is a TFRecord file. `faultline predict` reads CSV, Parquet and JSON "
            "lines; send serialised tf.Examples with serving.client's `predict_examples`."
        )
    return InputFiles(paths=tuple(paths), format=file_format)


def plan_pieces(files: InputFiles, layout: CsvLayout = PLAIN_LAYOUT) -> list[Piece]:
    """Divides the data into pieces; a JSON-lines file is one piece.

    Args:
        files: The data files.
        layout: How CSV files are laid out.

    Raises:
        InputError: The files are in folders `key=value` with different keys.
    """
    # JSON lines are recognised by suffix: `Piece.format` has no value for them.
    is_json = files.format == "jsonl"
    file_format = "csv" if is_json else sources.common_format(files.paths)
    return sources.plan_pieces(files.paths, file_format, layout=layout)


def read_piece(piece: Piece, *, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    """Reads one piece in bounded batches; a piece without rows yields one empty batch.

    Args:
        piece: The piece to read.
        columns: Columns to read; by default all.

    Raises:
        InputError: The file cannot be read.
    """
    if json_lines.is_json_lines(piece.path):
        batches = _read_json_lines(piece, columns)
    else:
        batches = sources.read_piece(piece, columns=columns)
    first = next(batches, None)
    if first is None:
        schema = read_schema(piece)
        kept = schema if columns is None else pa.schema([schema.field(n) for n in columns])
        first = RawBatch(
            batch=pa.RecordBatch.from_pylist([], schema=kept), rows=np.zeros(0, np.int64)
        )
    yield first
    yield from batches


def _read_json_lines(piece: Piece, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    keys = dict(piece.partition)
    stored = None if columns is None else [name for name in columns if name not in keys]
    for raw in json_lines.read_json_lines(piece.path, columns=stored):
        with_partition(raw.batch.schema, piece)  # no column may be in both
        yield add_partition(raw, piece, columns)


def read_schema(piece: Piece) -> pa.Schema:
    """Returns the columns of a piece; for JSON lines, those of the first batch.

    Raises:
        InputError: The file is empty or cannot be read.
    """
    if json_lines.is_json_lines(piece.path):
        first = next(_read_json_lines(piece), None)
        if first is None:
            raise InputError(f"{piece.path} contains no rows.")
        return first.batch.schema
    return sources.read_schema(piece)


def short_name(path: str) -> str:
    """Returns a file's name without its folders."""
    return PurePosixPath(path).name
