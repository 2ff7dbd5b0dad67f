"""Rows of raw tables, divided into recordings.

Computations are over all recordings of a table at once: a long table may have a million of them.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.reading.recordings.raw import clock
from pipeline.reading.recordings.raw.clock import Samples, UnusableError
from pipeline.reading.recordings.raw.columns import Columns, Fault
from pipeline.reading.recordings.raw.header_rate import HERTZ, STATED_RATE, known_unit
from pipeline.recording_options import RATE

Ints = NDArray[np.int64]

# Times that are read in a wrong unit differ from the rate by more; clocks that round, by less.
_MAX_RATE_CHANGE = 0.25
# Names under which files and tables give the sampling rate, and those with its unit behind.
_BARE_RATE_NAMES = {"fs", "sr", "sampling_rate", "sample_rate", "samplerate", "sampling_frequency"}
_RATE_NAMES = {RATE, *_BARE_RATE_NAMES, STATED_RATE}
_UNIT_OF_RATE = re.compile(r"(.+?)[ _-]?[\[(]?([kmg]?hz)[\])]?", re.IGNORECASE)
_WITH_UNIT = re.compile(r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*([a-z].*?)\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Group:
    """The rows of one recording.

    Attributes:
        name: The recording.
        samples: Its samples, as read.
        constants: What is the same in all rows, by column: a text, or None where it is missing.
        varying: Columns that should be the same in all rows and are not.
        faults: Values that cannot be read.
        is_regular: The times ascend by equal periods.
    """

    name: str
    samples: Samples
    constants: dict[str, str | None]
    varying: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    is_regular: bool = False


def groups_of(
    columns: Columns,
    starts: Ints,
    names: Sequence[str],
    *,
    sample_labels: NDArray[np.bool_] | None = None,
) -> Iterator[Group]:
    """Yields the recordings of a table whose rows are together.

    Args:
        columns: The rows.
        starts: int64 [recordings], the first row of each.
        names: The name of each.
        sample_labels: bool [rows], whether each sample is positive.
    """
    stops = np.append(starts[1:], columns.num_rows)
    constants = {name: _constants(text, starts) for name, text in columns.texts.items()}
    rates = _regular_rates(columns.times_s, starts)
    faults = _by_group(columns.faults, starts)
    for place, (start, stop, name) in enumerate(zip(starts, stops, names, strict=True)):
        rows = slice(int(start), int(stop))
        period_s = float(rates[place])
        times_s = columns.times_s
        yield Group(
            name=name,
            samples=Samples(
                channels={n: samples[rows] for n, samples in columns.channels.items()},
                times_s=None if times_s is None else times_s[rows],
                labels=None if sample_labels is None else sample_labels[rows],
                rate_hz=clock.rate_of(period_s) if period_s > 0 else None,
            ),
            constants={n: texts[place] for n, (texts, _) in constants.items()},
            varying=tuple(n for n, (_, varies) in constants.items() if varies[place]),
            faults=faults.get(place, ()),
            is_regular=period_s > 0,
        )


def _constants(
    text: pa.DictionaryArray, starts: Ints
) -> tuple[list[str | None], NDArray[np.bool_]]:
    """Returns the text of each recording, and where there are several; a missing one is none."""
    codes = np.asarray(text.indices.fill_null(-1), np.int64)
    if text.dictionary.null_count:
        is_null = np.append(np.asarray(text.dictionary.is_null()), True)
        codes = np.where(is_null[codes], -1, codes)
    high = np.maximum.reduceat(codes, starts)
    low = np.minimum.reduceat(np.where(codes < 0, np.iinfo(np.int64).max, codes), starts)
    varies = (high >= 0) & (low != high)
    chosen = pa.array(np.where(high < 0, 0, high), mask=(high < 0) | varies)
    return text.dictionary.take(chosen).to_pylist(), varies


def _regular_rates(times_s: NDArray[np.float64] | None, starts: Ints) -> NDArray[np.float64]:
    """Returns the period in s of each recording with equal periods, NaN for others."""
    if times_s is None or len(times_s) < 2:
        return np.full(len(starts), np.nan)
    stops = np.append(starts[1:], len(times_s)) - 1
    steps = np.append(np.diff(times_s), np.nan)
    low, high = steps.copy(), steps
    low[stops], high[stops] = np.inf, -np.inf  # from one recording to the next
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (times_s[stops] - times_s[starts]) / (stops - starts)
        least, most = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        farthest = np.maximum.reduceat(np.abs(times_s), starts)
        limit = np.maximum(clock.RATE_TOLERANCE * mean, clock.resolution_s(farthest))
        is_regular = (least > 0) & (most - mean <= limit) & (mean - least <= limit)
        return np.where(is_regular, mean, np.nan)


def _by_group(faults: Sequence[Fault], starts: Ints) -> Mapping[int, tuple[Fault, ...]]:
    if not faults:
        return {}
    places = np.searchsorted(starts, [fault.place for fault in faults], "right") - 1
    return {
        int(place): tuple(
            fault._replace(place=fault.place - int(starts[place]))
            for fault, own in zip(faults, places, strict=True)
            if own == place
        )
        for place in np.unique(places)
    }


def usable_samples(group: Group, *, is_stream: bool) -> Samples:
    """Returns the samples of a recording on a clock of equal periods.

    Raises:
        UnusableError: A value or the clock is at fault, or there is no value.
    """
    if group.faults:
        more = f", and {len(group.faults) - 1:,} more" if len(group.faults) > 1 else ""
        raise UnusableError(f"{group.faults[0]}{more}")
    if not group.samples.channels:
        raise UnusableError("it has none of the channels")
    if min(map(len, group.samples.channels.values())) < 2:
        raise UnusableError("it has one sample; a recording has at least two")
    if all(np.isnan(values).all() for values in group.samples.channels.values()):
        raise UnusableError("none of its channels has a value")
    if group.is_regular:
        return group.samples
    return clock.on_clock(group.samples, is_stream=is_stream)


def take_rate(
    constants: Mapping[str, str | None],
    beside: Mapping[str, str | None],
    *,
    clock_hz: float | None = None,
) -> tuple[dict[str, str | None], float | None]:
    """Returns the constants without the sampling rate, and that rate in Hz if it is known.

    >>> take_rate({"fs": "12000", "load": "2"}, {})
    ({'load': '2'}, 12000.0)
    >>> take_rate({"fs_kHz": "2"}, {"fs": "2000 Hz"})[1]
    2000.0

    Args:
        constants: What is the same in all rows of the recording.
        beside: What a table of labels says of its rate.
        clock_hz: The rate of its times, which is that of the recording.

    Raises:
        UnusableError: A rate is no positive number, or the rates contradict each other.
    """
    others = {n: value for n, value in constants.items() if not is_rate_name(n)}
    given = [
        (name, text)
        for values in (constants, beside)
        for name, text in values.items()
        if is_rate_name(name) and text
    ]
    rates = [_rate_of(name, text) for name, text in given]
    if not rates:
        return others, clock_hz
    for (name, _), rate_hz in zip(given, rates, strict=True):
        if abs(rate_hz / rates[0] - 1) > clock.RATE_TOLERANCE:
            raise UnusableError(
                f"it has two sampling rates: {rates[0]:g} Hz in `{given[0][0]}` and {rate_hz:g} Hz "
                f"in `{name}`; keep the right one"
            )
    if clock_hz is not None and not _agree(clock_hz, rates[0]):
        raise UnusableError(
            f"its times are {1 / clock_hz:g} s apart, which is {clock_hz:g} Hz, but "
            f"`{given[0][0]}` is {rates[0]:g} Hz; declare the unit of the times, or correct the "
            "rate"
        )
    return others, clock_hz or rates[0]


def _rate_of(name: str, text: str) -> float:
    """Returns a rate in Hz; the unit of the text counts before that of the name."""
    match = _WITH_UNIT.fullmatch(text)
    number, unit = (match[1], known_unit(match[2])) if match else (text, _unit_of(name))
    try:
        rate_hz = float(number) * HERTZ.get(unit, math.nan)
    except ValueError:
        rate_hz = math.nan
    if not 0 < rate_hz < math.inf:
        raise UnusableError(
            f"its sampling rate `{name}` is {text!r}; expected a number above 0, in Hz, or with "
            "its unit, such as 2 kHz"
        )
    return rate_hz


def _unit_of(name: str) -> str:
    """Returns the unit of a rate that its name has behind it, by default Hz."""
    match = _UNIT_OF_RATE.fullmatch(name)
    return known_unit(match[2]) if match else "Hz"


def _agree(clock_hz: float, stated_hz: float) -> bool:
    return 1 - _MAX_RATE_CHANGE <= clock_hz / stated_hz <= 1 / (1 - _MAX_RATE_CHANGE)


def is_rate_name(name: str) -> bool:
    """Tells whether a column or a single value holds the sampling rate by its name.

    >>> is_rate_name("fs"), is_rate_name("Sampling_Rate_kHz"), is_rate_name("rate")
    (True, True, False)
    """
    if name.lower() in _RATE_NAMES:
        return True
    match = _UNIT_OF_RATE.fullmatch(name)
    return match is not None and match[1].lower() in {*_BARE_RATE_NAMES, "rate"}


def sorted_by_id(columns: Columns, id_column: str) -> tuple[Columns, Ints, list[str], int]:
    """Returns the rows of a long table with those of each recording together, in their order.

    Args:
        columns: The rows.
        id_column: The column with the recording's id.

    Returns:
        The rows, the first row of each recording, the ids, and the number of rows without an id,
        which are left out.
    """
    ids = columns.texts[id_column]
    codes = np.asarray(ids.indices.fill_null(-1), np.int64)
    is_known = codes >= 0
    if not (np.diff(codes) >= 0).all() or not is_known.all():
        order = np.argsort(codes, kind="stable")
        order = order[int((~is_known).sum()) :]
        columns = _take(columns, order)
        codes = codes[order]
    if not len(codes):
        return columns, np.zeros(0, np.int64), [], int((~is_known).sum())
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    names = ids.dictionary.take(pa.array(codes[starts])).to_pylist()
    return columns, starts, names, int((~is_known).sum())


def _take(columns: Columns, order: Ints) -> Columns:
    positions = np.full(columns.num_rows, -1, np.int64)
    positions[order] = np.arange(len(order))
    faults = [fault._replace(place=int(positions[fault.place])) for fault in columns.faults]
    times_s = columns.times_s
    return replace(
        columns,
        num_rows=len(order),
        channels={name: samples[order] for name, samples in columns.channels.items()},
        texts={name: text.take(pa.array(order)) for name, text in columns.texts.items()},
        times_s=None if times_s is None else times_s[order],
        faults=tuple(sorted(fault for fault in faults if fault.place >= 0)),
    )
