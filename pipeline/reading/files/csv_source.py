"""CSV reader: Arrow parses the rows, Python's `csv` the line numbers."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from common.errors import InputError
from pipeline.reading import values
from pipeline.reading.files import csv_streams
from pipeline.reading.files.csv_header import Header, check_units, read_header, trimmed
from pipeline.reading.files.pieces import BadRow, Piece, RawBatch, first_line

_BLOCK_BYTES = 16 << 20
MAX_TEXT = 200
_SURE_DELIMITERS = 3
_MIN_INNER_ROWS = 2
_NUMBER_SHARE = 0.99  # of the values of a column of numbers; a mark of missing ones may be a text
_MIN_NUMBERS = 5
_NUM_HEAD = 100
_MAX_CODES = 10  # distinct values of a column such as a label
_MIN_SUMMED = 5  # rows of which a total is no accident
_TOTAL_WORDS = {
    "total", "totals", "sum", "subtotal", "average", "avg", "mean", "summe", "gesamt",
    "gesamtsumme", "zwischensumme", "mittelwert", "durchschnitt", "mittel", "somme", "moyenne",
    "suma", "media", "somma", "totale",
}  # fmt: skip
_MERGED = "a quoted field seems to hold the row after it; close the quote, or double it in a text"


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
    offset = _lines_before(piece, header) + piece.has_header - piece.first_row
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
            raw = RawBatch(batch=batch, rows=rows, bad_rows=skipped)
            yield _without_units(_without_merged(_without_headers(raw, path), header, path), piece)
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


@dataclass(frozen=True)
class _Numbers:
    """A column of a batch in which nearly all values are numbers.

    Attributes:
        values: float64 [rows]; NaN where a value is not a number.
        is_sorted: The numbers never fall, such as those of an id or a time.
        codes: Its distinct texts if they are few, such as those of a label; else empty.
    """

    values: npt.NDArray[np.float64]
    is_sorted: bool
    codes: frozenset[str]

    @classmethod
    def of(cls, column: pa.Array) -> "_Numbers | None":
        head = _floats(column.slice(0, _NUM_HEAD).drop_null())
        if len(head) and np.isfinite(head).mean() < 1 / 2:
            return None  # a text, without looking at all of it
        numbers = _floats(column)
        known = numbers[np.isfinite(numbers)]
        if len(known) < max(_MIN_NUMBERS, _NUMBER_SHARE * (len(column) - column.null_count - 1)):
            return None
        codes = column.unique().drop_null()
        return cls(
            values=numbers,
            is_sorted=bool((np.diff(known) >= 0).all() and known[0] < known[-1]),
            codes=frozenset(map(_text_of, codes) if len(codes) <= _MAX_CODES else ()),
        )

    def fits(self, text: str, place: int) -> bool:
        """Tells whether a text may be the column's value at or next to a row."""
        known = np.isfinite(self.values)
        if self.is_sorted:
            before, after = self.values[:place][known[:place]], self.values[place + 1 :]
            after = after[np.isfinite(after)]
            low = before[-1] if len(before) else -np.inf
            high = after[0] if len(after) else np.inf
        elif self.codes:
            return text in self.codes
        else:
            low, high = self.values[known].min(), self.values[known].max()
        [number] = _floats(pa.array([text.encode()]))
        return bool(low <= number <= high)


def _floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """Returns numbers with a decimal point or comma; NaN for any other text."""
    try:
        texts = pc.replace_substring(column.cast(pa.string()), ",", ".")
    except pa.ArrowInvalid:  # not UTF-8
        return np.full(len(column), np.nan)
    return np.asarray(values.floats_of(texts).fill_null(np.nan), np.float64)


def _text_of(value: pa.Scalar) -> str:
    python = value.as_py()
    if isinstance(python, bytes):
        return python.decode(errors="replace")
    return "" if python is None else str(python)


def _without_headers(raw: RawBatch, path: str) -> RawBatch:
    """Sets aside rows that repeat the header, as files that were joined have them."""
    names, batch = raw.batch.schema.names, raw.batch
    if len(names) < 2:
        return raw
    is_header = np.asarray(pc.match_substring(batch.column(0), names[0]).fill_null(False)).copy()
    for place in np.flatnonzero(is_header):
        is_header[place] = all(
            trimmed(_text_of(column[int(place)])) == name
            for name, column in zip(names, batch.columns, strict=True)
        )
    if not is_header.any():
        return raw
    text = ", ".join(names)[:MAX_TEXT]
    bad = [
        BadRow(path=path, row=int(row), reason="repeats the header", text=text)
        for row in raw.rows[is_header]
    ]
    return RawBatch(
        batch=batch.filter(pa.array(~is_header)),
        rows=raw.rows[~is_header],
        bad_rows=[*raw.bad_rows, *bad],
    )


