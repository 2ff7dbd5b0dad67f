"""Raw files of tables and arrays in batches of rows, a long table on several threads."""

import csv
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.config import Data
from pipeline.reading.files import csv_ranges, csv_streams
from pipeline.reading.files.csv_header import trimmed
from pipeline.reading.files.pieces import Piece, format_of
from pipeline.reading.files.sources import plan_pieces, read_piece
from pipeline.reading.quarantine import locate
from pipeline.reading.recordings.raw.arrays import read_arrays
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.listing import ARRAY_SUFFIXES

In = TypeVar("In")
Out = TypeVar("Out")

_WORKERS = min(8, os.cpu_count() or 1)
_AHEAD = 2  # tasks that wait or are done, for each worker
_RANGE_BYTES = 32 << 20
_MAX_LINES = 1_000  # before the names of the columns
_DELIMITERS = ",;\t|"


class Mapper(Protocol):
    """Applies a function to items; yields the results in the order of the items."""

    def __call__(self, function: Callable[[In], Out], items: Sequence[In], /) -> Iterator[Out]:
        """Yields the result of each item."""
        ...


def read_batches(
    path: str,
    data: Data,
    columns: Collection[str] = (),
    *,
    units: Sequence[tuple[str, str]] = (),
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a file of one recording; text of CSV is binary.

    Single values of a file of arrays become columns that are constant.

    Args:
        path: The file.
        data: The config's `data` block, for the layout of CSV files.
        columns: Columns to read of a file of arrays; by default all.
        units: The unit that a row of units must have, by column.

    Raises:
        UnusableError: The file or a row of it cannot be read.
    """
    if Path(path).suffix.lower() in ARRAY_SUFFIXES:
        batch, singles = read_arrays(path, columns)
        for name, value in singles.items():
            if name not in batch.schema.names:
                batch = batch.append_column(name, _constant(value, batch.num_rows))
        yield batch
        return
    try:
        layout = own_layout(path, _layout(data, units), _header_row(data))
        [piece] = plan_pieces([path], _format(path), layout=layout, whole_files=True)
        for raw in read_piece(piece):
            if raw.bad_rows:
                raise UnusableError(str(locate(piece, raw.bad_rows)[0]).removeprefix(f"{path}, "))
            yield raw.batch
    except InputError as error:
        raise UnusableError(str(error).removeprefix(path).lstrip(": ").rstrip(".")) from error


def own_layout(path: str, layout: CsvLayout, header_row: Sequence[str]) -> CsvLayout:
    """Returns the layout of a file, in which the names of the columns may be in any line.

    Args:
        path: The file.
        layout: That of all files.
        header_row: Names of the first columns; without any, the layout is that of all.

    Raises:
        InputError: No line begins with these names.
    """
    if not header_row or _format(path) != "csv":
        return layout
    whole = Piece(index=0, path=path, format="csv", layout=layout)
    with csv_streams.open_text(whole, errors="replace") as text:
        for place, line in enumerate(islice(text, _MAX_LINES)):
            if any(_begins_with(line, header_row, one) for one in _DELIMITERS):
                return replace(layout, skip_rows=place)
    raise InputError(
        f"{path}: none of its first {_MAX_LINES:,} lines begins with the names "
        f"{', '.join(f'`{name}`' for name in header_row)} of data.recordings.header_row."
    )


def _begins_with(line: str, names: Sequence[str], delimiter: str) -> bool:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return False
    return [trimmed(cell) for cell in cells[: len(names)]] == list(names)


def layout_of(path: str, data: Data) -> CsvLayout:
    """Returns the layout of one file.

    Raises:
        InputError: The line with the names of its columns is not found.
    """
    return own_layout(path, data.csv_layout, _header_row(data))


def _header_row(data: Data) -> Sequence[str]:
    return data.recordings.header_row if data.recordings is not None else ()


def _format(path: str) -> Any:
    return format_of(path)


def _layout(data: Data, units: Sequence[tuple[str, str]]) -> CsvLayout:
    """Returns the layout of raw tables, with the units that their row of units must have.

    Times of a declared format have no unit; those that nothing is declared of are in seconds.
    """
    layout = replace(data.csv_layout, units=tuple(units))
    time = data.recordings.time_column if data.recordings is not None else None
    form = data.columns.get(time or "")
    if not layout.units_row or time is None or (form is not None and form.format):
        return layout
    return replace(layout, units=(*layout.units, (time, (form and form.unit) or "s")))


def _constant(value: Any, num_rows: int) -> pa.Array:
    return pa.array([value]).take(pa.array(np.zeros(num_rows, np.int64)))


def long_pieces(
    files: Sequence[str],
    data: Data,
    map_pieces: Mapper,
    *,
    units: Sequence[tuple[str, str]] = (),
) -> list[Piece]:
    """Returns the pieces of long tables: files, row groups, or byte ranges of CSV.

    Args:
        files: The files, in order.
        data: The config's `data` block, for the layout of CSV files.
        map_pieces: Looks into byte ranges for where rows begin.
        units: The unit that a row of units must have, by column.

    Raises:
        InputError: A file is no table, or cannot be read.
    """
    pieces: list[Piece] = []
    for place, file in enumerate(files):
        if Path(file).suffix.lower() in ARRAY_SUFFIXES:
            raise InputError(
                f"{file} is no table. data.recordings.form `long` reads CSV, Parquet and sheets; "
                "form `files` reads files of arrays."
            )
        planned = plan_pieces([file], _format(file), layout=_layout(data, units))
        pieces += [replace(piece, file=place) for piece in planned]
    proposed = csv_ranges.propose_pieces(pieces, _RANGE_BYTES)
    ranges = [piece for piece in proposed if piece.byte_range is not None]
    return csv_ranges.settle_pieces(proposed, list(map_pieces(csv_ranges.scan_range, ranges)))


def in_order(function: Callable[[In], Out], items: Sequence[In]) -> Iterator[Out]:
    """Applies a function to items on several threads; yields the results in order.

    Few results wait at a time, so that they need not all fit into memory. What the function does
    must release the interpreter's lock for this to be faster than one thread.
    """
    rest = iter(items)
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: list[Future[Out]] = [
            pool.submit(function, item) for item in islice(rest, _AHEAD * _WORKERS)
        ]
        try:
            while waiting:
                result = waiting.pop(0).result()
                waiting += [pool.submit(function, item) for item in islice(rest, 1)]
                yield result
        finally:
            for future in waiting:
                future.cancel()
