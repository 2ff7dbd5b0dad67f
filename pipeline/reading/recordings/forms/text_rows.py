"""Text with a recording in each line, its label first or last."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.reading.files.csv_header import is_value, trimmed
from pipeline.reading.files.pieces import TEXT_SUFFIXES, open_stream, suffix_of
from pipeline.reading.recordings.evidence.labels import MAX_CLASSES
from pipeline.reading.recordings.forms.request import DEFAULT_LABEL, MANY_FILES, Discovery
from pipeline.reading.recordings.forms.rows import MIN_RECORDINGS, RowsRequest, labels_in
from pipeline.reading.recordings.forms.smoothness import MIN_SAMPLES, are_samples
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.rows.recordings import read_rows
from pipeline.reading.recordings.rows.rows_file import label_texts
from pipeline.reading.recordings.rows.text_rows import (
    CHANNEL,
    decimal_of,
    delimiter_of,
    in_utf8,
    text_lines,
)
from pipeline.recording_options import Recordings, RowsOfFile

_HEAD_BYTES = 1 << 20
_SAME_SIGNAL = 0.9  # correlation
_MAX_WHOLE = 0.5  # share of samples that are whole numbers by chance
_NUM_LOOKED_AT = 2_000
_TEXTS = (".csv", ".tsv", *TEXT_SUFFIXES)


class TextRowForms(RowsRequest):
    """Discovers lines that are recordings; None if there are none."""

    def of_texts(self, path: str) -> Discovery | None:
        """Discovers text with a recording in each line, its label first or last."""
        files = [path] if Path(path).is_file() else list(self.listing.tables)
        if not files or len(files) >= MANY_FILES or not all(suffix_of(f, _TEXTS) for f in files):
            return None
        if self.labels is not None or not all(map(_begins_with_numbers, files)):
            return None
        decimals = {decimal_of(_first_line(file)) for file in files}
        decimal = decimals.pop() if len(decimals) == 1 else "."
        lines = [_lines_of_numbers(file, decimal) for file in files]
        widths = {len(cells) for own in lines for cells in own}
        if not all(lines) or len(widths) != 1 or widths.pop() <= MIN_SAMPLES:
            return None
        width = len(lines[0][0])
        cells = [line for own in lines for line in own]
        places = [p for p in (0, -1) if _is_label([line[p] for line in cells])]
        if not places or len(cells) < MIN_RECORDINGS:
            return None
        place = places[0]
        rows = RowsOfFile(label_at="last" if place else "first", num_samples=width - 1)
        labels = [text for file in files for text in labels_in(file, rows, decimal)]
        recordings = Recordings(form="rows", rows=rows)
        samples = _samples_of(files[0], rows, decimal)
        if self.rows != "samples" and not are_samples(samples):
            return None
        if len(places) > 1:
            raise InputError(
                f"{files[0]} has a recording in each line, and the first as well as the last value "
                "may be the label: both have few values. Write a config with "
                f"`data.recordings.rows: {{label_at: last, num_samples: {width - 1}}}`, or with "
                "`first`; for a table of examples, give --header."
            )
        if self.rows != "samples":
            _check_edges(files[0], samples)
        data = {"decimal": decimal} if decimal != "." else {}
        label = self.label or DEFAULT_LABEL
        return self.found_rows(files, recordings, label, labels, data=data)


def _check_edges(file: str, samples: NDArray[np.float32]) -> None:
    """Checks that the first and the last sample of lines are no id or group.

    Raises:
        InputError: One of them has whole numbers only, unlike other samples and not near the next.
    """
    is_whole = samples == np.round(samples)
    if is_whole[:, 1:-1].mean() > _MAX_WHOLE:
        return
    for words, place, neighbour in (("first", 0, 1), ("last", -1, -2)):
        if is_whole[:, place].all() and not _go_on(samples[:, place], samples[:, neighbour]):
            raise InputError(
                f"{file} has a recording in each line, and the {words} number beside the label is "
                "whole in all lines, unlike the samples: it seems to be an id or a group. Remove "
                "it, or write an NPZ file with the arrays `X`, `y` and one of its name. If it is a "
                "sample, say --rows samples."
            )


def _go_on(edge: NDArray[np.float32], neighbour: NDArray[np.float32]) -> bool:
    """Tells whether samples are constant, or the same signal as those beside them."""
    known = np.isfinite(edge) & np.isfinite(neighbour)
    if np.ptp(edge) == 0:
        return True
    if known.sum() < 2 or np.ptp(neighbour[known]) == 0:
        return False
    return bool(np.corrcoef(edge[known], neighbour[known])[0, 1] > _SAME_SIGNAL)


def _samples_of(file: str, rows: RowsOfFile, decimal: str) -> NDArray[np.float32]:
    """Returns the samples of the first lines, float32 [lines, samples]."""
    channel = read_rows(file, rows, is_labelled=False, decimal=decimal).channels[CHANNEL]
    return np.asarray(channel[:_NUM_LOOKED_AT], np.float32)


def _begins_with_numbers(file: str) -> bool:
    """Tells whether a file's first line has no names; the rest, which may be long, is not read."""
    line = _first_line(file)
    return _are_numbers(_cells(line, delimiter_of(line, decimal_of(line))))


def _first_line(file: str) -> bytes:
    """Returns the first line that is not blank; an empty one of a file that cannot be read."""
    try:
        with open_stream(file) as stream:
            head = in_utf8(stream.read(_HEAD_BYTES))
    except (OSError, EOFError):
        return b""  # the reader of tables says what is wrong
    except UnusableError as error:
        _check_no_utf16(file, error)
        return b""
    return next((line.strip(b" \r") for line in head.split(b"\n") if line.strip()), b"")


def _check_no_utf16(file: str, problem: UnusableError) -> None:
    """Checks that bytes that are no UTF-8 are not numbers in UTF-16 without a mark.

    Raises:
        InputError: They are.
    """
    with open_stream(file) as stream:
        head = stream.read(_HEAD_BYTES)
    line = head[: len(head) // 2 * 2].decode("utf-16-le", errors="replace").split("\n")[0].encode()
    if _are_numbers(_cells(line, delimiter_of(line, decimal_of(line)))):
        raise InputError(f"{file}: {problem}.")


def _lines_of_numbers(file: str, decimal: str) -> list[list[str]]:
    """Returns the fields of each line; nothing if one is no number, except a first or last one."""
    try:
        lines, delimiter = text_lines(file, decimal)
    except UnusableError:
        return []
    cells = []
    for line in lines:
        cells.append(_cells(line, delimiter))
        if not _are_numbers(cells[-1]):
            return []
    return cells


def _cells(line: bytes, delimiter: bytes | None) -> list[str]:
    return [trimmed(text.decode(errors="replace")) for text in line.split(delimiter)]


def _are_numbers(cells: Sequence[str]) -> bool:
    inner = cells[1:-1]
    return len(inner) >= MIN_SAMPLES - 1 and all(
        is_value(text) or text.lower() in ("nan", "?", "") for text in inner
    )


def _is_label(texts: Sequence[str]) -> bool:
    """Tells whether the values of a place are those of a label: few, and no measurements."""
    values = set(label_texts(np.array([_number(text) for text in texts], object)))
    few = 2 <= len(values) <= min(MAX_CLASSES, len(texts) // 2)
    return few and None not in values and not any("." in (value or "") for value in values)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
