"""Reports of unreadable rows, and the check of their number against the config."""

from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.counting import count
from pipeline.reading import quarantine
from pipeline.reading.files import csv_source
from pipeline.reading.files.pieces import BadRow, Piece, suffix_of

_NUM_SHOWN = 5


def locate(bad_rows: Sequence[BadRow], layout: CsvLayout) -> list[BadRow]:
    """Returns bad rows in the order of the data; for CSV, with their physical lines."""
    by_path: dict[str, list[BadRow]] = {}
    for bad in bad_rows:
        by_path.setdefault(bad.path, []).append(bad)
    located: list[BadRow] = []
    for path, rows in sorted(by_path.items()):
        is_csv = (suffix_of(path) or "").startswith((".csv", ".tsv"))
        whole = Piece(index=0, path=path, format="csv", layout=layout)
        lines = csv_source.with_lines(whole, rows) if is_csv else rows
        located += sorted(lines, key=lambda bad: bad.row)
    return located


def check_bad_rows(
    bad_rows: Sequence[BadRow], *, max_bad_rows: int, layout: CsvLayout, is_complete: bool = True
) -> None:
    """Checks that the number of bad rows is within the limit of the config.

    Args:
        bad_rows: The bad rows.
        max_bad_rows: `data.max_bad_rows`.
        layout: How CSV files are laid out.
        is_complete: Whether all of the data were read.

    Raises:
        InputError: Names the first bad rows with their reasons.
    """
    if len(bad_rows) <= max_bad_rows:
        return
    located = locate(bad_rows, layout)
    shown = "\n".join(f"  {bad}" for bad in located[:_NUM_SHOWN])
    more = len(located) - _NUM_SHOWN
    where = "" if is_complete else "; reading stopped there"
    raise InputError(
        f"{count(len(located), 'row')} cannot be read, more than data.max_bad_rows = "
        f"{max_bad_rows}{where}:\n"
        f"{shown}\n"
        + (f"  and {more:,} more\n" if more > 0 else "")
        + "Nothing was written. Fix the data, or allow more with data.max_bad_rows."
    )


def write_aside(bad_rows: Sequence[BadRow], output: Path, layout: CsvLayout) -> Path:
    """Writes the skipped rows beside the predictions, one JSON object per row.

    Args:
        bad_rows: At least one.
        output: The predictions.
        layout: How CSV files are laid out.

    Returns:
        The folder `NAME.left_out` that contains the file.
    """
    folder = output.with_name(f"{output.name}.left_out")
    return Path(quarantine.write_quarantine(str(folder.absolute()), locate(bad_rows, layout)))
