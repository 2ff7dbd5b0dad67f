"""Raw files that no reader takes as they are, and what to do about it."""

import re
from collections import Counter
from pathlib import Path

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.counting import count
from pipeline.reading.files.encodings import detect_encoding
from pipeline.reading.files.pieces import SUFFIXES, open_stream, suffix_of
from pipeline.reading.recordings.evidence.listing import Listing, read_frame
from pipeline.reading.recordings.raw.listing import SUFFIXES as RAW_SUFFIXES

_HEAD_BYTES = 1 << 16
_MIN_ROWS = 8
_DELIMITERS = "\t;,|"
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?")
_READ = {suffix for suffixes in RAW_SUFFIXES.values() for suffix in suffixes}
_MIN_NAMED = 3
_MAX_TABLES = 3  # beside files that are not read


def check_no_preamble(path: str) -> None:
    """Checks that a CSV file begins with the names of its columns, and not with lines about it.

    Instruments write such lines: a model, a date, a scale. They have another number of fields than
    the rows of numbers below.

    Raises:
        InputError: Says how many lines are before the rows, and how to remove them.
    """
    if SUFFIXES.get(suffix_of(path) or "") != "csv":
        return
    lines = _first_lines(path)
    delimiter = max(
        _DELIMITERS, key=lambda one: sum(line.count(one) for line in lines[-_MIN_ROWS:])
    )
    fields = [_fields(line, delimiter) for line in lines]
    numbers = [bool(own) and all(_NUMBER.fullmatch(text) for text in own) for own in fields]
    if len(lines) <= _MIN_ROWS or not all(numbers[-_MIN_ROWS:]):
        return
    start = max((place + 1 for place, is_row in enumerate(numbers) if not is_row), default=0)
    size = Counter(map(len, fields[start:])).most_common(1)[0][0]
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    if first >= start or len(fields[first]) == size:
        return
    names = next((n for n in range(start - 1, first, -1) if len(fields[n]) == size), None)
    shown = lines[first].strip()[:40]
    begins = f"{path} begins with {count(names or start, 'line')} about the recording ({shown!r})"
    if names is None:
        raise InputError(
            f"{begins}, and no line with the names of its {size} columns is above the rows of "
            "numbers. Replace these lines by one with the names, in all files."
        )
    raise InputError(
        f"{begins}, and the names of its columns are in line {names + 1}. Remove the lines before "
        f"it in all files, such as by `sed -i 1,{names}d FILES`, and a mark such as `#` before the "
        "names."
    )


def _first_lines(path: str) -> list[str]:
    encoding = CsvLayout(encoding=detect_encoding(path)).encoding
    with open_stream(path) as stream:
        head: bytes = stream.read(_HEAD_BYTES)
    lines = head.decode(encoding, errors="replace").splitlines()
    return lines[:-1] if len(head) == _HEAD_BYTES else lines  # the last one may be cut


def _fields(line: str, delimiter: str) -> list[str]:
    texts = [text.strip() for text in line.strip().split(delimiter)]
    return texts[:-1] if len(texts) > 1 and not texts[-1] else texts


def check_names_no_unread(listing: Listing) -> None:
    """Checks that no table names existing files of a kind that is not read.

    Otherwise the table alone would be taken for the data.

    Raises:
        InputError: Shows the column, a file and the kinds that are read.
    """
    tables = (*listing.tables, *listing.sheets)
    for table in tables if listing.is_folder and len(tables) <= _MAX_TABLES else ():
        frame = read_frame(table)
        for name in frame.columns:
            texts = [text for text in frame[name].dropna().unique() if isinstance(text, str)]
            files = [text.replace("\\", "/") for text in texts[:100]]
            unread = [file for file in files if _is_unread(Path(table).parent, file)]
            if len(unread) >= max(_MIN_NAMED, len(files) / 2):
                suffix = Path(unread[0]).suffix
                raise InputError(
                    f"The column `{name}` of {table} names files such as {unread[0]}, and {suffix} "
                    f"files are not read: expected {', '.join(sorted(_READ))}. Convert them; text "
                    "with delimiters and a row of column names only needs the suffix .csv."
                )


def _is_unread(folder: Path, file: str) -> bool:
    suffix = Path(file).suffix.lower()
    is_named = re.fullmatch(r"\.[a-z][a-z0-9]{0,4}", suffix) is not None
    return is_named and suffix not in _READ and (folder / file).is_file()
