"""Reading a data set as Arrow record batches: CSV, Parquet, TFRecord of tf.Example.

Nothing here needs TensorFlow, except reading TFRecord, which imports it when it is called.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from pipeline.errors import InputError

Format = Literal["csv", "parquet", "tfrecord"]

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
}

_TARGET_BATCH_BYTES = 16 << 20
_MAX_BATCH_ROWS = 65_536
_GLOB_CHARACTERS = "*?["


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that could not be read.

    Attributes:
        path: The file.
        row: Number of the record in its file, the first after any header is 1.
        line: Physical line on which the record begins, 1 is the header; None for binary formats.
        column: The column at fault, empty where the whole row is.
        reason: What was found and what was expected.
        text: The row or the value as it stands in the file, cut to 200 characters.
    """

    path: str
    row: int
    line: int | None = None
    column: str = ""
    reason: str
    text: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line is not None else f"row {self.row}"
        column = f", column `{self.column}`" if self.column else ""
        return f"{self.path}, {where}{column}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of the data that is read in one go; small, and ordered as the data is.

    Attributes:
        index: Place among all pieces, from 0.
        path: The file.
        format: Its format.
        file: Place of the file among all files, from 0.
        row_groups: Row groups of a Parquet file, empty for all.
        byte_range: First byte of a stretch of a CSV file and the one behind it; None for all.
        first_row: Number of the first row's predecessor in its file.
        lines_before: Lines of the file between the header and the stretch.
    """

    index: int
    path: str
    format: Format
    file: int = 0
    row_groups: tuple[int, ...] = ()
    byte_range: tuple[int, int] | None = None
    first_row: int = 0
    lines_before: int = 0


@dataclass(kw_only=True)
class RawBatch:
    """Rows as they stand in the file. CSV values are binary; an Arrow null is a missing value.

    Attributes:
        batch: The rows that could be told apart.
        rows: int64 [rows], their numbers in the file, the first is 1.
        bad_rows: Rows of this stretch of the file that could not be told apart into fields.
    """

    batch: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    bad_rows: list[BadRow] = field(default_factory=list)


def list_files(path: str | Path) -> list[str]:
    """Returns the data files that a file, a folder or a glob means, sorted by name.

    Of a folder only files with a known suffix count; hidden files never do.

    Raises:
        InputError: Nothing is there.
    """
    text = str(path)
    if any(character in text for character in _GLOB_CHARACTERS) and not Path(text).exists():
        root = Path(Path(text).anchor)
        found = [file for file in root.glob(str(Path(text).relative_to(root))) if file.is_file()]
    elif Path(text).is_dir():
        found = [file for file in Path(text).iterdir() if file.is_file() and suffix_of(file.name)]
    else:
        found = [Path(text)] if Path(text).is_file() else []
    files = sorted(str(file) for file in found if not file.name.startswith((".", "_")))
    if not files:
        raise InputError(
            f"No data found at {text}. Give a file, a folder or a glob of CSV (.csv, .csv.gz), "
            "Parquet (.parquet) or TFRecord (.tfrecord, .tfrecord.gz) files."
        )
    return files


def suffix_of(name: str) -> str | None:
    """Returns the known data suffix of a file name, or None."""
    lowered = name.lower()
    return next((suffix for suffix in SUFFIXES if lowered.endswith(suffix)), None)


def common_format(files: Sequence[str], declared: Format | None = None) -> Format:
    """Returns the one format of all files: the declared one, else the one of their suffixes.

    Raises:
        InputError: A suffix is unknown, or the files are of several formats.
    """
    if declared is not None:
        return declared
    formats: dict[Format, str] = {}
    for file in files:
        suffix = suffix_of(PurePosixPath(file).name)
        if suffix is None:
            raise InputError(
                f"Cannot tell the format of {file} from its suffix. Known suffixes: "
                f"{', '.join(SUFFIXES)}. Rename it or set `data.format`."
            )
        formats.setdefault(SUFFIXES[suffix], file)
    if len(formats) > 1:
        found = ", ".join(f"{name} ({file})" for name, file in formats.items())
        raise InputError(
            f"The files are of several formats: {found}. Narrow `data.path` to one of them."
        )
    return next(iter(formats))


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


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file.

    Raises:
        InputError: It is truncated or no Parquet file.
    """
    filesystem, inner = resolve_path(path)
    try:
        return pq.ParquetFile(filesystem.open_input_file(inner))
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable_parquet(path, error) from error


