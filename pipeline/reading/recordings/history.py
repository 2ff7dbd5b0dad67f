"""Columns that compare a window with the samples before it."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.reading.recordings.windows import Windows

Floats = NDArray[np.float64]

_DISTANCE, _SHIFT, _SPREAD = "_past_distance", "_past_shift", "_past_spread"
_MIN_SAMPLES = 2


def history_names(channel: str) -> tuple[str, str, str]:
    """Returns the names of a channel's columns.

    >>> history_names("value")
    ('value_past_distance', 'value_past_shift', 'value_past_spread')
    """
    return channel + _DISTANCE, channel + _SHIFT, channel + _SPREAD


def history_columns(
    channels: Mapping[str, NDArray[np.float32]], windows: Windows, kept: Windows, num_windows: int
) -> dict[str, pa.Array]:
    """Returns three columns for each channel, which compare each window with the samples before it.

    With mean m and population standard deviation s of the past samples, and x the samples of the
    window:

    * `NAME_past_distance`: ln(1 + max |x - m| / s), the rolling z-score of the farthest sample;
    * `NAME_past_shift`: asinh((mean(x) - m) / s);
    * `NAME_past_spread`: ln((std(x) + s0) / (s + s0)), s0 being the floor of s.

    s is at least 1e-6 times the channel's root mean square, so that a constant past gives a large
    number and not infinity. The past is within the window's stretch, so that no window of one split
    has samples of another. A value is missing where the past or the window has fewer than two
    samples.

    Args:
        channels: float32 `[samples]` of each channel; NaN where missing.
        windows: All windows of the recording, from which the stretches' beginnings follow.
        kept: The windows wanted.
        num_windows: Length of the past, in windows.
    """
    begins = {number: int(first) for number, first in _begins(windows)}
    stops = kept.first
    starts = np.maximum(
        np.array([begins[int(number)] for number in kept.stretches], np.int64),
        stops - num_windows * kept.size,
    )
    columns = {}
    for channel, samples in channels.items():
        values = _compare(samples.astype(np.float64), starts, stops, kept.size)
        for name, column in zip(history_names(channel), values, strict=True):
            columns[name] = pa.array(column, mask=np.isnan(column))
    return columns


def _begins(windows: Windows) -> list[tuple[int, int]]:
    """Number and first sample of each stretch: its first window begins where it begins."""
    numbers, places = np.unique(windows.stretches, return_index=True)
    return list(zip(numbers.tolist(), windows.first[places].tolist(), strict=True))


def _compare(
    samples: Floats, starts: NDArray[np.int64], stops: NDArray[np.int64], size: int
) -> tuple[Floats, Floats, Floats]:
    """Distance, shift and change of spread, float64 `[windows]`; NaN where there is no past."""
    has_sample = np.isfinite(samples)
    if not has_sample.any():
        nothing = np.full(len(starts), np.nan)
        return nothing, nothing, nothing
    # Sums of centred values lose no digits to a large level.
    centre = samples[has_sample].mean()
    centred = np.where(has_sample, samples - centre, 0.0)
    floor = 1e-6 * np.sqrt(np.mean(samples[has_sample] ** 2)) or 1.0
    sums = [_running(part) for part in (has_sample.astype(np.float64), centred, centred**2)]
    past_mean, past_std, past_count = _moments(sums, starts, stops)
    mean, std, count = _moments(sums, stops, stops + size)
    own = samples[stops[:, None] + np.arange(size)] - centre
    reach = np.max(np.abs(own - past_mean[:, None]), axis=1, initial=0.0, where=np.isfinite(own))
    scale = np.maximum(past_std, floor)
    values = (
        np.log1p(reach / scale),
        np.arcsinh((mean - past_mean) / scale),
        np.log((std + floor) / (past_std + floor)),
    )
    is_known = (past_count >= _MIN_SAMPLES) & (count >= _MIN_SAMPLES)
    distance, shift, spread = (np.where(is_known, value, np.nan) for value in values)
    return distance, shift, spread


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _moments(
    sums: list[Floats], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """Mean, population standard deviation and number of the samples in each range."""
    count, first, second = (part[stops] - part[starts] for part in sums)
    divisor = np.maximum(count, 1.0)
    mean = first / divisor
    return mean, np.sqrt(np.maximum(second / divisor - mean**2, 0.0)), count
