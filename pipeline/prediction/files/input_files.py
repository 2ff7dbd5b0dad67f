"""Input files of a prediction and their raw rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.prediction.files import json_lines
from pipeline.reading.files import sources
from pipeline.reading.files.pieces import Piece, RawBatch, suffix_of


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
    lines = json_lines.list_files(data)
    if lines:
        others = _other_files(data)
        if others:
            raise InputError(
                f"The files have several formats: {lines[0]} and {others[0]}. Narrow {data} to "
                "one of them."
            )
        return InputFiles(paths=tuple(lines), format="jsonl")
    paths = sources.list_files(data)
    file_format = sources.common_format(paths)
    if file_format == "tfrecord":
        raise InputError(
            f"{paths[0]} is a TFRecord file. `faultline predict` reads CSV, Parquet and JSON "
            "lines; send serialised tf.Examples with serving.client's `predict_examples`."
        )
    return InputFiles(paths=tuple(paths), format=file_format)


def _other_files(data: str) -> list[str]:
    try:
        return [path for path in sources.list_files(data) if suffix_of(Path(path).name)]
    except InputError:
        return []


def plan_pieces(files: InputFiles) -> list[Piece]:
    """Divides the data into pieces; a JSON-lines file is one piece."""
    if files.format != "jsonl":
        return sources.plan_pieces(files.paths, sources.common_format(files.paths))
    # JSON lines are recognised by suffix: `format` has no value for them.
    return [
        Piece(index=place, path=path, format="csv", file=place)
        for place, path in enumerate(files.paths)
    ]


def read_piece(
    piece: Piece, *, missing_values: Sequence[str], columns: Sequence[str] | None = None
) -> Iterator[RawBatch]:
    """Reads one piece in bounded batches; a piece without rows yields one empty batch.

    Args:
        piece: The piece to read.
        missing_values: Texts that mean a missing value in CSV, besides the empty field.
        columns: Columns to read; by default all.

    Raises:
        InputError: The file cannot be read.
    """
    if json_lines.is_json_lines(piece.path):
        batches = json_lines.read_json_lines(piece.path, columns=columns)
    else:
        batches = sources.read_piece(piece, missing_values=missing_values, columns=columns)
    first = next(batches, None)
    if first is None:
        schema = read_schema(piece)
        kept = schema if columns is None else pa.schema([schema.field(n) for n in columns])
        first = RawBatch(
            batch=pa.RecordBatch.from_pylist([], schema=kept), rows=np.zeros(0, np.int64)
        )
    yield first
    yield from batches


def read_schema(piece: Piece) -> pa.Schema:
    """Returns the columns of a piece; for JSON lines, those of the first batch.

    Raises:
        InputError: The file is empty or cannot be read.
    """
    if json_lines.is_json_lines(piece.path):
        first = next(json_lines.read_json_lines(piece.path), None)
        if first is None:
            raise InputError(f"{piece.path} contains no rows.")
        return first.batch.schema
    return sources.read_schema(piece)


def short_name(path: str) -> str:
    """Returns a file's name without its folders."""
    return PurePosixPath(path).name
