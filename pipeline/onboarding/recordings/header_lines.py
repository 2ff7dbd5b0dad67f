"""The lines before the tables of recordings, as keys of a config and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.counting import count
from pipeline.onboarding.recordings.header_rates import find_header_rate
from pipeline.reading.recordings.evidence.header_block import TableStart
from pipeline.reading.recordings.forms.request import Discovery
from pipeline.recording_options import HeaderRate, Recordings


@dataclass(frozen=True, kw_only=True)
class HeaderLines:
    """What is declared of the lines before the tables.

    Attributes:
        data: Keys of the config's `data` block.
        notes: What was found, in words.
        rate: Where they state the sampling rate.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rate: HeaderRate | None = None


def describe_block(
    block: TableStart, discovery: Discovery, table: str, layout: CsvLayout
) -> HeaderLines:
    """Returns what is declared of the lines before the tables.

    Args:
        block: Where the tables start.
        discovery: What the files are.
        table: The first of the CSV files.
        layout: Its layout.

    Raises:
        InputError: The tables start in different lines, and are not read file by file.
    """
    _check_header_row(block.header_row, discovery)
    rate, words = _rate(discovery, table, layout)
    data: dict[str, Any] = {}
    if not block.header_row:
        data = {"skip_rows": layout.skip_rows} | (
            {"header": layout.header} if layout.header else {}
        )
    return HeaderLines(data=data, notes=(_note(block), *words), rate=rate)


def _check_header_row(names: Sequence[str], discovery: Discovery) -> None:
    """Checks that files whose names are in different lines are recordings of their own.

    Raises:
        InputError: They are parts of a table, which is read in ranges.
    """
    if names and not _has_own_files(discovery.recordings):
        raise InputError(
            f"The tables at {discovery.path} have different numbers of lines before the names of "
            "their columns. Tables of several recordings need one number: remove these lines."
        )


def _has_own_files(options: Recordings) -> bool:
    """Whether each file is a recording."""
    return options.form in ("files", "stream") and not options.id_is_column


def _rate(
    discovery: Discovery, table: str, layout: CsvLayout
) -> tuple[HeaderRate | None, tuple[str, ...]]:
    """Returns where the lines state the rate, unless a column of times has it."""
    options = discovery.recordings
    if options.time_column is not None or not _has_own_files(options):
        return None, ()
    return find_header_rate(table, layout, discovery.data.get("decimal", "."))


def _note(block: TableStart) -> str:
    if block.header_row:
        names = ", ".join(f"`{name}`" for name in block.header_row)
        return (
            f"the names of the columns are in different lines: in each file, the first one that "
            f"begins with {names} has them"
        )
    own = "those with the names among them" if block.header else "before the names of the columns"
    return (
        f"{count(block.skip_rows, 'line')} about the recording at the beginning of each file, "
        f"{own}, skipped ({block.first_line!r})"
    )
