"""The first record of a CSV file: its delimiter and the names of its columns."""

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.counting import count
from pipeline.reading.files import csv_streams
from pipeline.reading.files.encodings import detect_encoding, same_encoding
from pipeline.reading.files.pieces import PLAIN_LAYOUT, Piece, first_line
from pipeline.reading.values import BLANKS
from pipeline.unit_names import unit_text

_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
_BLANKS_BUT_TAB = BLANKS.replace("\t", "")  # a tab may be the separator
_QUOTED = re.compile(r'"[^"]*"')
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,' ]*|[.,]\d+)(?:[eE][+-]?\d+)?\s*%?")
_TIME = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]\s*\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2}.*)?"
)


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the beginning of a CSV file tells, or its layout.

    Attributes:
        names: Trimmed column names; a column without a name, such as a saved index, is
            `unnamed_N`.
        delimiter: The layout's, else that of a line such as `sep=;`, else the most frequent of
            comma, semicolon, tab and bar in the first record.
        lines_before: Lines before the first record: those that the layout skips, blank lines, and
            a line such as `sep=;`.
    """

    names: tuple[str, ...]
    delimiter: str
    lines_before: int = 0


@dataclass(frozen=True)
class _FirstRecord:
    cells: tuple[str, ...]
    delimiter: str
    lines_before: int
    line: str
    skipped: tuple[str, ...] = ()


def read_header(path: str, layout: CsvLayout = PLAIN_LAYOUT) -> Header:
    """Reads a CSV file's header; checks its first record against the layout's names, if given.

    Raises:
        InputError: The file is empty, its header is not text or repeats a column name, or its
            first record has another number of fields than `layout.header`.
    """
    record = _first_record(path, layout)
    if not record.cells:
        raise InputError(f"{path} is empty. A CSV file needs a header and rows.")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in record.line):
        raise InputError(
            f"The header of {path} is not UTF-8 text: {record.line[:60]!a}. Set `data.encoding` to "
            "the file's encoding, or save it as UTF-8."
        )
    if layout.header is None:
        names = _names(path, record.cells)
    else:
        names = _given_names(path, record, layout.header)
        _check_skipped(path, record, names)
    return Header(names=names, delimiter=record.delimiter, lines_before=record.lines_before)


def check_layout(piece: Piece, lacking: Collection[str]) -> None:
    """Checks that a CSV file does not lack columns because of its encoding or its delimiter.

    Args:
        piece: The file.
        lacking: Columns that its header lacks as the layout reads it.

    Raises:
        InputError: The header has one of them if it is read in the encoding that the file seems to
            have, or if its one cell is divided at another delimiter.
    """
    if piece.format != "csv" or not lacking:
        return
    path, layout = piece.path, piece.layout
    encoding = _other_encoding(path, layout)
    name = _first_in(lacking, path, replace(layout, encoding=encoding)) if encoding else None
    if name is not None:
        raise InputError(
            f"{path} has no column `{name}` if it is read as {layout.encoding}, as data.encoding "
            f"says, but has it if it is read as {encoding}. Save the file as {layout.encoding}; "
            "or, if all files are like it, change data.encoding and train again."
        )
    header = read_header(path, layout)
    for delimiter in _DELIMITERS if len(header.names) == 1 else "":
        name = _first_in(lacking, path, replace(layout, delimiter=delimiter))
        if name is not None:
            raise InputError(
                f"The header of {path} is a single cell if it is divided at {header.delimiter!r}, "
                f"but has the column `{name}` if it is divided at {delimiter!r}. Save the file "
                f"with the delimiter {header.delimiter!r}; or, if all files are like it, change "
                "data.delimiter and train again."
            )


def _other_encoding(path: str, layout: CsvLayout) -> str | None:
    """Returns the encoding that a file seems to have, if it is not the layout's."""
    try:
        encoding = detect_encoding(path)
    except InputError:
        return None
    return None if same_encoding(encoding, layout.encoding) else encoding


def _first_in(lacking: Collection[str], path: str, layout: CsvLayout) -> str | None:
    """Returns the first of some columns that a file's header has in a layout, or None."""
    try:
        names = read_header(path, layout).names
    except InputError:
        return None
    return next((name for name in lacking if name in names), None)


def first_cells(path: str, layout: CsvLayout = PLAIN_LAYOUT) -> tuple[str, ...]:
    """Returns the fields of a CSV file's first record as they are written; none if it is empty.

    Raises:
        InputError: The file cannot be read.
    """
    return _first_record(path, layout).cells


def looks_like_data(cells: Sequence[str]) -> bool:
    """Tells whether a first record is a row of data instead of a header.

    It is if it has several fields and each is a number or a time, or if two are equal.

    >>> looks_like_data(["4.02", "2026-01-31 12:00", "7"]), looks_like_data(["p1", "p2", "7"])
    (True, False)
    """
    texts = [text for cell in cells if (text := trimmed(cell))]
    if len(set(texts)) < len(texts):
        return True
    return len(texts) > 1 and all(map(is_value, texts))


def is_value(text: str) -> bool:
    """Tells whether a trimmed text is a number or a time."""
    return bool(_NUMBER.fullmatch(text) or _TIME.fullmatch(text))


def has_value(names: Sequence[str]) -> bool:
    """Tells whether a column name is a number with decimals or a time, as in a row of data.

    >>> has_value(["pump", "4.02"]), has_value(["pump", "t1", "7"])
    (True, False)
    """
    return any(
        _TIME.fullmatch(name) or (_NUMBER.fullmatch(name) and re.search("[.,]", name))
        for name in names
    )


def trimmed(name: str) -> str:
    r"""Returns a column name without blanks and byte order marks around it.

    >>> trimmed("\ufeff temperature\u00a0")
    'temperature'
    """
    return name.strip(BLANKS)


