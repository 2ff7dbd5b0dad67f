"""Spreadsheet reader: the one sheet with a table of an Excel or OpenDocument file."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from common.errors import InputError
from pipeline.reading.files.csv_header import check_unique, check_units, trimmed
from pipeline.reading.files.pieces import Piece, RawBatch, first_line, open_stream

_BATCH_ROWS = 65_536
_MAX_TITLE_LINES = 50
_MAX_EXACT = 2**53  # whole numbers up to this are exact in float64, as sheets store them


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    table: pa.Table
    rows: npt.NDArray[np.int64]


def read_sheet(piece: Piece, *, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    """Reads the first sheet in batches: numbers as numbers, dates as timestamps, the rest as text.

    Args:
        piece: The whole file.
        columns: Columns to read; by default all.

    Raises:
        InputError: The file cannot be read, is empty, or has two columns of one name.
    """
    sheet = _load(piece)
    table = sheet.table if columns is None else sheet.table.select(list(columns))
    for start in range(0, len(sheet.rows), _BATCH_ROWS):
        rows = sheet.rows[start : start + _BATCH_ROWS]
        [batch] = table.slice(start, len(rows)).combine_chunks().to_batches()
        yield RawBatch(batch=batch, rows=rows)


def sheet_schema(piece: Piece) -> pa.Schema:
    """Returns the columns of the first sheet.

    Raises:
        InputError: The file cannot be read, is empty, or has two columns of one name.
    """
    return _load(piece).table.schema


def sheet_line(piece: Piece, name: str) -> int:
    """Returns the first line of a sheet, counted from 1, with a cell that holds a name; else 0.

    Raises:
        InputError: The file cannot be read.
    """
    lines = enumerate(_cells(piece, skip_empty_area=False)[:_MAX_TITLE_LINES], 1)
    return next((n for n, row in lines if name in [trimmed(_text(c) or "") for c in row]), 0)


def _cells(piece: Piece, *, skip_empty_area: bool = True) -> list[list[Any]]:
    """Returns the cells of the sheet with the table; None where a cell is empty.

    That is the first sheet, or if it is empty, the first that is not.

    Raises:
        InputError: The file cannot be read, or several sheets have a table.
    """
    try:
        with open_stream(piece.path) as stream:
            workbook = CalamineWorkbook.from_filelike(io.BytesIO(stream.read()))
        sheets = {
            name: workbook.get_sheet_by_name(name).to_python() for name in _names_of(workbook)
        }
        name = _sheet_with_table(sheets, piece.path)
        stored = workbook.get_sheet_by_name(name).to_python(skip_empty_area=skip_empty_area)
    except (CalamineError, OSError, IndexError) as error:
        raise InputError(
            f"{piece.path} cannot be read as a spreadsheet: {first_line(error)}. Remove any "
            "password, or save the sheet as CSV."
        ) from error
    return [[None if cell == "" else cell for cell in row] for row in stored]


def _names_of(workbook: CalamineWorkbook) -> list[str]:
    """Returns the names of the sheets with cells; a chart may be a sheet of its own."""
    kinds = {sheet.name: sheet.typ for sheet in workbook.sheets_metadata}
    return [name for name in workbook.sheet_names if kinds[name] == SheetTypeEnum.WorkSheet]


def _sheet_with_table(sheets: Mapping[str, list[list[Any]]], path: str) -> str:
    """Returns the name of the sheet that is read.

    Raises:
        InputError: Several sheets have a header of two columns or more with a row below it.
    """
    tables = {name: _header(cells) for name, cells in sheets.items() if _is_table(cells)}
    if len(tables) > 1:
        listed = "; ".join(
            f"`{name}` with the columns {', '.join(columns[:4])}{', …' * (len(columns) > 4)}"
            for name, columns in tables.items()
        )
        raise InputError(
            f"{path} has tables in several sheets: {listed}. It is not clear which one counts. "
            "Save that sheet as a file of its own, or several of one kind as one table."
        )
    filled = [name for name, cells in sheets.items() if cells]
    first = next(iter(sheets), "")
    return next(iter(tables), filled[0] if filled and not sheets[first] else first)


def _header(cells: Sequence[Sequence[Any]]) -> list[str]:
    return [
        text for cell in cells[0] if (text := trimmed(_text(None if cell == "" else cell) or ""))
    ]


def _is_table(cells: Sequence[Sequence[Any]]) -> bool:
    """Tells a table from notes: its first row has two texts or more, and rows follow it."""
    if len(cells) < 2:
        return False
    texts = [cell for cell in cells[0] if isinstance(cell, str) and cell.strip()]
    return len(texts) >= 2


def _load(piece: Piece) -> _Sheet:
    cells = _cells(piece)
    if not cells:
        raise InputError(f"{piece.path} is empty. The first sheet needs a header and rows.")
    names = _names(piece, cells)
    body = cells[1:] if piece.layout.header is None else cells
    skipped = int(piece.layout.units_row)
    if skipped and body:
        check_units({name: _text(body[0][place]) or "" for place, name in names.items()}, piece)
    numbered = [
        (number, row)
        for number, row in enumerate(body, 1)
        if number > skipped and any(cell is not None for cell in row)
    ]
    arrays = {name: _column([row[place] for _, row in numbered]) for place, name in names.items()}
    return _Sheet(
        table=pa.table(arrays),
        rows=np.array([number for number, _ in numbered], np.int64),
    )


def _names(piece: Piece, cells: Sequence[Sequence[Any]]) -> dict[int, str]:
    """Returns the place and the name of each column; one without a name and values is left out."""
    written = piece.layout.header or [_text(cell) or "" for cell in cells[0]]
    if len(written) != len(cells[0]):
        raise InputError(
            f"data.header has {len(written)} names, and the sheet of {piece.path} has "
            f"{len(cells[0])} columns. Give one name for each column."
        )
    names = {
        place: trimmed(name) or f"unnamed_{place}"
        for place, name in enumerate(written)
        if trimmed(name) or any(row[place] is not None for row in cells)
    }
    check_unique(list(names.values()), [written[place] for place in names], where=piece.path)
    return names


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float}:
        is_whole = all(
            value is None or (float(value).is_integer() and abs(value) <= _MAX_EXACT)
            for value in values
        )
        return pa.array(values, pa.float64()).cast(pa.int64() if is_whole else pa.float64())
    if kinds and kinds <= {date, datetime}:
        moments = [
            datetime.combine(value, time()) if type(value) is date else value for value in values
        ]
        return pa.array(moments, pa.timestamp("us"))
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    """Returns a cell as text, as a person reads it in the sheet."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, date | time) else str(value)
