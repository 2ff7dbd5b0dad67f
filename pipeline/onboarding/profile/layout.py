"""Layout of new files: encoding and delimiter of CSV, header, a row of units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import csv_header, encodings, sources
from pipeline.reading.files.pieces import Format, Piece
from pipeline.reading.recordings.evidence.header_block import TableStart, find_common_block
from pipeline.unit_names import holds_digits, unit_text

_ROWS_LOOKED_AT = 200
_MIN_NUMERIC_SHARE = 0.9


@dataclass(frozen=True, kw_only=True)
class FoundLayout:
    """The layout of CSV files.

    Attributes:
        layout: Encoding, delimiter, header and whether there is a row of units.
        units: Column to unit, from the row of units.
    """

    layout: CsvLayout = field(default_factory=CsvLayout)
    units: Mapping[str, str] = field(default_factory=dict)


def find_layout(files: Sequence[str], header: tuple[str, ...] | None) -> FoundLayout:
    """Returns the layout of files, which must all share it.

    Args:
        files: The CSV files.
        header: Names of the columns where the files have no header, from the person.

    Raises:
        InputError: The files differ in encoding or delimiter, or have no header.
    """
    layout = CsvLayout(encoding=encodings.detect_common_encoding(files), header=header)
    block = _find_block(files) if header is None else None
    if block is not None:
        layout = block.layout(layout.encoding)
    layouts = {file: _with_delimiter(file, layout) for file in files}
    first = layouts[files[0]]
    for file, other in layouts.items():
        if other.delimiter != first.delimiter:
            raise InputError(
                f"{files[0]} separates its columns by {first.delimiter!r}, {file} by "
                f"{other.delimiter!r}. Give files of one layout."
            )
    if block is not None:
        units = tuple(block.units.items()) if first.units_row else ()
        return FoundLayout(layout=replace(first, units=units), units=block.units)
    if header is None:
        _check_header(files[0], first)
    return _with_units(files[0], "csv", first)


def _find_block(files: Sequence[str]) -> TableStart | None:
    """Returns where the tables start if lines are before them; a mark before names is theirs."""
    block = find_common_block(files)
    is_mark = block is not None and block.header is not None and block.skip_rows == 1
    return None if is_mark else block


def find_sheet_layout(files: Sequence[str], header: tuple[str, ...] | None) -> FoundLayout:
    """Returns the layout of spreadsheets: their header and whether a row of units follows it.

    Args:
        files: The spreadsheets.
        header: Names of the columns where the sheets have no header, from the person.

    Raises:
        InputError: The first sheet cannot be read.
    """
    return _with_units(files[0], "sheet", CsvLayout(header=header))


def _with_units(file: str, file_format: Format, layout: CsvLayout) -> FoundLayout:
    units = _find_units(Piece(index=0, path=file, format=file_format, layout=layout))
    with_units = replace(layout, units_row=bool(units), units=tuple(units.items()))
    return FoundLayout(layout=with_units, units=units)


def _with_delimiter(file: str, layout: CsvLayout) -> CsvLayout:
    return replace(layout, delimiter=csv_header.read_header(file, layout).delimiter)


def _check_header(file: str, layout: CsvLayout) -> None:
    names = csv_header.first_cells(file, layout)
    if csv_header.looks_like_data(names):
        shown = ", ".join(names[:5])
        raise InputError(
            f"The first line of {file} looks like data, not like column names: {shown}. If the "
            "file has no header, name the columns with --header NAME,NAME,…"
        )


def _find_units(piece: Piece) -> dict[str, str]:
    """Returns the units in the row after the header; empty where that row holds values."""
    first = next(iter(sources.read_piece(piece)), None)
    if first is None or first.batch.num_rows < 2:
        return {}
    head = first.batch.slice(0, _ROWS_LOOKED_AT)
    cells = {
        name: _cell(column) for name, column in zip(head.schema.names, head.columns, strict=True)
    }
    if any(map(holds_digits, cells.values())):
        return {}
    units = {name: unit for name, cell in cells.items() if (unit := unit_text(cell))}
    numeric = [name for name in units if _is_numeric(head.column(name)[1:])]
    return units if numeric else {}


def _cell(column: pa.Array) -> str:
    return _text(column[0].as_py())


def _text(value: Any) -> str:
    if value is None:
        return ""
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


def _is_numeric(column: pa.Array) -> bool:
    texts = [_text(value) for value in column.drop_null().to_pylist()]
    numbers = sum(text[:1].isdigit() or text[:2].lstrip("+-.,")[:1].isdigit() for text in texts)
    return bool(texts) and numbers >= _MIN_NUMERIC_SHARE * len(texts)
