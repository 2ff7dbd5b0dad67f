"""The quarantine file for unreadable rows, and the error when there are too many."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.files.csv_source import with_lines
from pipeline.reading.files.pieces import BadRow, Piece, resolve_path
from pipeline.reading.sql.extraction.naming import name_bad_rows

FILE_NAME = "bad_rows.jsonl"
_NUM_SHOWN = 5


def locate(piece: Piece, bad_rows: Sequence[BadRow]) -> list[BadRow]:
    """Returns the bad rows of one piece in file order.

    Those of a CSV file have their physical lines, those of a database their table and key.
    """
    if piece.format == "csv" and bad_rows:
        bad_rows = with_lines(piece, bad_rows)
    ordered = sorted(bad_rows, key=lambda bad: bad.row)
    return name_bad_rows(ordered) if piece.format == "parquet" else ordered


def write_quarantine(folder: str, bad_rows: Sequence[BadRow]) -> str:
    """Writes one JSON object per row to `bad_rows.jsonl` in a folder; returns the file's path."""
    filesystem, inner = resolve_path(folder)
    filesystem.create_dir(inner, recursive=True)
    lines = "".join(json.dumps(_entry(bad), ensure_ascii=False) + "\n" for bad in bad_rows)
    with filesystem.open_output_stream(f"{inner}/{FILE_NAME}") as stream:
        stream.write(lines.encode())
    return f"{folder}/{FILE_NAME}"


def _entry(bad: BadRow) -> dict[str, Any]:
    """Returns a bad row as JSON; rows of files have no key."""
    return {name: value for name, value in asdict(bad).items() if name != "key" or value}


def check_bad_rows(
    bad_rows: Sequence[BadRow], *, num_bad_rows: int, max_bad_rows: int, reports_dir: str
) -> None:
    """Checks that no more rows are bad than the config allows.

    Args:
        bad_rows: The bad rows, in the order of the data.
        num_bad_rows: Total number; `bad_rows` may list only some of them.
        max_bad_rows: `data.max_bad_rows`.
        reports_dir: Folder for the quarantine file; it must outlive the run.

    Raises:
        InputError: Names the first rows with their reasons, and the quarantine file.
    """
    if num_bad_rows <= max_bad_rows:
        return
    path = write_quarantine(reports_dir, bad_rows)
    shown = "\n".join(f"  {bad}" for bad in bad_rows[:_NUM_SHOWN])
    more = num_bad_rows - min(_NUM_SHOWN, len(bad_rows))
    raise InputError(
        f"{count(num_bad_rows, 'row')} cannot be read, more than data.max_bad_rows = "
        f"{max_bad_rows}:\n"
        f"{shown}\n"
        + (f"  and {more} more\n" if more else "")
        + f"All of them are in {path}. Fix the data, or allow more with data.max_bad_rows."
    )
