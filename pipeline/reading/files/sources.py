"""Readers that yield Arrow record batches from CSV, Parquet, sheets and TFRecord of tf.Example.

Only the TFRecord reader needs TensorFlow; it imports it when called.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import csv_source, sheets
from pipeline.reading.files.csv_header import check_unique, read_header, trimmed
from pipeline.reading.files.listing import partitions_of
from pipeline.reading.files.pieces import (
    PLAIN_LAYOUT,
    ROW_NUMBER,
    SOURCE_KEY,
    SUFFIXES,
    Format,
    Piece,
    RawBatch,
    add_partition,
    first_line,
    resolve_path,
    suffix_of,
    with_partition,
)

_TARGET_BATCH_BYTES = 16 << 20
_MAX_BATCH_ROWS = 65_536
_NUM_FILES_NAMED = 5


_SQLITE = "Rows of an SQLite file are named by sqlite:///PATH and a table: docs/databases.md."
_ADVICE = {
    ".zip": "Unpack the archive, and give the folder of its files.",
    ".json": "`predict` reads JSON with one object a line from files named `.jsonl`.",
    ".db": _SQLITE,
    ".sqlite": _SQLITE,
    ".sqlite3": _SQLITE,
}


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
            last = PurePosixPath(file).suffix.lower()
            advice = _ADVICE.get(last, "Rename it or set `data.format`.")
            raise InputError(
                f"Cannot infer the format of {file} from its suffix. Known suffixes: "
                f"{', '.join(SUFFIXES)}. {advice}"
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
    files: Sequence[str],
    file_format: Format,
    *,
    layout: CsvLayout = PLAIN_LAYOUT,
    whole_files: bool = False,
) -> list[Piece]:
    """Divides the data into pieces: a file, or consecutive row groups of a large Parquet file.

    `csv_ranges` divides large CSV files further.

    Args:
        files: The data files.
        file_format: Their format.
        layout: How CSV files are laid out.
        whole_files: Make each file one piece, whatever its size.

    Raises:
        InputError: The files are in folders `key=value` with different keys, or one is not a
            readable Parquet file.
    """
    pieces: list[Piece] = []
    for place, (file, partition) in enumerate(zip(files, partitions_of(files), strict=True)):
        whole = Piece(
            index=len(pieces),
            path=file,
            format=file_format,
            file=place,
            layout=layout,
            partition=partition,
        )
        divide = file_format == "parquet" and not whole_files
        pieces += _row_group_pieces(whole) if divide else [whole]
    return pieces


def _row_group_pieces(whole: Piece) -> Iterator[Piece]:
    metadata = open_parquet(whole.path).metadata
    first_row = 0
    for place, groups in enumerate(_row_group_stretches(metadata)):
        yield replace(whole, index=whole.index + place, row_groups=groups, first_row=first_row)
        first_row += sum(metadata.row_group(group).num_rows for group in groups)


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


def read_batches(path: str, file_format: Format) -> Iterator[RawBatch]:
    """Reads one whole file in bounded batches.

    Args:
        path: The file.
        file_format: Its format.

    Raises:
        InputError: The file cannot be read at all.
    """
    [piece] = plan_pieces([path], file_format, whole_files=True)
    yield from read_piece(piece)


def read_piece(piece: Piece, *, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    """Reads one piece in bounded batches.

    Args:
        piece: What to read.
        columns: Columns to read, by default all; TFRecord is always read whole.

    Raises:
        InputError: The file cannot be read at all, or has two columns of one name.
    """
    if piece.format == "tfrecord":
        for raw in _read_tfrecord(piece):
            with_partition(raw.batch.schema, piece)  # no column may be in both
            yield add_partition(raw, piece)
        return
    stored = _stored_columns(piece, columns)
    if piece.format == "csv":
        batches = csv_source.read_csv(piece, columns=stored)
    elif piece.format == "sheet":
        batches = sheets.read_sheet(piece, columns=stored)
    else:
        batches = _read_parquet(piece, columns=stored)
    for raw in batches:
        whole = raw if piece.format == "parquet" else csv_source.without_total(raw, piece.path)
        yield add_partition(whole, piece, columns)


def _stored_columns(piece: Piece, columns: Sequence[str] | None) -> Sequence[str] | None:
    """Returns the asked columns that are in the file; one for the row count if none is."""
    if not piece.partition:
        return columns
    schema = _file_schema(piece)
    with_partition(schema, piece)  # no column may be in both
    if columns is None:
        return None
    keys = dict(piece.partition)
    return [name for name in columns if name not in keys] or schema.names[:1]


def read_schema(piece: Piece) -> pa.Schema:
    """Returns the piece's columns: all binary for CSV; those of the first batch for TFRecord.

    Raises:
        InputError: The file is empty or cannot be read, or has two columns of one name.
    """
    return with_partition(_file_schema(piece), piece)


def _file_schema(piece: Piece) -> pa.Schema:
    if piece.format == "csv":
        names = read_header(piece.path, piece.layout).names
        return pa.schema([(name, pa.binary()) for name in names])
    if piece.format == "sheet":
        return sheets.sheet_schema(piece)
    if piece.format == "parquet":
        return _parquet_schema(piece.path, open_parquet(piece.path))
    first = next(_read_tfrecord(piece), None)
    if first is None:
        raise InputError(f"{piece.path} contains no records. Provide a file of tf.Examples.")
    return first.batch.schema


def _parquet_schema(path: str, file: pq.ParquetFile) -> pa.Schema:
    """Returns the columns of a Parquet file with trimmed names."""
    schema = file.schema_arrow
    names = [trimmed(name) for name in schema.names]
    check_unique(names, schema.names, where=path)
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def check_spellings(
    path: str, names: Collection[str], lacking: Collection[str], *, distinct: Collection[str]
) -> None:
    """Checks that a file does not lack columns only because it spells their names differently.

    Args:
        path: The file, for the message.
        names: Its columns.
        lacking: Columns that it lacks.
        distinct: Columns that are others than the lacking ones, however similar their names are.

    Raises:
        InputError: The file has a lacking name in another case or with other separators.
    """
    by_letters = {_letters(name): name for name in names if name not in distinct}
    for name in sorted(lacking):
        other = by_letters.get(_letters(name))
        if other is not None:
            raise InputError(
                f"{path} has the column `{other}` instead of `{name}`. Give it the same name, in "
                "the same unit, in all files."
            )


def _letters(name: str) -> str:
    """Returns a name without case, separators and unit: `Oil_Temp [K]` and `oil temp` are alike."""
    without_unit = re.sub(r"[\[(][^\d\])]+[\])]\s*$", "", name)
    return re.sub(r"[\W_]+", "", without_unit.casefold()) or name


def describe_missing(column: str, files: Sequence[str], num_files: int) -> str:
    """Says which files lack a column.

    >>> describe_missing("humidity", ["f/a.csv"], 2)
    'column `humidity` is missing in 1 of 2 files (f/a.csv)'
    """
    more = len(files) - _NUM_FILES_NAMED
    listed = ", ".join(files[:_NUM_FILES_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"column `{column}` is missing in {len(files)} of {num_files} files ({listed})"


def _read_parquet(piece: Piece, *, columns: Sequence[str] | None) -> Iterator[RawBatch]:
    file = open_parquet(piece.path)
    names = _parquet_schema(piece.path, file).names
    stored = dict(zip(names, file.schema_arrow.names, strict=True))
    groups = piece.row_groups or tuple(range(file.metadata.num_row_groups))
    num_bytes = sum(file.metadata.row_group(group).total_byte_size for group in groups)
    num_rows = sum(file.metadata.row_group(group).num_rows for group in groups)
    row = piece.first_row
    source = (file.schema_arrow.metadata or {}).get(SOURCE_KEY, b"").decode()
    try:
        for batch in file.iter_batches(
            batch_size=_batch_rows(num_bytes, num_rows),
            row_groups=list(groups),
            columns=None if columns is None else [stored[name] for name in columns],
        ):
            named = batch.rename_columns([trimmed(name) for name in batch.schema.names])
            rows = np.arange(row + 1, row + 1 + batch.num_rows)
            if source and ROW_NUMBER in named.schema.names:
                rows = np.asarray(named[ROW_NUMBER])
            yield RawBatch(batch=named, rows=rows, source=source)
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
