"""Clock shifts: times of measurements against the times of their requests."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from production.monitoring.troubles.case import BROKEN_SHARE, Case, Flags, Floats, percent
from production.monitoring.troubles.trouble import Trouble, TroubleKind

_YEAR_2000 = 946_684_800.0
# Clocks may differ by so much, in seconds.
_TOLERANCE_S = 300.0
# Time zones and summer time shift clocks by multiples of this.
_ZONE_S = 1_800.0
_ZONE_TOLERANCE_S = 60.0
_LARGEST_ZONE_S = 14 * 3_600.0
_FEWEST_ROWS = 20


def find_clock_shifts(case: Case) -> Iterator[Trouble]:
    """Yields times before 2000, after their requests, or shifted by time zones."""
    requests = np.asarray(case.chunk.records["time"].cast(pa.int64()).to_numpy() / 1e6, np.float64)
    for name, values in case.columns.times.items():
        present = np.isfinite(values)
        if present.sum() < _FEWEST_ROWS:
            continue
        before = case.reference.columns.times.get(name, np.empty(0))
        is_reset = present & (values < _YEAR_2000)
        if case.exceeds(is_reset, int((before < _YEAR_2000).sum()), len(before)):
            yield _trouble(name, is_reset, "is before the year 2000: the clock was reset")
            continue
        yield from _against_requests(case, name, requests - values, present & ~is_reset)


def _against_requests(case: Case, name: str, lags: Floats, present: Flags) -> Iterator[Trouble]:
    """Compares how long after a measurement its request comes, in seconds."""
    if not present.any():
        return
    usual = float(np.median(lags[present]))
    spread = float(np.median(np.abs(lags[present] - usual)))
    is_ahead = present & (lags < -_TOLERANCE_S)
    num_rows = len(case.reference.columns.times.get(name, lags))
    if usual < -_TOLERANCE_S:
        if spread <= _TOLERANCE_S and _is_zone(np.array([usual]))[0]:
            words = f"is {_hours(-usual)} after the request: the time zone is wrong"
            yield _trouble(name, is_ahead, words)
        return
    if case.exceeds(is_ahead, 0, num_rows):
        yield _trouble(name, is_ahead, "is after the request: the clock is ahead")
        return
    if spread > _TOLERANCE_S:
        return
    is_shifted = present & _is_zone(lags - usual)
    if case.exceeds(is_shifted, 0, num_rows):
        shift = float(np.median((lags - usual)[is_shifted]))
        words = f"is {_hours(shift)} older than in the other rows: the clock was set back"
        yield _trouble(name, is_shifted, words)


def _is_zone(shifts: Floats) -> Flags:
    steps = np.round(shifts / _ZONE_S)
    is_near = np.abs(shifts - steps * _ZONE_S) <= _ZONE_TOLERANCE_S
    return np.asarray(is_near & (steps != 0) & (np.abs(shifts) <= _LARGEST_ZONE_S), bool)


def _hours(seconds: float) -> str:
    return f"{round(seconds / _ZONE_S) * _ZONE_S / 3_600:g} h"


def _trouble(name: str, flags: Flags, what: str) -> Trouble:
    share = float(flags.mean())
    return Trouble(
        kind=TroubleKind.CLOCK,
        feature=name,
        share=share,
        words=f"`{name}` {what}, in {percent(share)} of the rows. Set the clock of the sender, and "
        "send times in UTC.",
        is_broken=share >= BROKEN_SHARE,
    )