def _unreadable_parquet(path: str, error: Exception) -> InputError:
    return InputError(
        f"{path} is not a readable Parquet file ({first_line(error)}). It may be truncated; "
        "write or copy it again."
    )


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, without its final stop."""
    return str(error).strip().split("\n", 1)[0].rstrip(".")


def plan_pieces(
    files: Sequence[str], file_format: Format, *, whole_files: bool = False
) -> list[Piece]:
    """Cuts the data into pieces: a file, or a stretch of row groups of a large Parquet file.

    `csv_ranges` cuts large CSV files further.

    Args:
        files: The data files.
        file_format: Their format.
        whole_files: Make one piece of each file, however large.
    """
    if file_format != "parquet" or whole_files:
        return [Piece(index=i, path=f, format=file_format, file=i) for i, f in enumerate(files)]
    pieces: list[Piece] = []
    for place, file in enumerate(files):
        first_row = 0
        metadata = open_parquet(file).metadata
        for groups in _row_group_stretches(metadata):
            pieces.append(
                Piece(
                    index=len(pieces),
                    path=file,
                    format=file_format,
                    file=place,
                    row_groups=groups,
                    first_row=first_row,
                )
            )
            first_row += sum(metadata.row_group(group).num_rows for group in groups)
    return pieces


def _row_group_stretches(
    metadata: pq.FileMetaData, target_bytes: int = 256 << 20
) -> list[tuple[int, ...]]:
    stretches: list[tuple[int, ...]] = []
    current: list[int] = []
    size = 0
    for group in range(metadata.num_row_groups):
        current.append(group)
        size += metadata.row_group(group).total_byte_size
        if size >= target_bytes:
            stretches.append(tuple(current))
            current, size = [], 0
    if current or not stretches:
        stretches.append(tuple(current))
    return stretches


def read_batches(
    path: str, file_format: Format, *, missing_values: Sequence[str] = ()
) -> Iterator[RawBatch]:
    """Reads one whole file in bounded batches.

    Args:
        path: The file.
        file_format: Its format.
        missing_values: Texts that mean a missing value in CSV, beside the empty field.

    Raises:
        InputError: The file cannot be read at all.
    """
    yield from read_piece(
        Piece(index=0, path=path, format=file_format), missing_values=missing_values
    )


def read_piece(
    piece: Piece, *, missing_values: Sequence[str] = (), columns: Sequence[str] | None = None
) -> Iterator[RawBatch]:
    """Reads one piece in bounded batches.

    Args:
        piece: What to read.
        missing_values: Texts that mean a missing value in CSV, beside the empty field.
        columns: Columns to read, by default all; TFRecord is always read whole.

    Raises:
        InputError: The file cannot be read at all.
    """
    if piece.format == "csv":
        from pipeline.components.arrow_example_gen import csv_source

        yield from csv_source.read_csv(piece, missing_values, columns=columns)
    elif piece.format == "parquet":
        yield from _read_parquet(piece, columns)
    else:
        yield from _read_tfrecord(piece)


def read_schema(piece: Piece) -> pa.Schema:
    """Returns the piece's columns: of CSV all binary; of TFRecord those of the first batch.

    Raises:
        InputError: The file is empty or cannot be read.
    """
    if piece.format == "csv":
        from pipeline.components.arrow_example_gen import csv_source

        names = csv_source.read_header(piece.path).names
        return pa.schema([(name, pa.binary()) for name in names])
    if piece.format == "parquet":
        return open_parquet(piece.path).schema_arrow
    first = next(_read_tfrecord(piece), None)
    if first is None:
        raise InputError(f"{piece.path} holds no records. Give a file with tf.Examples.")
    return first.batch.schema


def _read_parquet(piece: Piece, columns: Sequence[str] | None) -> Iterator[RawBatch]:
    file = open_parquet(piece.path)
    groups = piece.row_groups or tuple(range(file.metadata.num_row_groups))
    num_bytes = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    num_rows = sum(file.metadata.row_group(group).num_rows for group in groups)
    row = piece.first_row
    try:
        for batch in file.iter_batches(
            batch_size=_batch_rows(num_bytes, num_rows),
            row_groups=list(groups),
            columns=None if columns is None else list(columns),
        ):
            yield RawBatch(batch=batch, rows=np.arange(row + 1, row + 1 + batch.num_rows))
            row += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable_parquet(piece.path, error) from error


def _batch_rows(num_bytes: int, num_rows: int) -> int:
    bytes_a_row = max(1, num_bytes // max(1, num_rows))
    return max(64, min(_MAX_BATCH_ROWS, _TARGET_BATCH_BYTES // bytes_a_row))


def _read_tfrecord(piece: Piece, batch_rows: int = 10_000) -> Iterator[RawBatch]:
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

    compression = "GZIP" if piece.path.lower().endswith(".gz") else ""
    records = tf.data.TFRecordDataset(piece.path, compression_type=compression).batch(batch_rows)
    decoder = ExamplesToRecordBatchDecoder()
    row = 0
    try:
        for serialized in records.as_numpy_iterator():
            batch = decoder.DecodeBatch(list(serialized))
            yield RawBatch(batch=batch, rows=np.arange(row + 1, row + 1 + batch.num_rows))
            row += batch.num_rows
    except (tf.errors.DataLossError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{piece.path} is not a readable TFRecord file of tf.Examples "
            f"({first_line(error)}) after row {row}. Write or copy it again."
        ) from error