def _without_merged(raw: RawBatch, header: Header, path: str) -> RawBatch:
    """Sets aside rows with a quoted field that seems to hold the end of a row and the next rows."""
    batch = raw.batch
    if batch.num_columns != len(header.names) or batch.num_columns < 2:
        return raw
    suspects = [
        (int(place), inside, text)
        for number, column in enumerate(batch.columns)
        for place in np.flatnonzero(_has_line_breaks(column))
        if (inside := _fields_inside(text := _text_of(column[int(place)]), number, header))
    ]
    numbers = [_Numbers.of(column) for column in batch.columns] if suspects else []
    merged = {
        place: text
        for place, inside, text in suspects
        if _is_merged(text, [(numbers[i], value) for i, value in inside], place, header.delimiter)
    }
    bad = [
        BadRow(path=path, row=int(raw.rows[place]), reason=_MERGED, text=text[:MAX_TEXT])
        for place, text in merged.items()
    ]
    kept = ~np.isin(np.arange(batch.num_rows), list(merged))
    return RawBatch(
        batch=batch.filter(pa.array(kept)) if merged else batch,
        rows=raw.rows[kept],
        bad_rows=[*raw.bad_rows, *bad],
    )


def without_total(raw: RawBatch, path: str) -> RawBatch:
    """Sets aside a last row that has a word such as `Total` and the sum or mean of a column."""
    batch, last = raw.batch, raw.batch.num_rows - 1
    words = {_word_of(column[last]) for column in batch.columns} if last >= _MIN_SUMMED else set()
    if not words & _TOTAL_WORDS or not any(map(_ends_in_total, batch.columns)):
        return raw
    text = ", ".join(_text_of(column[last]) for column in batch.columns)[:MAX_TEXT]
    bad = BadRow(
        path=path, row=int(raw.rows[last]), reason="holds totals of the rows above", text=text
    )
    return RawBatch(batch=batch.slice(0, last), rows=raw.rows[:last], bad_rows=[*raw.bad_rows, bad])


def _word_of(value: pa.Scalar) -> str:
    return _text_of(value).strip().rstrip(":").lower()


def _ends_in_total(column: pa.Array) -> bool:
    """Tells whether a column's last value is the sum or the mean of the others."""
    is_nested = not (values.is_text(column.type) or pa.types.is_primitive(column.type))
    if is_nested or pa.types.is_temporal(column.type):
        return False
    numbers = _floats(column.cast(pa.string()).cast(pa.binary()))
    others, total = numbers[:-1][np.isfinite(numbers[:-1])], numbers[-1]
    if len(others) < _MIN_SUMMED or not np.isfinite(total) or np.ptp(others) == 0:
        return False
    wanted = np.array([others.sum(), others.mean()])
    return bool(np.isclose(total, wanted, rtol=1e-4, atol=0.005).any() and total != 0)


def _has_line_breaks(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.match_substring(column, "\n"), False))


def _fields_inside(text: str, number: int, header: Header) -> list[tuple[int, str]]:
    """Returns the fields, by column, that a text swallows if its first line ends a row.

    The lines between are rows, and the last line begins the row whose end follows the text. There
    are none if the lines have other numbers of fields.

    Args:
        text: The value of a field, of two lines or more.
        number: The column of the field.
        header: The file's header.
    """
    num_columns = len(header.names)
    lines = [line.strip("\r").split(header.delimiter) for line in text.split("\n")]
    first, *between, last = lines
    sizes = [len(line) for line in lines]
    if sizes != [num_columns - number, *[num_columns] * len(between), number + 1]:
        return []
    inside = list(enumerate(first[1:], number + 1))
    for line in between:
        inside += enumerate(line)
    return inside + list(enumerate(last[:-1]))


def _is_merged(
    text: str, inside: Sequence[tuple[_Numbers | None, str]], place: int, delimiter: str
) -> bool:
    """Tells whether the fields inside a text prove that it holds the end and start of rows.

    Each number must fit its column. That is proof if two numbers do, or one whose column is sorted
    or has few values, or one beside a quote without its partner. A note of several lines may have
    delimiters too, but hardly those numbers.
    """
    typed = [(column, value) for column, value in inside if column is not None]
    if not typed or not all(column.fits(value, place) for column, value in typed):
        return False
    has_open_quote = text.count('"') % 2 == 1
    # A decimal comma is no delimiter.
    has_decimals = delimiter == "," and re.search(r"\d,\d", text) is not None
    is_special = any(column.is_sorted or column.codes for column, _ in typed)
    return len(typed) > 1 or has_open_quote or (is_special and not has_decimals)


def _check_quotes(path: str, rows: Sequence[int]) -> None:
    if rows:
        raise InputError(
            f"{path}, row {rows[0]}: a quote opens a field that holds the rows after it; they "
            "would be lost. Close the quote, or double it if it is part of the text."
        )


def _lines_before(piece: Piece, header: Header) -> int:
    """Returns the number of lines before the first record of a piece."""
    return header.lines_before if piece.begins_file else 0


def _without_units(raw: RawBatch, piece: Piece) -> RawBatch:
    """Drops the first row of the file if the layout says that it holds units."""
    if not piece.layout.units_row:
        return raw
    first = int(len(raw.rows) > 0 and raw.rows[0] == 1)
    if first:
        names, columns = raw.batch.schema.names, raw.batch.columns
        cells = {name: _text_of(column[0]) for name, column in zip(names, columns, strict=True)}
        check_units(cells, piece)
    return RawBatch(
        batch=raw.batch.slice(first),
        rows=raw.rows[first:],
        bad_rows=[bad for bad in raw.bad_rows if bad.row != 1],
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
            skip_rows=_lines_before(piece, header),
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
        for line, record in csv_streams.csv_records(
            piece, header.delimiter, skip_lines=_lines_before(piece, header)
        )
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