def check_unique(names: Sequence[str], written: Sequence[str], *, where: str) -> None:
    """Checks that no two trimmed column names are equal.

    Args:
        names: The trimmed names.
        written: The names as the file has them.
        where: The file, for the message.

    Raises:
        InputError: Shows the names that are equal and their places.
    """
    for name in dict.fromkeys(names):
        places = [place for place, other in enumerate(names) if other == name]
        if len(places) > 1:
            shown = ", ".join(f"column {place + 1} {written[place]!r}" for place in places)
            raise InputError(
                f"{where} contains `{name}` more than once ({shown}). Give every column a unique "
                "name."
            )


def check_units(cells: Mapping[str, str], piece: Piece) -> None:
    """Checks the row after the header of a file whose layout says that it holds units.

    Args:
        cells: The texts of that row, by column.
        piece: The file.

    Raises:
        InputError: It is a row of values (a unit such as `[K]` is no number), or of other units.
    """
    path, units = piece.path, dict(piece.layout.units)
    for name, cell in cells.items():
        text = cell.strip()
        unit = unit_text(text)
        if unit and name in units and unit != unit_text(units[name]):
            raise InputError(
                f"{path}: column `{name}` is in {unit}, and in {units[name]} by the first file or "
                f"features.{name}.unit. Convert the values of the file, or correct the config."
            )
        if text[:1].isdigit() or text.lstrip("+-.,")[:1].isdigit():
            raise InputError(
                f"{path}: data.units_row says that the row after the header holds units, but "
                f"column `{name}` has {text[:40]!r} there. Use files of one layout, or set "
                "data.units_row to false."
            )


def _first_record(path: str, layout: CsvLayout) -> _FirstRecord:
    _check_delimiter(layout.delimiter)
    whole = Piece(index=0, path=path, format="csv", layout=layout)
    try:
        with csv_streams.open_text(whole, errors="surrogateescape") as text:
            skipped = list(islice(text, layout.skip_rows))
            numbered = (
                (number, line) for number, line in enumerate(text, layout.skip_rows) if line.strip()
            )
            lines_before, first = next(numbered, (0, ""))
            separator = _SEPARATOR_LINE.fullmatch(first.strip(_BLANKS_BUT_TAB))
            if separator:  # Excel reads this line and does not show it
                lines_before, first = next(numbered, (lines_before + 1, ""))
            likely = separator[1] if separator else _likely_delimiter(first, layout.header)
            delimiter = layout.delimiter or likely
            lines = _chain_first(first, text)
            cells = tuple(next(csv.reader(lines, delimiter=delimiter), []))
    except (OSError, csv.Error) as error:
        raise InputError(f"Cannot read {path}: {first_line(error)}.") from error
    return _FirstRecord(cells, delimiter, lines_before, first, tuple(skipped))


def _check_delimiter(delimiter: str | None) -> None:
    if delimiter is not None and (not delimiter.isascii() or delimiter in '"\r\n'):
        raise InputError(
            f"data.delimiter is {delimiter!r}. It must be an ASCII character, neither a quote nor "
            "a line break."
        )


def _likely_delimiter(line: str, header: Sequence[str] | None) -> str:
    """Returns the delimiter that divides a line into as many fields as the names, if one does."""
    outside_quotes = _QUOTED.sub("", line)
    counts = {delimiter: outside_quotes.count(delimiter) for delimiter in _DELIMITERS}
    if header is not None and len(header) - 1 in counts.values():
        return next(d for d, count in counts.items() if count == len(header) - 1)
    return max(counts, key=lambda delimiter: counts[delimiter])


def _chain_first(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _names(path: str, record: Sequence[str]) -> tuple[str, ...]:
    names = tuple(trimmed(name) or f"unnamed_{place}" for place, name in enumerate(record))
    check_unique(names, record, where=f"The header of {path}")
    return names


def _check_skipped(path: str, record: _FirstRecord, names: Sequence[str]) -> None:
    """Checks that the lines before the rows of a file are those of the files before it.

    Raises:
        InputError: A row of values is among them, or the line with the names has others.
    """
    last = next((line for line in reversed(record.skipped) if line.strip()), "")
    cells = [trimmed(cell) for cell in next(csv.reader([last], delimiter=record.delimiter), [])]
    has_values = any(map(is_value, cells))  # TOA5's `"","","Smp","Smp"` repeats words only
    if len(cells) == len(names) and has_values and looks_like_data(cells):
        raise InputError(
            f"data.skip_rows is {len(record.skipped)}, and the last of these lines in {path} is a "
            f"row: {last.strip()[:40]!r}. Use files of one layout, or correct data.skip_rows."
        )
    for line in record.skipped:
        texts = line.lstrip("#%/! \t").split(record.delimiter)
        own = [trimmed(text).strip('"') for text in texts]
        if len({*names} & {*own}) > 1 and own[: len(names)] != list(names):
            raise InputError(
                f"{path} has the columns {', '.join(own)}, and data.header says "
                f"{', '.join(names)}. Use files of one layout."
            )


def _given_names(path: str, record: _FirstRecord, header: Sequence[str]) -> tuple[str, ...]:
    names = tuple(trimmed(name) for name in header)
    check_unique(names, header, where="data.header")
    if len(names) != len(record.cells):
        likely = _likely_delimiter(record.line, names)
        fits = len(next(csv.reader([record.line], delimiter=likely))) == len(names)
        advice = f"Is its delimiter {likely!r}?" if fits else "Give one name for each field."
        raise InputError(
            f"data.header has {count(len(names), 'name')}, and the first row of {path} has "
            f"{count(len(record.cells), 'field')}, divided at {record.delimiter!r}. {advice}"
        )
    return names
