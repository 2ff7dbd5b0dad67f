"""The sampling rate that the lines before a table state, such as `Sample Interval,4e-9`."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import NamedTuple

from common.errors import InputError
from pipeline.column_format import CsvLayout
from pipeline.reading.files import csv_streams
from pipeline.reading.files.csv_header import read_header, trimmed
from pipeline.reading.files.pieces import Piece, first_line
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE, UnusableError
from pipeline.recording_options import HeaderRate
from pipeline.unit_names import GREEK_MU, unit_text

# Name under which a stated rate is compared with others.
STATED_RATE = "the lines before the table"
HERTZ = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PREFIXES = {"": "Hz", "k": "kHz", "m": "MHz", "g": "GHz"}
_PER_SECOND = re.compile(
    r"([kmg]?)(?:hz|hertz|s/s|sa/s|sps|1/s|(?:samples|scans)(?:/s(?:ec)?| per second))"
)
_TIME_UNITS = {
    "s": "s", "sec": "s", "second": "s", "seconds": "s", "ms": "ms", "msec": "ms",
    "us": "us", "µs": "us", "usec": "us", "ns": "ns", "nsec": "ns",
}  # fmt: skip
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_VALUE = re.compile(rf"({_NUMBER})\s*([^\d\s].*)?")
# `1.000` where commas are decimal marks: one, or one thousand.
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+(?![\d.,])")
_MARK = re.compile(r"^[\s#%/!*\"]+")
# `Horizontal Units,ms`: that of intervals without one.
_AXIS_UNIT = re.compile(
    r"^\W*(?:horizontal|time|h|x)[ _-]?units?\W+([a-zµ\u03bc%°]+)", re.IGNORECASE
)
_BRACKETS = re.compile(r"[\[({]\s*([^\])}]+)\s*[\])}]")


class Stated(NamedTuple):
    """A number in the lines before a table.

    Attributes:
        name: What is before it, or above it.
        value: The number.
        unit: Its unit, as `HeaderRate` has it; empty if none is written.
    """

    name: str
    value: float
    unit: str


def stated_rate(path: str, layout: CsvLayout, decimal: str, wanted: HeaderRate) -> float:
    """Returns the sampling rate in Hz that the lines before the table of a file state.

    Args:
        path: The file.
        layout: Its layout.
        decimal: Its decimal mark.
        wanted: Where the rate is.

    Raises:
        UnusableError: They do not state it, state two, or are of another axis than time.
    """
    try:
        lines, delimiter = read_block(path, layout)
    except InputError as error:
        raise UnusableError(str(error).removeprefix(path).lstrip(": ").rstrip(".")) from error
    numbers = [one for one in numbers_in(lines, delimiter, decimal) if one.name == wanted.name]
    if not numbers:
        raise UnusableError(
            f"the lines before its table have no number after `{wanted.name}`, which gives the "
            "sampling rate by data.recordings.header_rate"
        )
    rates = [rate_of(one, one.unit or _default_unit(lines, wanted)) for one in numbers]
    if max(rates) > (1 + RATE_TOLERANCE) * min(rates):
        raise UnusableError(f"the lines before its table state several numbers of `{wanted.name}`")
    return rates[0]


def _default_unit(lines: Sequence[str], wanted: HeaderRate) -> str:
    """Returns the unit of a number without one: for an interval, that of the file's own axis."""
    if wanted.unit in HERTZ or divided_name(wanted.name)[1]:
        return wanted.unit
    texts = axis_units(lines)
    units = {known_unit(text) for text in texts}
    if len(units) > 1 or not units <= {*_SECONDS}:
        raise UnusableError(
            f"the lines before its table give `{wanted.name}` no unit, and have the axis in "
            f"{' and '.join(texts)}; expected one of {', '.join(_SECONDS)}"
        )
    return next(iter(units), wanted.unit)


def axis_units(lines: Sequence[str]) -> list[str]:
    """Returns the units that lines of their own name for the axis of the samples, as written.

    >>> axis_units(["Model,X", "Horizontal Units,ms", "Vertical Units,V"])
    ['ms']
    """
    return [match[1] for line in lines if (match := _AXIS_UNIT.match(line))]


def divided_name(name: str) -> tuple[str, str | None]:
    """Returns the words of the name of a number in small letters, and the unit that it has.

    The unit is empty if the name has none, and None if brackets hold another text.

    >>> divided_name("Sampling Interval (us)"), divided_name("SampleRate_kHz")
    (('sampling interval', 'us'), ('samplerate', 'kHz'))
    """
    bare = re.sub(r"[^a-zµ\u03bc]+", " ", _BRACKETS.sub("", name).lower()).strip()
    match = _BRACKETS.search(name)
    if match:
        return bare, known_unit(match[1]) or None
    first, _, last = bare.rpartition(" ")
    unit = known_unit(last) if first else ""
    return (first, unit) if unit else (bare, "")


