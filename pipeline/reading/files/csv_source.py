"""CSV reader: Arrow parses the rows, Python's `csv` the line numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from common.errors import InputError
from pipeline.reading.files import csv_streams
from pipeline.reading.files.csv_header import Header, read_header
from pipeline.reading.files.pieces import BadRow, Piece, RawBatch, first_line

_BLOCK_BYTES = 16 << 20
MAX_TEXT = 200
_SURE_DELIMITERS = 3
_MIN_INNER_ROWS = 2


def read_csv(piece: Piece, *, columns: Sequence[str] | None = None) -> Iterator[RawBatch]:
    """Reads a CSV piece in batches of binary columns; sets aside rows with a wrong field count.

    Args:
        piece: The file or a range of it.
        columns: Columns to read; by default all.

    Raises:
        InputError: The file cannot be parsed, for example because a quote is never closed, or a
            character is not valid in its encoding.
    """
    path = piece.path
    header = read_header(path, piece.layout)
    # Difference between Arrow's row number and the row's number in the file.
    offset = _blank_lines(piece, header) + piece.has_header - piece.first_row
    ragged: list[BadRow] = []
    swallowing: list[int] = []  # rows with a quote that is closed only rows later, or never

    def skip(row: arrow_csv.InvalidRow) -> Literal["skip"]:
        if _holds_rows(str(row.text), header):
            swallowing.append(int(row.number or 0) - offset)
        ragged.append(_ragged(path, row, offset))
        return "skip"

    done = piece.first_row
    try:
        reader = _open(piece, header, columns=columns, skip=skip)
        for batch in reader:
            skipped, ragged[:] = list(ragged), []
            rows = _row_numbers(done, batch.num_rows, [bad.row for bad in skipped])
            done += batch.num_rows + len(skipped)
            swallowing += _rows_with_rows(batch, rows, header)
            _check_quotes(path, swallowing)
            yield _without_units(RawBatch(batch=batch, rows=rows, bad_rows=skipped), piece)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path} cannot be read as CSV after row {done}: {first_line(error)}. "
            "Check for a quote that is never closed, or for a damaged file."
        ) from error
    _check_quotes(path, swallowing)
    if ragged:
        empty = pa.RecordBatch.from_pylist([], schema=reader.schema)
        rest = RawBatch(batch=empty, rows=np.zeros(0, np.int64), bad_rows=ragged)
        yield _without_units(rest, piece)


def _rows_with_rows(
    batch: pa.RecordBatch, rows: npt.NDArray[np.int64], header: Header
) -> list[int]:
    """Returns the rows in which one field holds whole rows of the file."""
    return [
        int(rows[place])
        for column in batch.columns
        for place in np.flatnonzero(
            np.asarray(pc.fill_null(pc.match_substring(column, "\n"), False))
        )
        if _holds_rows(column[int(place)].as_py().decode(errors="replace"), header)
    ]


def _holds_rows(text: str, header: Header) -> bool:
    """Tells whether a text has whole rows behind a line break, as after a quote left open.

    Text of several lines is honest. Of few columns, a line may have as many delimiters by chance.
    """
    wanted = len(header.names) - 1
    inner = text.split("\n")[1:]
    whole = sum(line.count(header.delimiter) == wanted for line in inner)
    return wanted > 0 and whole >= (1 if wanted >= _SURE_DELIMITERS else _MIN_INNER_ROWS)


def _check_quotes(path: str, rows: Sequence[int]) -> None:
    if rows:
        raise InputError(
            f"{path}, row {rows[0]}: a quote opens a field that holds the rows after it; they "
            "would be lost. Close the quote, or double it if it is part of the text."
        )


def _blank_lines(piece: Piece, header: Header) -> int:
    """Returns the number of blank lines before the first record of a piece."""
    return header.lines_before if piece.begins_file else 0


def _without_units(raw: RawBatch, piece: Piece) -> RawBatch:
    """Drops the first row of the file if the layout says that it holds units."""
    if not piece.layout.units_row:
        return raw
    first = int(len(raw.rows) > 0 and raw.rows[0] == 1)
    if first:
        _check_units(raw.batch, piece.path)
    return RawBatch(
        batch=raw.batch.slice(first),
        rows=raw.rows[first:],
        bad_rows=[bad for bad in raw.bad_rows if bad.row != 1],
    )


def _check_units(batch: pa.RecordBatch, path: str) -> None:
    """Refuses to skip a row of values: a unit such as `bar` or `[K]` is no number."""
    cells = {
        name: batch.column(place)[0].as_py() or b"" for place, name in enumerate(batch.schema.names)
    }
    for name, cell in cells.items():
        text = cell.decode(errors="replace").strip()
        if text[:1].isdigit() or text.lstrip("+-.,")[:1].isdigit():
            raise InputError(
                f"{path}: data.units_row says that the row after the header holds units, but "
                f"column `{name}` has {text[:40]!r} there. Use files of one layout, or set "
                "data.units_row to false."
            )


def _open(
    piece: Piece,
    header: Header,
    *,
    columns: Sequence[str] | None,
    skip: Callable[[arrow_csv.InvalidRow], Literal["skip"]],
) -> arrow_csv.CSVStreamingReader:
    return arrow_csv.open_csv(
        csv_streams.open_piece(piece),
        # Arrow reports the number of a ragged row only when it reads on one thread.
        read_options=arrow_csv.ReadOptions(
            column_names=list(header.names),
            skip_rows=_blank_lines(piece, header),
            skip_rows_after_names=int(piece.has_header),
            use_threads=False,
            block_size=_BLOCK_BYTES,
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.binary() for name in header.names},
            include_columns=None if columns is None else list(columns),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            check_utf8=False,
        ),
    )


def _row_numbers(done: int, num_rows: int, skipped: Sequence[int]) -> npt.NDArray[np.int64]:
    """Returns the numbers of the `num_rows` valid rows after row `done`, omitting `skipped`."""
    numbers = np.arange(done + 1, done + 1 + num_rows + len(skipped), dtype=np.int64)
    return np.setdiff1d(numbers, np.asarray(skipped, np.int64), assume_unique=True)


def _ragged(path: str, row: arrow_csv.InvalidRow, offset: int) -> BadRow:
    if row.number is None:
        raise RuntimeError("Arrow numbers rows only when it reads on one thread.")
    return BadRow(
        path=path,
        row=int(row.number) - offset,
        reason=f"has {row.actual_columns} fields, the header has {row.expected_columns}",
        text=str(row.text)[:MAX_TEXT],
    )


def with_lines(piece: Piece, bad_rows: Sequence[BadRow]) -> list[BadRow]:
    """Returns the bad rows of one CSV piece with their physical lines and, if short, their text.

    Reads the piece a second time, so it is only called when there are bad rows.
    """
    numbers = {bad.row for bad in bad_rows}
    located: dict[int, tuple[int, str]] = {}
    header = read_header(piece.path, piece.layout)
    records = (
        (line, record)
        for line, record in csv_streams.csv_records(piece, header.delimiter)
        if line > _blank_lines(piece, header)
    )
    first = piece.first_row + (0 if piece.has_header else 1)  # the header is row 0
    for row, (line, record) in enumerate(records, first):
        if row and row in numbers:
            text = header.delimiter.join(record)[:MAX_TEXT]
            located[row] = (piece.lines_before + line, text)
        if row >= max(numbers, default=0):
            break
    return [
        replace(bad, line=located[bad.row][0], text=located[bad.row][1])
        if bad.row in located
        else bad
        for bad in bad_rows
    ]
