"""Discovery of columns that hold the paths of files, for `init`."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.errors import InputError
from pipeline.column_format import Decimal, TimeUnit
from pipeline.data_options.path_columns import FileKind, PathColumn
from pipeline.reading.files.pieces import SUFFIXES, suffix_of
from pipeline.reading.path_columns.finder import FoundFile, find_files, suffixes_of
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.evidence.listing import (
    Listing,
    UnreadableTableError,
    has_decimal_commas,
    read_frame,
)
from pipeline.reading.recordings.raw.listing import ARRAY_SUFFIXES
from pipeline.reading.recordings.raw.stamps import time_unit

# A column names files if this share of its paths is there; the others are bad rows.
_LEAST_FOUND = 0.5
_MOST_TABLES = 8  # in the folder itself; with more they are recordings
_NUM_PROBED = 100
_KINDS: tuple[FileKind, ...] = ("image", "audio", "signal")


def find_path_columns(table: str) -> dict[str, PathColumn]:
    """Returns the columns of a table whose values are paths of existing files of one kind.

    Args:
        table: The table's file.
    """
    try:
        frame = read_frame(table)
    except UnreadableTableError:
        return {}  # the reader of tables says what is wrong
    found = {}
    for name in frame.columns:
        option = _option(frame[name], table)
        if option is not None:
            found[str(name)] = option
    return found


def table_with_paths(path: str) -> str | None:
    """Returns the table whose rows name files in several columns, or in one that some rows lack.

    One column that names each file once is a table of labels: its files are the recordings.

    Args:
        path: A table, or a folder with tables.
    """
    listing = Listing.of(path)
    tables = [*listing.tables, *listing.sheets]
    if listing.is_folder:
        tables = [table for table in tables if Path(table).parent == Path(path)]
        if len(tables) > _MOST_TABLES:
            return None
    elif len(tables) != 1:
        return None
    for table in tables:
        columns = find_path_columns(table)
        if len(columns) > 1 or (columns and not listing.is_folder and _is_own(table, columns)):
            return table
    return None


def _is_own(table: str, columns: dict[str, PathColumn]) -> bool:
    """Tells whether the rows of a table with one column of paths are the examples."""
    [(name, option)] = columns.items()
    paths = read_frame(table)[name]
    return option.holds == "signal" or bool(paths.isna().any() or paths.duplicated().any())


def _option(column: pd.Series, table: str) -> PathColumn | None:
    if not (column.dtype == object or pd.api.types.is_string_dtype(column.dtype)):
        return None
    first = [text for text in column.dropna().head(_NUM_PROBED).astype(str).str.strip() if text]
    if _kind_of(first) is None:  # fast, and rules most columns out
        return None
    texts = [text for text in column.dropna().astype(str).str.strip().unique() if text]
    kind = _kind_of(texts)
    if kind is None:
        return None
    found = find_files(texts, Path(table).parent, kind, others=[table])
    files = [one for one in found.values() if one.file]
    if len(files) < _LEAST_FOUND * len(texts):
        return None
    return PathColumn(holds=kind) if kind != "signal" else _signal(files)


def _kind_of(texts: Sequence[str]) -> FileKind | None:
    """Returns the kind of files that all texts name by their suffix."""
    for kind in _KINDS:
        suffixes = suffixes_of(kind)
        if texts and all(suffix_of(text, suffixes) for text in texts):
            return kind
    return None


def _signal(files: Sequence[FoundFile]) -> PathColumn | None:
    """Returns how the samples of signals are named, from the first file that can be read."""
    for one in files:
        columns = _columns(one.file)
        if columns is not None:
            return columns
    return None


def _columns(file: str) -> PathColumn | None:
    # Not with this module: most tables have no such files.
    from pipeline.reading.recordings.raw.arrays import read_arrays
    from pipeline.reading.recordings.raw.clock import UnusableError

    try:
        if suffix_of(file, ARRAY_SUFFIXES):
            batch, _ = read_arrays(file)
            frame = batch.to_pandas()
        elif SUFFIXES.get(suffix_of(file) or "") == "tfrecord":
            return None
        else:
            frame = read_frame(file)
    except (UnusableError, InputError):
        return None
    time = series.time_column(frame)
    channels = tuple(
        str(name)
        for name in frame.columns
        if name != time and pd.api.types.is_numeric_dtype(frame[name])
    )
    if not channels:
        return None
    if time is not None and series.numbers_rows(frame[time]):
        time = None  # such as `cycle`: neither a time nor a channel
    decimal: Decimal = "," if has_decimal_commas(file) else "."
    return PathColumn(
        holds="signal",
        channels=channels,
        time_column=time,
        time_unit=_time_unit(frame, time),
        decimal=decimal,
    )


def _time_unit(frame: pd.DataFrame, time: str | None) -> TimeUnit | None:
    """Returns the unit of times that are numbers and no seconds, by their name and size."""
    if time is None or not pd.api.types.is_numeric_dtype(frame[time]):
        return None
    unit, _ = time_unit(time, float(frame[time].min()), float(frame[time].max()))
    return None if unit == "s" else unit
