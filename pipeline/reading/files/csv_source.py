"""CSV reader: Arrow parses the rows, Python's `csv` the header and line numbers."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from common.errors import InputError
from pipeline.reading.files import csv_streams
from pipeline.reading.files.pieces import BadRow, Piece, RawBatch, first_line

_BLOCK_BYTES = 16 << 20
_DELIMITERS = ",;\t|"
MAX_TEXT = 200


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first record of a CSV file.

    Attributes:
        names: Column names; a column without a name, such as a saved index, is `unnamed_N`.
        delimiter: The most frequent of comma, semicolon, tab and bar in the header.
        lines_before: Blank lines before it.
    """

    names: tuple[str, ...]
    delimiter: str
    lines_before: int = 0


def read_header(path: str) -> Header:
    """Reads a CSV file's header.

    Raises:
        InputError: The file is empty, or its header is not UTF-8 or repeats a column name.
    """
    try:
        whole = Piece(index=0, path=path, format="csv")
        with csv_streams.open_text(whole, errors="surrogateescape") as text:
            numbered = ((number, line) for number, line in enumerate(text) if line.strip())
            lines_before, first = next(numbered, (0, ""))
            delimiter = max(_DELIMITERS, key=first.count)
            lines = _chain_first(first, text)
            record = next(csv.reader(lines, delimiter=delimiter), [])
    except (OSError, csv.Error) as error:
        raise InputError(f"Cannot read {path}: {first_line(error)}.") from error
    if not record:
        raise InputError(f"{path} is empty. A CSV file needs a header and rows.")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in first):
        raise InputError(
            f"The header of {path} is not UTF-8 text: {first[:60]!a}. Save it as UTF-8."
        )
    return Header(names=_names(path, record), delimiter=delimiter, lines_before=lines_before)


def _chain_first(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _names(path: str, record: Sequence[str]) -> tuple[str, ...]:
    names = tuple(name or f"unnamed_{place}" for place, name in enumerate(record))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"The header of {path} contains {', '.join(f'`{name}`' for name in twice)} more than "
            "once. Give every column a unique name."
        )
    return names


def read_csv(
    piece: Piece, missing_values: Sequence[str], *, columns: Sequence[str] | None = None
) -> Iterator[RawBatch]:
    """Reads a CSV piece in batches of binary columns; sets aside rows with a wrong field count.

    Args:
        piece: The file or a range of it.
        missing_values: Texts that mean a missing value, besides the empty field.
        columns: Columns to read; by default all.

    Raises:
        InputError: The file cannot be parsed, for example because a quote is never closed.
    """
    path = piece.path
    header = read_header(path)
    # Difference between Arrow's row number and the row's number in the file.
    offset = 1 + header.lines_before - piece.first_row  # Arrow counts the header as a row
    ragged: list[BadRow] = []

    def skip(row: arrow_csv.InvalidRow) -> Literal["skip"]:
        ragged.append(_ragged(path, row, offset))
        return "skip"

    done = piece.first_row
    try:
        reader = _open(piece, header, missing_values, columns=columns, skip=skip)
        for batch in reader:
            skipped, ragged[:] = list(ragged), []
            rows = _row_numbers(done, batch.num_rows, [bad.row for bad in skipped])
            done += batch.num_rows + len(skipped)
            yield RawBatch(batch=batch, rows=rows, bad_rows=skipped)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path} cannot be read as CSV after row {done}: {first_line(error)}. "
            "Check for a quote that is never closed, or for a damaged file."
        ) from error
    if ragged:
        yield RawBatch(
            batch=pa.RecordBatch.from_pylist([], schema=reader.schema),
            rows=np.zeros(0, np.int64),
            bad_rows=ragged,
        )


def _open(
    piece: Piece,
    header: Header,
    missing_values: Sequence[str],
    *,
    columns: Sequence[str] | None,
    skip: Callable[[arrow_csv.InvalidRow], Literal["skip"]],
) -> arrow_csv.CSVStreamingReader:
    return arrow_csv.open_csv(
        csv_streams.open_piece(piece),
        # Arrow reports the number of a ragged row only when it reads on one thread.
        read_options=arrow_csv.ReadOptions(
            column_names=list(header.names),
            skip_rows=header.lines_before,
            skip_rows_after_names=1,
            use_threads=False,
            block_size=_BLOCK_BYTES,
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.binary() for name in header.names},
            include_columns=None if columns is None else list(columns),
            null_values=["", *missing_values],
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
    header = read_header(piece.path)
    records = (
        (line, record)
        for line, record in csv_streams.csv_records(piece, header.delimiter)
        if line > header.lines_before
    )
    last = max(numbers, default=0) - piece.first_row
    for place, (line, record) in enumerate(islice(records, last + 1)):
        row = piece.first_row + place
        if place and row in numbers:
            text = header.delimiter.join(record)[:MAX_TEXT]
            located[row] = (piece.lines_before + line, text)
    return [
        replace(bad, line=located[bad.row][0], text=located[bad.row][1])
        if bad.row in located
        else bad
        for bad in bad_rows
    ]
