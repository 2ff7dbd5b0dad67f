"""The sampling rate that the lines before the tables of recordings state."""

import re
from pathlib import Path
from typing import cast

from pipeline.column_format import CsvLayout
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE, UnusableError
from pipeline.reading.recordings.raw.header_rate import (
    Stated,
    axis_units,
    divided_name,
    known_unit,
    numbers_in,
    rate_of,
    read_block,
)
from pipeline.recording_options import HeaderRate, RateUnit

_TIMES = {"s", "ms", "us", "ns"}
_SAMPLING = r"(sampl(e|es|ing)?|acquisition|logging|scan|daq|adc|abtast)"
_RATES = re.compile(rf"{_SAMPLING} ?(rate|freq|frequency|frequenz)|fs|samplerate")
_INTERVALS = re.compile(
    rf"{_SAMPLING} ?(interval|intervall|period|step|spacing)|(x |t |time |horizontal )?increment"
    r"|xincr?|(time |x )(interval|step|spacing)|delta ?[xt]|d[xt]|interval"
)
# LabVIEW says so where samples are no samples of time.
_OTHER_AXIS = re.compile(r"^\W*x[_ ]?dimension\W+(?!time)\w", re.IGNORECASE)
_DECIMATION = re.compile(r"\W*(decimation|downsampl)", re.IGNORECASE)


def find_header_rate(
    path: str, layout: CsvLayout, decimal: str
) -> tuple[HeaderRate | None, tuple[str, ...]]:
    """Returns where the lines before a table state the sampling rate, and what was found in words.

    Args:
        path: A CSV file.
        layout: Its layout.
        decimal: Its decimal mark.

    Raises:
        InputError: The file cannot be read.
    """
    lines, delimiter = read_block(path, layout)
    if any(map(_OTHER_AXIS.search, lines)):
        return None, ()
    axis = {known_unit(text) for text in axis_units(lines)}
    if len(axis) > 1 or not axis <= _TIMES:
        return None, ()
    numbers = numbers_in(lines, delimiter, decimal)
    default = next(iter(axis), "s")
    found = [(option, one) for one in numbers if (option := _option(one.name, default)) is not None]
    rates = [_rate(one, option) for option, one in found]
    if not any(rates):
        return None, ()
    option, rate_hz = found[0][0], rates[0]
    factors = [one for one in numbers if _DECIMATION.match(one.name) and one.value != 1]
    if factors:
        return None, (
            f"not used: the lines before the table of {Path(path).name} state `{option.name}` and "
            f"`{factors[0].name}` {factors[0].value:g}, so the rate of the rows is not certain. "
            "Write it as sampling_rate_hz of each signal",
        )
    if max(rates) > (1 + RATE_TOLERANCE) * min(rates):
        shown = " and ".join(f"`{one.name}` {one.value:g}" for _, one in found)
        return None, (
            f"not used: the lines before the table of {Path(path).name} state several sampling "
            f"rates: {shown}. Write the right one as data.recordings.header_rate",
        )
    return option, (
        f"`{option.name}` in the lines before the table gives the sampling rate of each file: "
        f"{rate_hz:g} Hz in {Path(path).name}. Numbers without a unit are taken for {option.unit}"
        + (", unless a line of the file names another unit of the axis" if axis else ""),
    )


def _option(name: str, time_unit: str) -> HeaderRate | None:
    """Returns how a number with this name gives a rate; None if it has another meaning.

    Args:
        name: The name.
        time_unit: Unit of an interval whose name has none.
    """
    bare, unit = divided_name(name)
    if unit is None:
        return None  # `(display)` is another rate, and a number in `(min)` is none in s
    is_rate = _RATES.fullmatch(bare) is not None
    if not is_rate and not _INTERVALS.fullmatch(bare):
        return None
    return HeaderRate(name=name, unit=cast(RateUnit, unit or ("Hz" if is_rate else time_unit)))


def _rate(stated: Stated, option: HeaderRate) -> float:
    """Returns the rate in Hz that a number means, 0 if it means none."""
    try:
        return rate_of(stated, option.unit)
    except UnusableError:
        return 0.0
