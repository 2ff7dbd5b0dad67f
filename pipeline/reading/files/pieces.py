"""Pieces of the input data, and the raw batches and bad rows that reading them yields."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.fs

from common.errors import InputError
from pipeline.column_format import CsvLayout

Format = Literal["csv", "parquet", "tfrecord", "sheet"]
# Columns and values in the names of a file's folders; an empty value is a missing one.
Partition = tuple[tuple[str, str], ...]

SUFFIXES: dict[str, Format] = {
    ".csv.gz": "csv",
    ".tsv.gz": "csv",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tfrecord.gz": "tfrecord",
    ".tfrecords.gz": "tfrecord",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".xlsx": "sheet",
    ".xlsm": "sheet",
    ".xls": "sheet",
    ".ods": "sheet",
}

# Suffixes of text that may hold a table. Notes have them too: in a folder such files count only
# where a glob names the suffix.
TEXT_SUFFIXES = (".txt", ".lvm", ".dat", ".asc")

PLAIN_LAYOUT = CsvLayout()
# Key of a Parquet file's metadata with the table that it was made of, and columns that such a file
# has besides: the number of the row in that table, what is wrong with it, and in which column.
SOURCE_KEY = b"faultline.source"
ROW_NUMBER, PROBLEM, PROBLEM_COLUMN = (
    "faultline_row",
    "faultline_problem",
    "faultline_problem_column",
)
ADDED_COLUMNS = (ROW_NUMBER, PROBLEM, PROBLEM_COLUMN)


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that could not be read.

    Attributes:
        path: The file; of a database, the table or query.
        row: Number of the record in its file; the first after any header is 1.
        line: Physical line on which the record starts, from 1; None for binary formats.
        column: The invalid column; empty if the whole row is invalid.
        reason: The value found and the value expected.
        text: The row or value as stored in the file, truncated to 200 characters.
        key: Names and values of the columns that order the rows of a database; empty for a file.
    """

    path: str
    row: int
    line: int | None = None
    column: str = ""
    reason: str
    text: str
    key: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line is not None else f"row {self.row}"
        where += f" ({self.key})" if self.key else ""
        column = f", column `{self.column}`" if self.column else ""
        return f"{self.path}, {where}{column}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of the data that one task reads; pieces are small and in the order of the data.

    Attributes:
        index: Index among all pieces, from 0.
        path: The file.
        format: Its format.
        file: Index of the file among all files, from 0.
        row_groups: Row groups of a Parquet file; empty for all.
        byte_range: Half-open byte range of a CSV file; None for the whole file.
        first_row: Number of rows before the piece in its file.
        lines_before: Lines before the piece in its file.
        layout: How a CSV file is laid out.
        partition: Columns and values in the names of the file's folders `key=value`.
    """

    index: int
    path: str
    format: Format
    file: int = 0
    row_groups: tuple[int, ...] = ()
    byte_range: tuple[int, int] | None = None
    first_row: int = 0
    lines_before: int = 0
    layout: CsvLayout = PLAIN_LAYOUT
    partition: Partition = ()

    @property
    def begins_file(self) -> bool:
        """Whether a CSV piece is the file or its first range."""
        return self.byte_range is None or self.byte_range[0] == 0

    @property
    def has_header(self) -> bool:
        """Whether a CSV piece begins with the header."""
        return self.begins_file and self.layout.header is None


@dataclass(kw_only=True)
class RawBatch:
    """Rows as stored in the file. CSV values are binary; an Arrow null is a missing value.

    Attributes:
        batch: The rows that could be parsed.
        rows: int64 [rows], their numbers in the file, from 1.
        bad_rows: Rows of this part of the file that could not be split into fields.
        source: The table that the file was made of; empty if it is the person's own.
    """

    batch: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    bad_rows: list[BadRow] = field(default_factory=list)
    source: str = ""


def with_partition(schema: pa.Schema, piece: Piece) -> pa.Schema:
    """Returns the columns of a piece's file and those of its folders.

    Raises:
        InputError: A column is in both.
    """
    for key, value in piece.partition:
        if key in schema.names:
            raise InputError(
                f"{piece.path} has a column `{key}`, and its folder `{key}={value}` names a column "
                f"`{key}` too. Rename the folder or the column."
            )
        schema = schema.append(pa.field(key, _type(piece)))
    return schema


def add_partition(raw: RawBatch, piece: Piece, columns: Sequence[str] | None = None) -> RawBatch:
    """Returns a batch with the columns of the piece's folders.

    Args:
        raw: Rows of the piece.
        piece: The piece.
        columns: Columns to return, by default all.
    """
    if not piece.partition:
        return raw
    batch = raw.batch
    for key, value in piece.partition:
        if columns is None or key in columns:
            texts = pa.array([value or None], pa.string()).cast(_type(piece))
            column = texts.take(pa.array([0] * batch.num_rows, pa.int64()))
            batch = batch.append_column(pa.field(key, column.type), column)
    if columns is not None:
        batch = batch.select(list(columns))
    return RawBatch(batch=batch, rows=raw.rows, bad_rows=raw.bad_rows)


def _type(piece: Piece) -> pa.DataType:
    return pa.binary() if piece.format == "csv" else pa.string()


def suffix_of(name: str, suffixes: Iterable[str] = tuple(SUFFIXES)) -> str | None:
    """Returns the known data suffix of a file name in lower case, or None."""
    lowered = name.lower()
    return next((suffix for suffix in suffixes if lowered.endswith(suffix)), None)


def format_of(name: str) -> Format | None:
    """Returns the format of a file by its suffix, text such as `.txt` included; None if unknown."""
    if suffix_of(name, TEXT_SUFFIXES):
        return "csv"
    return SUFFIXES.get(suffix_of(name) or "")


def open_stream(path: str) -> pa.NativeFile:
    """Opens a local path or a URL (s3, gs, hdfs) for reading from the start, gunzipped."""
    filesystem, inner = resolve_path(path)
    compression = "gzip" if path.lower().endswith(".gz") else None
    return filesystem.open_input_stream(inner, compression=compression)


def resolve_path(path: str) -> tuple[pa.fs.FileSystem, str]:
    """Returns the Arrow file system of a local path or URL, and the path in it."""
    if "://" not in path:
        return pyarrow.fs.LocalFileSystem(), str(Path(path).absolute())
    filesystem, inner = pyarrow.fs.FileSystem.from_uri(path)
    return filesystem, inner


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, without its final full stop."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")
