"""Formats of the raw tables of recordings: their encoding, units, times and numbers."""

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from common.errors import InputError
from pipeline.column_format import ColumnFormat, CsvLayout
from pipeline.config import Data
from pipeline.onboarding.profile.formats import TableFacts, Written, decide_formats
from pipeline.onboarding.profile.layout import FoundLayout, find_layout
from pipeline.onboarding.profile.sentinels import find_sentinels, sentinel_marks
from pipeline.onboarding.profile.table import ReadOptions, check_spellings_of_names
from pipeline.onboarding.profile.text_facts import TextFacts
from pipeline.onboarding.profile.words import quoted
from pipeline.onboarding.recordings.header_lines import HeaderLines, describe_block
from pipeline.reading import times
from pipeline.reading.files import csv_header, encodings, sources
from pipeline.reading.files.pieces import format_of
from pipeline.reading.recordings.beside.tables import read_table
from pipeline.reading.recordings.evidence.header_block import TableStart, find_common_block
from pipeline.reading.recordings.evidence.listing import has_rows
from pipeline.reading.recordings.forms.request import Discovery
from pipeline.reading.recordings.raw.arrays import read_arrays
from pipeline.reading.recordings.raw.clock import UnusableError
from pipeline.reading.recordings.raw.listing import list_raw_files, probes_of
from pipeline.reading.recordings.raw.stamps import time_unit
from pipeline.reading.recordings.raw.tables import own_layout
from pipeline.recording_options import HeaderRate

# The last word of a name or its unit, or in brackets.
_LONG_UNIT = re.compile(
    r"(?:^|[\W_])(mins?|minutes?|h|hrs?|hours?)$|[\[(]\s*(min|minutes|h|hrs?|hours|d|days)\s*[\])]",
    re.IGNORECASE,
)
LayoutOf = Callable[[str], CsvLayout]  # of one file
_UNITS_OF_TIME = ("s", "ms", "µs", "ns")


