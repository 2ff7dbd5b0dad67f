"""Recordings in text without names of columns: one in each line, its label first or last."""

import codecs
import io
import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.reading.files.pieces import first_line, open_stream
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.rows.rows_file import MISSING, RowsFile, label_text
from pipeline.recording_options import RowsOfFile

CHANNEL = "signal"
_DELIMITERS = (b"\t", b";", b",")
_PLACES: dict[str | None, int] = {"first": 0, "last": -1}
_COMMA_NUMBER = re.compile(rb"[+-]?\d*,\d+([eE][+-]?\d+)?")
_MIN_COMMAS = 0.5  # share of the numbers of a line; whole ones have none


def read_text(path: str, options: RowsOfFile, *, is_labelled: bool, decimal: str) -> RowsFile:
    """Reads text with a recording in each line.

    Args:
        path: The file.
        options: Samples of a line, and where its label is.
        is_labelled: Whether each line must have a label.
        decimal: The decimal mark.

    Raises:
        UnusableError: The file cannot be read.
    """
    num_samples = options.num_samples or 0
    lines, delimiter = text_lines(path, decimal)
    counts = [len(line.split(delimiter)) for line in lines]
    has_label = options.label_at is not None
    widths = {num_samples + has_label} | (set() if is_labelled else {num_samples})
    expected = " or ".join(f"{width:,}" for width in sorted(widths))
    problems = {
        place: f"line {place + 1:,} has {number:,} values; expected {expected}"
        for place, number in enumerate(counts)
        if number not in widths
    }
    # A line without a label is read as one with an empty label.
    place = _PLACES.get(options.label_at)
    fields = [_fields(line.split(delimiter), num_samples, place) for line in lines]
    content = b"\n".join(b"\t".join(own) for own in fields)
    samples, wrong = _numbers(content, num_samples)
    problems |= {row: text for row, text in wrong.items() if row not in problems}
    labels = [_label(line.split(delimiter), place) for line in lines] if is_labelled else None
    return RowsFile(channels={CHANNEL: samples}, labels=labels, problems=problems)


def text_lines(path: str, decimal: str = ".") -> tuple[list[bytes], bytes | None]:
    """Returns the lines of a text that are not blank, and what divides them: None means blanks.

    A delimiter after the last value of every line is no value. Decimal commas become points.

    Raises:
        UnusableError: The file cannot be read, or has no line.
    """
    try:
        with open_stream(path) as stream:
            content = in_utf8(stream.read())
    except (OSError, EOFError) as error:
        raise UnusableError(f"it cannot be read ({first_line(error)})") from error
    lines = [line.strip(b" \r") for line in content.split(b"\n")]
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise UnusableError("it is empty")
    delimiter = delimiter_of(lines[0], decimal)
    if decimal == ",":
        lines = [line.replace(b",", b".") for line in lines]
    if delimiter is not None and all(line.endswith(delimiter) for line in lines):
        lines = [line.removesuffix(delimiter) for line in lines]
    return lines, delimiter


def in_utf8(content: bytes) -> bytes:
    """Returns text in UTF-8 without a mark of its encoding; UTF-16 must have one.

    >>> in_utf8("1 2".encode("utf-16"))
    b'1 2'

    Args:
        content: A file, or its first bytes; a character that is cut at the end is left out.

    Raises:
        UnusableError: It is neither.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        whole = content[: len(content) // 2 * 2]
        return whole.decode("utf-16", errors="replace").encode()
    if b"\0" in content:
        raise UnusableError(
            "it is neither UTF-8 text nor UTF-16 with a byte order mark; save it as UTF-8"
        )
    return content.removeprefix(codecs.BOM_UTF8)


def delimiter_of(line: bytes, decimal: str = ".") -> bytes | None:
    """Returns what divides the values of a line; None means blanks."""
    delimiters = _DELIMITERS[:-1] if decimal == "," else _DELIMITERS
    return next((one for one in delimiters if one in line), None)


def decimal_of(line: bytes) -> str:
    """Returns the decimal mark of a line of numbers: a comma if it divides no values.

    >>> decimal_of(b"1;0,5;0,25"), decimal_of(b"1,0.5,0.25")
    (',', '.')
    """
    delimiter = delimiter_of(line, ",")
    cells = [cell.strip() for cell in line.split(delimiter) if cell.strip()]
    num_commas = sum(bool(_COMMA_NUMBER.fullmatch(cell)) for cell in cells)
    return "," if len(cells) > 1 and num_commas > _MIN_COMMAS * len(cells) else "."


def _fields(cells: list[bytes], num_samples: int, label_at: int | None) -> list[bytes]:
    if label_at is not None and len(cells) == num_samples + 1:
        cells = cells[1:] if label_at == 0 else cells[:-1]
    return cells if len(cells) == num_samples else [b"nan"] * num_samples


def _label(cells: list[bytes], label_at: int | None) -> str | None:
    if label_at is None:
        return None
    text = cells[label_at].decode(errors="replace").strip().strip('"')
    try:
        return label_text(float(text))
    except ValueError:
        return label_text(text)


def _numbers(content: bytes, num_samples: int) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Returns float32 [lines, samples], and what is wrong in lines with other texts."""
    options: dict[str, Any] = {
        "sep": "\t", "header": None, "na_values": list(MISSING), "quoting": 3,
        "skip_blank_lines": False, "skipinitialspace": True,
    }  # fmt: skip
    try:
        frame = pd.read_csv(io.BytesIO(content), dtype=np.float32, **options)
        return frame.to_numpy(np.float32), {}
    except ValueError:
        frame = pd.read_csv(io.BytesIO(content), dtype=str, **options)
    problems: dict[int, str] = {}
    values = np.full((len(frame), num_samples), np.nan, np.float32)
    for place, name in enumerate(frame.columns):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        for row in np.flatnonzero(numbers.isna() & frame[name].notna()):
            text = str(frame[name].iloc[int(row)])[:40]
            problems.setdefault(
                int(row), f"sample {place + 1:,}: `{text}` found, expected a number"
            )
        values[:, place] = numbers.to_numpy(np.float32)
    return values, problems