def rate_of(stated: Stated, unit: str) -> float:
    """Returns the sampling rate in Hz that a number means.

    >>> rate_of(Stated("Sample Interval", 4.0, ""), "ns"), rate_of(Stated("fs", 1.5, "kHz"), "Hz")
    (250000000.0, 1500.0)

    Args:
        stated: The number.
        unit: Its unit if none is written.

    Raises:
        UnusableError: It is not above 0, or its unit is one of a rate instead of a time.
    """
    own = stated.unit or unit
    if (own in HERTZ) != (unit in HERTZ):
        raise UnusableError(
            f"`{stated.name}` is in {own} before its table, and in {unit} by "
            "data.recordings.header_rate"
        )
    scaled = stated.value * (HERTZ | _SECONDS)[own]
    if not 0 < scaled < math.inf:
        raise UnusableError(f"`{stated.name}` is {stated.value:g} before its table; expected > 0")
    return float(f"{scaled if own in HERTZ else 1 / scaled:.12g}")


def read_block(path: str, layout: CsvLayout) -> tuple[list[str], str]:
    """Returns the lines before the table of a CSV file, and what divides its fields.

    Raises:
        InputError: The file cannot be read.
    """
    delimiter = read_header(path, layout).delimiter
    whole = Piece(index=0, path=path, format="csv", layout=layout)
    try:
        with csv_streams.open_text(whole, errors="replace") as text:
            return list(islice(text, layout.skip_rows)), delimiter
    except OSError as error:
        raise InputError(f"{path}: it cannot be read ({first_line(error)}).") from error


def numbers_in(lines: Sequence[str], delimiter: str, decimal: str = ".") -> list[Stated]:
    """Returns the numbers with a name in lines: beside it, or in the line below.

    >>> numbers_in(["Sampling Rate: 1000 Hz"], ",")
    [Stated(name='Sampling Rate', value=1000.0, unit='Hz')]
    >>> numbers_in(["X,Increment", "Sequence,1e-6"], ",")[-1]
    Stated(name='Increment', value=1e-06, unit='')

    Args:
        lines: The lines.
        delimiter: What divides fields.
        decimal: Decimal mark.
    """
    rows = [_cells(_MARK.sub("", line.strip("\r\n ")), delimiter) for line in lines]
    found = [one for row in rows for one in _beside(row, decimal)]
    for above, below, last in zip(rows, rows[1:], [*rows[2:], []], strict=False):
        if any(_value(cell, decimal) for cell in above):
            continue
        for name, cell, unit in zip_longest(above, below, last, fillvalue=""):
            if name:
                found += _stated(name, cell, unit, decimal)
    return found


def _beside(cells: Sequence[str], decimal: str) -> Iterator[Stated]:
    """Yields the numbers of a line after its first field, or after a colon in that."""
    texts = [cell for cell in cells if cell]
    if not texts:
        return
    parts = re.split(r"\s*[:=]\s*", texts[0], maxsplit=1)
    if len(parts) == 1 and len(texts) == 1:  # `Delta_X 0.001`
        match = re.fullmatch(rf"(.*?[A-Za-z_)\]])\s+({_NUMBER}\b.*)", texts[0])
        parts = list(match.groups()) if match else parts
    name, values = parts[0].strip(), [part for part in (*parts[1:], *texts[1:]) if part]
    neighbours = zip(["", *values], values, [*values[1:], ""], strict=False)
    for before, value, after in neighbours:
        beside = after if unit_text(after) else before  # `Sample Interval,ms,5`
        if name:
            yield from _stated(name, value, beside, decimal)


def _stated(name: str, text: str, unit: str, decimal: str) -> Iterator[Stated]:
    """Yields the numbers in a text with the unit beside it, unless that is none of a rate."""
    known = known_unit(unit)
    if known or not unit_text(unit):
        for number, own in _values(text, decimal):
            yield Stated(name, number, own or known)


def _values(text: str, decimal: str) -> list[tuple[float, str]]:
    """Returns the number in a text and its unit; two numbers if its mark may divide thousands."""
    texts = [text]
    if decimal == "," and (match := _THOUSANDS.match(text)):
        texts.append(match[0].replace(".", "") + text[match.end() :])
    return [value for one in texts if (value := _value(one, decimal))]


def _value(text: str, decimal: str) -> tuple[float, str] | None:
    match = _VALUE.fullmatch(text.replace(",", ".") if decimal == "," else text)
    if match is None:
        return None
    remark = re.match(r"[^(;]+", match[2] or "")  # `s` of `0.001 s (1 kHz)`
    unit = known_unit(remark[0] if remark else match[2] or "")
    if match[2] and not unit:  # such as 5 V
        return None
    return float(match[1]), unit


def known_unit(text: str) -> str:
    """Returns the unit of a rate or a time that a text names, or an empty text.

    >>> known_unit("kS/s"), known_unit("[Hz]"), known_unit("µs"), known_unit("V")
    ('kHz', 'Hz', 'us', '')
    """
    bare = text.strip().strip("[](){}").strip().lower().replace(GREEK_MU, "µ")
    if "mHz" in text:  # a thousandth; only `MHz` is a million
        return ""
    match = _PER_SECOND.fullmatch(bare)
    return _PREFIXES[match[1]] if match else _TIME_UNITS.get(bare, "")


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [trimmed(cell).strip('"') for cell in next(csv.reader([line], delimiter=delimiter))]
    except (csv.Error, StopIteration):
        return []