@dataclass(frozen=True, kw_only=True)
class RawFormats:
    """How raw tables are written, where it is not the default.

    Attributes:
        data: Keys of the config's `data` block.
        notes: What was found, in words.
        units: Channel to unit, from a row of units.
        time_column: The first column, if only its unit says that it has times.
        header_rate: Where the lines before the tables state the sampling rate.
        header_row: First names of the line with the names, if it is another line in some files.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    time_column: str | None = None
    header_rate: HeaderRate | None = None
    header_row: tuple[str, ...] = ()


class _Layouts(NamedTuple):
    """The layout of all files and of each, and how many batches of rows are looked at."""

    found: FoundLayout
    of: LayoutOf
    num_batches: int | None


def find_raw_formats(discovery: Discovery, reading: ReadOptions) -> RawFormats:
    """Returns how the raw tables of recordings are written.

    A part of the rows decides; if it leaves the order of day and month open, all rows do.

    Args:
        discovery: What the files are.
        reading: What the person says about how data are written.

    Raises:
        InputError: The files have no header, or spell the name of a column in two ways, or times
            can be read in two ways.
    """
    files = _tables(discovery)
    if not files:
        return _formats_of_arrays(discovery)
    probes = probes_of(files)
    block = find_common_block([file for file in files if _format(file) == "csv"])
    found = _layout(probes, block)
    layout, header_row = found.layout, block.header_row if block else ()

    def layout_of(file: str) -> CsvLayout:
        return own_layout(file, layout, header_row)

    if discovery.recordings.form == "files" and discovery.recordings.order_column is None:
        time = _time_by_unit(probes[0], found, layout_of)
        discovery = replace(discovery, recordings=replace(discovery.recordings, time_column=time))
    time = discovery.recordings.time_column
    names = {file: _names(file, layout_of) for file in files}
    check_spellings_of_names({file: own for file, own in names.items() if own})
    try:
        columns = _columns(discovery, probes, _Layouts(found, layout_of, 1), reading)
    except InputError:
        columns = _columns(discovery, files, _Layouts(found, layout_of, None), reading)
    columns |= _columns_of_events(discovery, columns, reading)
    notes = [f"{quoted(name)} is written as {_words(form)}" for name, form in columns.items()]
    data: dict[str, Any] = {"encoding": layout.encoding} if layout.encoding != "utf-8" else {}
    lines = HeaderLines()
    if block is not None:
        table = next(file for file in files if _format(file) == "csv")
        lines = describe_block(block, discovery, table, layout_of(table))
        data |= lines.data
        notes += lines.notes
    if layout.units_row:
        data["units_row"] = True
        notes.append("the row after the header holds units")
    if columns:
        data["columns"] = columns
    return RawFormats(
        data=data,
        notes=tuple(notes),
        units=found.units,
        time_column=time,
        header_rate=lines.rate,
        header_row=header_row,
    )


def _formats_of_arrays(discovery: Discovery) -> RawFormats:
    """Returns the unit of the times in files of arrays."""
    name = discovery.recordings.time_column
    if name is None or discovery.recordings.media != "table":
        return RawFormats()
    beside = [Path(path) for path in (discovery.recordings.labels,) if path]
    _, files = list_raw_files(discovery.path, "table", folder=Path(), others=beside)
    limits: list[float] = []
    for file in probes_of(files):
        with contextlib.suppress(UnusableError):  # its reader counts it
            batch, _ = read_arrays(file)
            kind = batch[name].type if name in batch.schema.names else pa.null()
            if pa.types.is_floating(kind) or pa.types.is_integer(kind):
                limits += pc.min_max(batch[name]).as_py().values()
    if not limits:
        return RawFormats()
    _check_unit_of_time(name)
    unit, is_epoch = time_unit(name, min(limits), max(limits))
    if unit == "s":
        return RawFormats()
    form = ColumnFormat(type="time", unit=unit, elapsed=not is_epoch)
    note = f"{quoted(name)} is written as {_words(form)}"
    return RawFormats(data={"columns": {name: form}}, notes=(note,))


def _time_by_unit(file: str, found: FoundLayout, layout_of: LayoutOf) -> str | None:
    """Returns the first column if its unit is one of time, and its numbers rise; else None."""
    if not found.layout.units_row or _format(file) != "csv":
        return None
    batch, _ = next(_batches([file], layout_of, 1), (None, False))
    name = batch.schema.names[0] if batch is not None else ""
    if batch is None or found.units.get(name) not in _UNITS_OF_TIME:
        return None
    texts = [
        str(text.decode() if isinstance(text, bytes) else text) for text in batch[0].to_pylist()
    ]
    numbers = pd.to_numeric(pd.Series(texts).str.replace(",", "."), errors="coerce")
    return name if numbers.notna().all() and (numbers.diff().dropna() > 0).all() else None


def _tables(discovery: Discovery) -> list[str]:
    """The CSV and Parquet files and the sheets of recordings that have rows."""
    options = discovery.recordings
    if options.media != "table" or options.form == "rows":  # text of rows has no columns
        return []
    beside = [Path(path) for path in (options.labels, options.events) if path]
    _, files = list_raw_files(discovery.path, "table", folder=Path(), others=beside)
    kinds = {file: format_of(file) for file in files}
    return [
        file
        for file, kind in kinds.items()
        if (kind in ("csv", "parquet") and has_rows(file))
        or (kind == "sheet" and _is_readable_sheet(file))
    ]


def _is_readable_sheet(file: str) -> bool:
    try:
        return any(batch.num_rows for batch, _ in _batches([file], lambda _: CsvLayout(), 1))
    except InputError:
        return False  # the reader counts it as bad


def _format(file: str) -> Any:
    return format_of(file)


def _layout(files: Sequence[str], block: TableStart | None) -> FoundLayout:
    """Returns encoding, lines before the table and units of CSV files; a delimiter is each one's.

    Raises:
        InputError: They have no header.
    """
    tables = [file for file in files if _format(file) == "csv"]
    if not tables:
        return FoundLayout()
    encoding = CsvLayout(encoding=encodings.detect_common_encoding(tables))
    if block is not None:
        return FoundLayout(layout=block.layout(encoding.encoding), units=block.units)
    headers = {tuple(csv_header.first_cells(file, encoding)): file for file in tables}
    if len(headers) > 1 and all(map(_is_row, headers)):
        shown = ", ".join(next(iter(headers))[:5])
        raise InputError(
            f"The first line of {tables[0]} looks like data, not like column names: {shown}. Write "
            "a line with the names of the columns at the beginning of each file."
        )
    names = next(iter(headers))
    header = names if csv_header.looks_like_data(names) else None
    first = find_layout(tables[:1], header=header)
    layout = CsvLayout(encoding=encoding.encoding, units_row=first.layout.units_row)
    return FoundLayout(layout=layout, units=first.units if layout.units_row else {})


def _is_row(cells: Sequence[str]) -> bool:
    """Tells whether a first record is a row of samples; a single one may be a number."""
    return csv_header.looks_like_data(cells) or csv_header.has_value(cells)


def _columns(
    discovery: Discovery,
    files: Sequence[str],
    layouts: _Layouts,
    reading: ReadOptions,
) -> dict[str, ColumnFormat]:
    """Returns the formats of times and channels that are not plain."""
    options, found = discovery.recordings, layouts.found
    others = {discovery.label, options.id_column if options.form == "long" else None}
    facts: dict[str, TextFacts] = {}
    for batch, is_csv in _batches(files, layouts.of, layouts.num_batches):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in others:
                one = facts.setdefault(name, TextFacts())
                one.add(column, csv=is_csv, default_marks=reading.default_marks)
    delimiter = _delimiter(files[0], layouts.of)
    written, decimal = _decide(facts, delimiter, reading)
    base = Data(path="-", **discovery.data).decimal
    columns = {}
    for name, own in written.items():
        form = (
            _time_form(f"{name} {found.units.get(name, '')}", own, facts[name])
            if name == options.time_column
            else _number_form(own, facts[name], reading, decimal if decimal != base else None)
        )
        if form is not None:
            columns[name] = form
    return columns


def _batches(
    files: Sequence[str], layout_of: LayoutOf, num_batches: int | None
) -> Iterator[tuple[pa.RecordBatch, bool]]:
    for file in files:
        [piece] = sources.plan_pieces(
            [file], _format(file), layout=layout_of(file), whole_files=True
        )
        for raw in islice(sources.read_piece(piece), num_batches):
            yield raw.batch, piece.format == "csv"


def _names(file: str, layout_of: LayoutOf) -> list[str]:
    """Returns the columns of a file; none of one that cannot be read, which the reader counts."""
    try:
        [piece] = sources.plan_pieces(
            [file], _format(file), layout=layout_of(file), whole_files=True
        )
        return list(sources.read_schema(piece).names)
    except InputError:
        return []


def _delimiter(file: str, layout_of: LayoutOf) -> str:
    if _format(file) != "csv":
        return ""
    return csv_header.read_header(file, layout_of(file)).delimiter or ""


def _decide(
    facts: Mapping[str, TextFacts], delimiter: str, reading: ReadOptions
) -> tuple[dict[str, Written], str]:
    table = TableFacts(
        default_marks=reading.default_marks,
        delimiter=delimiter,
        dates=reading.dates,
        leave_out=reading.leave_out,
    )
    written, decimal = decide_formats(facts, table)
    return written, decimal


def _time_form(name: str, written: Written, facts: TextFacts) -> ColumnFormat | None:
    """Returns the format of times that are neither ISO 8601 nor seconds.

    Args:
        name: Their column, which may give their unit, and the unit in a row of units.
        written: How they are written.
        facts: What is known of all of them.
    """
    form = written.form
    if form is not None and form.type == "time" and form.format not in (None, times.ISO):
        return ColumnFormat(type="time", format=form.format)
    if form is None or form.type == "text":
        return None
    # Numbers with decimal commas have no limits, and only the name tells their unit.
    _check_unit_of_time(name)
    unit, is_epoch = time_unit(name, *(facts.limits or (math.nan, math.nan)))
    return None if unit == "s" else ColumnFormat(type="time", unit=unit, elapsed=not is_epoch)


def _check_unit_of_time(name: str) -> None:
    """Checks that times are not in minutes or hours, which would be read as seconds.

    Raises:
        InputError: The name of the column, or its unit, says so.
    """
    match = _LONG_UNIT.search(name.strip())
    if match:
        unit = next(filter(None, match.groups()))
        raise InputError(
            f"The times in column `{name.strip()}` seem to be in {unit}; expected s, ms, us or ns. "
            "Convert them to seconds and rename the column. If they are in seconds, rename it."
        )


def _number_form(
    written: Written, facts: TextFacts, reading: ReadOptions, decimal: Any
) -> ColumnFormat | None:
    """Returns the format of numbers with a mark between thousands, a unit, or missing marks."""
    form = written.form
    if form is not None and form.type != "number":
        return None
    sentinels = sentinel_marks(list(find_sentinels(facts, form)))
    if not sentinels and (form is None or not (form.thousands or form.suffix)):
        return None
    form = form or ColumnFormat(type="number")
    missing = (*reading.default_marks, *sentinels) if sentinels else None
    return replace(form, decimal=form.decimal or decimal, missing=missing)


def _columns_of_events(
    discovery: Discovery, columns: Mapping[str, ColumnFormat], reading: ReadOptions
) -> dict[str, ColumnFormat]:
    """Returns the formats of the events' times that differ from those of the samples."""
    options = discovery.recordings
    if options.events is None:
        return {}
    table = read_table(Path(options.events), key="events")
    is_csv = format_of(options.events) == "csv"
    facts = {name: TextFacts() for name in ("start", "end") if name in table.column_names}
    for name, one in facts.items():
        one.add(table[name].combine_chunks(), csv=is_csv, default_marks=reading.default_marks)
    written, _ = _decide(facts, "", reading)
    of_samples = columns.get(options.time_column or "")
    forms = {}
    for name, own in written.items():
        is_iso = own.form is not None and own.form.type == "time"
        plain = ColumnFormat(type="time", format=times.ISO) if is_iso and of_samples else None
        form = _time_form(name, own, facts[name]) or plain
        if form is not None and form != of_samples:
            forms[name] = form
    return forms


def _words(form: ColumnFormat) -> str:
    if form.type == "time":
        since = "since the start" if form.elapsed else "since 1970"
        return f"`{form.format}`" if form.format else f"{form.unit} {since}"
    parts = [f"`{form.thousands}` between thousands"] if form.thousands else []
    parts += [f"`{form.suffix}` after the number"] if form.suffix else []
    words = f"numbers with {' and '.join(parts)}" if parts else "numbers"
    return f"{words}, where {quoted(form.missing[-1])} means missing" if form.missing else words
