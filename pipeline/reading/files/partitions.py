"""Hive partitions: columns whose values are in the names of folders, such as `site=north`."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from common.errors import InputError
from pipeline.reading.files.pieces import Piece, RawBatch

# What Hive and Spark write for a missing value.
_MISSING = "__HIVE_DEFAULT_PARTITION__"

Partition = tuple[tuple[str, str], ...]


def partition_of(path: str) -> Partition:
    """Returns the columns in the names of a file's folders, outermost first.

    They are the folders `key=value` directly above the file. A missing value is an empty text.

    >>> partition_of("/data/plant=7/site=north%20west/part-0.parquet")
    (('plant', '7'), ('site', 'north west'))
    """
    folders = path.split("/") if "://" in path else Path(path).absolute().parts
    partition: list[tuple[str, str]] = []
    for name in reversed(folders[:-1]):
        key, equals, value = name.partition("=")
        if not equals or not key:
            break
        partition.append((unquote(key), "" if value == _MISSING else unquote(value)))
    return tuple(reversed(partition))


def partitions_of(files: Sequence[str]) -> list[Partition]:
    """Returns the partition of each file.

    Raises:
        InputError: Two files have different partition columns, or one has a column twice.
    """
    partitions = [partition_of(file) for file in files]
    keys = [tuple(key for key, _ in partition) for partition in partitions]
    for file, own in zip(files, keys, strict=True):
        if len(set(own)) < len(own):
            raise InputError(f"The folders of {file} name a column twice: {_listed(own)}.")
        if set(own) != set(keys[0]):
            raise InputError(
                f"The folders `key=value` above the files differ: {files[0]} has "
                f"{_listed(keys[0])}, {file} has {_listed(own)}. Give all files the same columns."
            )
    return partitions


def _listed(keys: Sequence[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys) or "none"


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
