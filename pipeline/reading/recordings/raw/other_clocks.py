"""Columns of times beside that of a recording's samples."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.recordings.raw.stamps import read_stamps, time_unit
from pipeline.reading.times import PER_SECOND

_NAMED = re.compile(r"(time|timestamp|datetime|elapsed|zeit|t|ts)(?![a-z])|.*[^a-z](time|zeit)")
_TOLERANCE = 0.01
_MIN_SAMPLES = 8

Floats = NDArray[np.float64]


def other_clocks(
    probes: Sequence[pa.RecordBatch], names: Sequence[str], time_column: str, data: Data
) -> set[str]:
    """Returns numeric columns that give the times of the samples once more.

    As a channel, such a column would be a ramp that tells when a recording was taken, and not what
    was measured.

    Args:
        probes: The first rows of some files.
        names: The numeric columns.
        time_column: The column of the samples' times.
        data: The config's `data` block.

    Raises:
        InputError: A column has times of other samples: the channels have clocks of their own.
    """
    clocks = set()
    for name in names:
        if not _NAMED.match(name.lower()):
            continue
        pairs = list(_pairs(probes, name, time_column, data))
        if not pairs or not all(_is_clock(own) for own, _ in pairs):
            continue
        if not all(_is_same(own, times) for own, times in pairs):
            raise InputError(
                f"`{name}` is a column of times with other steps than `{time_column}`, so the "
                "channels have clocks of their own. Write the channels of each clock to files of "
                "their own, with one column of times, or list the channels of "
                f"`{time_column}` in data.recordings.channels."
            )
        clocks.add(name)
    return clocks


def _pairs(
    probes: Sequence[pa.RecordBatch], name: str, time_column: str, data: Data
) -> Iterator[tuple[Floats, Floats]]:
    """Yields the times of a column and of the samples in s, float64 [rows], of each probe."""
    for probe in probes:
        if name in probe.schema.names and time_column in probe.schema.names:
            times = _seconds(probe[time_column], time_column, data)
            yield _seconds(probe[name], name, data), times


def _seconds(column: pa.Array, name: str, data: Data) -> Floats:
    form = data.columns.get(name)
    is_time = form is not None and form.type == "time"
    decimal = (form.decimal if form is not None else None) or data.decimal
    seconds, _, _ = read_stamps(column, form if is_time else None, decimal=decimal)
    known = seconds[np.isfinite(seconds)]
    if is_time or not known.size or pa.types.is_temporal(column.type):
        return seconds
    unit, _ = time_unit(name, float(known.min()), float(known.max()))
    return seconds / PER_SECOND[unit]


def _is_clock(seconds: Floats) -> bool:
    steps = np.diff(seconds[np.isfinite(seconds)])
    if len(steps) + 1 < _MIN_SAMPLES or steps.min() <= 0:
        return False
    return bool(np.isclose(steps, np.median(steps), rtol=_TOLERANCE, atol=0.0).all())


def _is_same(own: Floats, times: Floats) -> bool:
    """Tells whether two columns of times have the same rows and steps."""
    if (np.isfinite(own) != np.isfinite(times)).any():
        return False
    return bool(np.isclose(np.median(np.diff(own)), np.median(np.diff(times)), rtol=_TOLERANCE))
