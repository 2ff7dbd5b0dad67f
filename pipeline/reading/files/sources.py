"""Readers that yield Arrow record batches from CSV, Parquet and TFRecord of tf.Example.

Only the TFRecord reader needs TensorFlow; it imports it when called.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.reading.files import csv_source
from pipeline.reading.files.pieces import (
    SUFFIXES,
    Format,
    Piece,
    RawBatch,
    first_line,
    resolve_path,
    suffix_of,
)

_TARGET_BATCH_BYTES = 16 << 20
_MAX_BATCH_ROWS = 65_536
_GLOB_CHARACTERS = "*?["


def list_files(path: str | Path) -> list[str]:
    """Returns the data files at a file path, folder or glob, sorted by name.

    In a folder, only files with a known suffix count; hidden files are ignored.

    Raises:
        InputError: No data files found.
    """
    text = str(path)
    if any(character in text for character in _GLOB_CHARACTERS) and not Path(text).exists():
        root = Path(Path(text).anchor)
        matches = [file for file in root.glob(str(Path(text).relative_to(root))) if file.is_file()]
    elif Path(text).is_dir():
        matches = [file for file in Path(text).iterdir() if file.is_file() and suffix_of(file.name)]
    else:
        matches = [Path(text)] if Path(text).is_file() else []
    files = sorted(str(file) for file in matches if not file.name.startswith((".", "_")))
    if not files:
        raise InputError(
            f"No data found at {text}. Give a file, a folder or a glob of CSV (.csv, .csv.gz), "
            "Parquet (.parquet) or TFRecord (.tfrecord, .tfrecord.gz) files."
        )
    return files


def common_format(files: Sequence[str], declared: Format | None = None) -> Format:
    """Returns the format of all files: the declared one, else the one their suffixes imply.

    Raises:
        InputError: A suffix is unknown, or the files have several formats.
    """
    if declared is not None:
        return declared
    formats: dict[Format, str] = {}
    for file in files:
        suffix = suffix_of(PurePosixPath(file).name)
        if suffix is None:
            raise InputError(
                f"Cannot infer the format of {file} from its suffix. Known suffixes: "
                f"{', '.join(SUFFIXES)}. Rename it or set `data.format`."
            )
        formats.setdefault(SUFFIXES[suffix], file)
    if len(formats) > 1:
        examples = ", ".join(f"{name} ({file})" for name, file in formats.items())
        raise InputError(
            f"The files have several formats: {examples}. Narrow `data.path` to one of them."
        )
    return next(iter(formats))


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file.

    Raises:
        InputError: The file is truncated or is not a Parquet file.
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


def plan_pieces(
    files: Sequence[str], file_format: Format, *, whole_files: bool = False
) -> list[Piece]:
    """Divides the data into pieces: a file, or consecutive row groups of a large Parquet file.

    `csv_ranges` divides large CSV files further.

    Args:
        files: The data files.
        file_format: Their format.
        whole_files: Make each file one piece, whatever its size.
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
        missing_values: Texts that mean a missing value in CSV, besides the empty field.

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
        missing_values: Texts that mean a missing value in CSV, besides the empty field.
        columns: Columns to read, by default all; TFRecord is always read whole.

    Raises:
        InputError: The file cannot be read at all.
    """
    if piece.format == "csv":
        yield from csv_source.read_csv(piece, missing_values, columns=columns)
    elif piece.format == "parquet":
        yield from _read_parquet(piece, columns)
    else:
        yield from _read_tfrecord(piece)


def read_schema(piece: Piece) -> pa.Schema:
    """Returns the piece's columns: all binary for CSV; those of the first batch for TFRecord.

    Raises:
        InputError: The file is empty or cannot be read.
    """
    if piece.format == "csv":
        names = csv_source.read_header(piece.path).names
        return pa.schema([(name, pa.binary()) for name in names])
    if piece.format == "parquet":
        return open_parquet(piece.path).schema_arrow
    first = next(_read_tfrecord(piece), None)
    if first is None:
        raise InputError(f"{piece.path} contains no records. Provide a file of tf.Examples.")
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
