"""Header blocks: lines that instruments and loggers write before a table.

Oscilloscopes write a model and a scale, LabVIEW writes lines up to `***End_of_Header***`, data
loggers write comments. The names of the columns follow, perhaps a row of units, then the numbers.
`init` finds where the table starts, once; the config says it to every reader.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.counting import count
from pipeline.reading.files.csv_header import has_value, is_value, trimmed
from pipeline.reading.files.encodings import detect_encoding
from pipeline.reading.files.pieces import open_stream
from pipeline.unit_names import holds_digits, unit_text

_HEAD_BYTES = 1 << 16
_MIN_ROWS = 8
_MIN_FIRST_ROWS = 3  # rows of numbers that follow each other where a table starts
_DELIMITERS = "\t;|,"
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_MARK = re.compile(r"\s*(?:#+|%+|//+|!+)\s*(?=[^\s,;|])")
_MISSING = {"", "nan", "na", "n/a", "null", "none", "inf", "-inf", "-", "--", "---", "?"}
_TIME_NAMES = re.compile(r"(x[ _]?value|time|timestamp|date|t|zeit)(?![a-z])", re.IGNORECASE)
# Columns of which only the first row has a text, so that other rows are shorter.
_REMARKS = {"comment", "comments", "remark", "remarks", "note", "notes"}
_SENTENCE = re.compile(r"[:=*]")


# Names of columns, and the texts of a row of units.
_Named = tuple[tuple[str, ...], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class TableStart:
    """Where the table of a CSV file starts.

    Attributes:
        names: Names of its columns; none if no line above the rows has them.
        skip_rows: Lines before the line with the names; with `header`, before the rows.
        header: The names if the line with them does not do: it begins with a mark such as `#`, or
            has another number of fields than the rows.
        units: Column to unit, from a row of units.
        first_line: The first line of the block.
        header_row: Names that the line with the names begins with, if it is another line in some
            of several files.
    """

    names: tuple[str, ...]
    skip_rows: int = 0
    header: tuple[str, ...] | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    first_line: str = ""
    header_row: tuple[str, ...] = ()

    @property
    def has_block(self) -> bool:
        """Whether the table does not simply start with the names of its columns."""
        return self.skip_rows > 0 or bool(self.header_row)

    def layout(self, encoding: str) -> CsvLayout:
        """Returns the layout of the file."""
        return CsvLayout(
            encoding=encoding,
            skip_rows=0 if self.header_row else self.skip_rows,
            header=self.header,
            units_row=bool(self.units) and self.header is None,
        )


def find_start(path: str) -> TableStart | None:
    """Returns where the table of a CSV file starts; None if its first 64 KiB show no table.

    Raises:
        InputError: The file is not text.
    """
    encoding = detect_encoding(path)
    with open_stream(path) as stream:
        head: bytes = stream.read(_HEAD_BYTES)
    lines = _LINE_BREAK.split(head.decode(encoding, errors="replace").removeprefix("\ufeff"))
    return start_of(lines[:-1])  # the last one may be cut, or is empty


def find_block(path: str) -> TableStart | None:
    """Returns where the table of a CSV file starts if lines are before it, else None.

    Raises:
        InputError: No line above the rows has the names of the columns.
    """
    start = find_start(path)
    if start is None or not start.has_block:
        return None
    if not start.names:
        raise InputError(
            f"{path} begins with {count(start.skip_rows, 'line')} about the recording "
            f"({start.first_line!r}), and no line with the names of its columns is above the rows "
            "of numbers. Replace these lines by one with the names, in all files; or write a "
            f"config with `data.skip_rows: {start.skip_rows}` and the names in `data.header`."
        )
    return start


def find_common_block(files: Sequence[str]) -> TableStart | None:
    """Returns where the tables of CSV files start if lines are before them, else None.

    Files in which no table is seen, such as empty ones, are left to the reader.

    The names of the columns may be in different lines if they begin alike in all files.

    Raises:
        InputError: A file starts in another way than the first one, or has other units.
    """
    starts = [
        (file, start) for file in files if (start := find_start(file)) is not None and start.names
    ]
    if not starts:
        return None
    path, first = starts[0]
    shared = first.names
    for _, start in starts:
        pairs = zip(shared, start.names, strict=False)
        shared = tuple(name for name, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    for file, start in starts:
        is_elsewhere = start.skip_rows != first.skip_rows
        if start.header != first.header or (is_elsewhere and (first.header or not shared)):
            raise InputError(
                f"{file} has {_words(start)}, and {path} has {_words(first)}. Give files of one "
                "layout, or a folder for each layout."
            )
        _check_units(file, start.units, path, first.units)
    if all(start.skip_rows == first.skip_rows for _, start in starts):
        return first if first.has_block else None
    for file, start in starts:
        _check_units_row(file, start, path, first)
    return replace(first, header_row=shared)


def _check_units_row(file: str, start: TableStart, first: str, expected: TableStart) -> None:
    if bool(start.units) != bool(expected.units):
        with_units, without = (file, first) if start.units else (first, file)
        raise InputError(
            f"{with_units} has a row of units below the names of its columns, and {without} has "
            "none. Give files of one layout, or a folder for each layout."
        )


def _check_units(
    file: str, units: Mapping[str, str], first: str, expected: Mapping[str, str]
) -> None:
    for name, unit in units.items():
        if expected.get(name, unit) != unit:
            raise InputError(
                f"{file} has `{name}` in {unit}, and {first} in {expected[name]}, by their rows of "
                "units. Values would be read as if they had one unit: convert the files to one."
            )


def _words(start: TableStart) -> str:
    names = ", ".join(start.names[:5])
    place = "rows" if start.header is not None else "names of its columns"
    return f"{count(start.skip_rows, 'line')} before the {place} ({names})"


def start_of(lines: Sequence[str]) -> TableStart | None:
    """Returns where a table starts in the first lines of a file; None if there is none.

    Its rows begin with a number or a time, and have numbers in the same columns. The line above
    them has the names, or the one above a row of units.

    >>> start_of(["Model,X1", "", "Scale,0.5", "t,volt", *["0.1,2"] * 8]).skip_rows
    3
    """
    places = [place for place, line in enumerate(lines) if line.strip()]
    delimiter = _delimiter([lines[place] for place in places[-_MIN_ROWS:]])
    if len(places) <= _MIN_ROWS or delimiter is None:
        return None
    cells = [_cells(lines[place], delimiter) for place in places]
    values = _value_columns(cells[-_MIN_ROWS:])
    are_rows = [_is_row(one, len(cells[-1]), values) for one in cells]
    first = next(
        (n for n in range(len(cells)) if all(are_rows[n : n + _MIN_FIRST_ROWS])), len(cells)
    )
    if first >= len(cells) - _MIN_FIRST_ROWS:
        return None
    above = [lines[place] for place in places[:first]]
    start = _above(above, places[: first + 1], cells[first:], delimiter)
    return start if start.names or first > 1 or len(cells[0]) != len(cells[-1]) else None


def _above(
    above: Sequence[str], places: Sequence[int], rows: Sequence[Sequence[str]], delimiter: str
) -> TableStart:
    """Returns what the lines above the rows say.

    Args:
        above: Those that are not blank.
        places: Their places in the file, and that of the first row.
        rows: The fields of the rows.
        delimiter: What divides them.
    """
    first_line = above[0].strip()[:40] if above else ""
    used = max((n + 1 for row in rows for n, cell in enumerate(row) if cell), default=1)
    known = _of_logger(above, len(rows[0]), delimiter) or _with_values(
        above, used, len(rows[0]), delimiter
    )
    if known is not None:
        names, texts = known
        return TableStart(
            names=names,
            skip_rows=places[-1],
            header=names,
            units=_units(names, texts),
            first_line=first_line,
        )
    for number in _candidates(above, delimiter):
        line = above[number]
        names = _names(_cells(_MARK.sub("", line, count=1), delimiter), used, len(rows[0]))
        if not names:
            continue
        is_plain = not _MARK.match(line) and len(_cells(line, delimiter)) == len(rows[0])
        units = [_cells(_MARK.sub("", one, count=1), delimiter) for one in above[number + 1 :]]
        return TableStart(
            names=names,
            skip_rows=places[number] if is_plain else places[-1],
            header=None if is_plain else names,
            units=_units(names, units[0]) if units else {},
            first_line=first_line,
        )
    return TableStart(names=(), skip_rows=places[-1], first_line=first_line)


def _of_logger(above: Sequence[str], size: int, delimiter: str) -> _Named | None:
    """Returns names and units of Campbell Scientific's TOA5, which has four lines before the rows.

    They are about the station, the names, their units, and how values were aggregated.
    """
    rows = [_cells(line, delimiter) for line in above]
    if len(rows) != 4 or rows[0][:1] != ["TOA5"] or {*map(len, rows[1:])} != {size}:
        return None
    names = _names(rows[1], size, size)
    return (names, rows[2]) if names else None


def _with_values(above: Sequence[str], used: int, size: int, delimiter: str) -> _Named | None:
    """Returns names and units of a line that has names of values too, which are in the next line.

    Such as Rigol's `X,CH1,Start,Increment` above `Sequence,Volt,-1.0,1e-6`.

    Args:
        above: The lines above the rows that are not blank.
        used: Columns in which rows have values.
        size: Fields of a row.
        delimiter: What divides fields.
    """
    if len(above) < 2:
        return None
    names, values = (_cells(line.rstrip(delimiter + " "), delimiter) for line in above[-2:])
    are_units = used < len(names) == len(values) and not any(map(is_value, values[:used]))
    if not are_units or not all(map(is_value, values[used:])) or any(map(is_value, names)):
        return None
    own = (*names[:size], *(f"unnamed_{place}" for place in range(len(names), size)))
    return (own, values[:used]) if all(own) and len({*own}) == len(own) else None


def _candidates(above: Sequence[str], delimiter: str) -> list[int]:
    """Returns which line has the names: the last one, or first the one above a row of units."""
    last = len(above) - 1
    if last < 1:
        return [last] if last == 0 else []
    names, units = (
        _cells(_MARK.sub("", line, count=1), delimiter) for line in (above[-2], above[-1])
    )
    texts = [text for text in units if text.lower() not in _MISSING]
    is_units = (
        len(names) == len(units)
        and not any(map(holds_digits, texts))
        and 2 * sum(bool(unit_text(text)) for text in texts) > len(texts)
        and (_has_time(names) or not _has_time(units))
    )
    return [last - 1, last] if is_units else [last]


def _has_time(names: Sequence[str]) -> bool:
    return any(_TIME_NAMES.match(name) for name in names)


def _units(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {n: unit for n, cell in zip(names, cells, strict=False) if (unit := unit_text(cell))}


def _names(cells: Sequence[str], used: int, size: int) -> tuple[str, ...]:
    """Returns the names of the columns that a line has; none if it has no such names.

    Args:
        cells: Its fields.
        used: Columns in which rows have values.
        size: Fields of a row.
    """
    own = list(cells)
    while own and (not own[-1] or (len(own) > size and own[-1].lower() in _REMARKS)):
        own.pop()
    is_named = len(own) >= used and sum(map(bool, own[:used])) >= max(1, used - 1)
    own += [""] * (size - len(own))
    names = [name or f"unnamed_{place}" for place, name in enumerate(own)]
    is_text = not is_value(own[0]) and not has_value(own)
    is_sentence = size == 1 and _SENTENCE.search(own[0]) is not None
    if len(own) != size or not is_named or not is_text or is_sentence:
        return ()
    return tuple(names) if len(set(names)) == len(names) else ()


def _delimiter(lines: Sequence[str]) -> str | None:
    """Returns what divides rows of numbers; None if the lines are none."""
    for delimiter in _DELIMITERS:
        cells = [_cells(line, delimiter) for line in lines]
        if len({*map(len, cells)}) == 1 and len(cells[0]) > 1 and 0 in _value_columns(cells):
            return delimiter
    return "," if lines and all(is_value(trimmed(line)) for line in lines) else None


def _value_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """Returns the columns of rows of one size that hold numbers or times only."""
    return [
        place for place in range(min(map(len, rows))) if all(_is_value(row[place]) for row in rows)
    ]


def _is_row(cells: Sequence[str], size: int, values: Sequence[int]) -> bool:
    return len(cells) == size and all(_is_value(cells[place]) for place in values)


def _is_value(text: str) -> bool:
    return text.lower() in _MISSING or is_value(text)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [trimmed(cell) for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []
