"""Numbers that describe a recording: summaries and signs of recording troubles, in NumPy.

The summaries have the names and the formulas of `models.inputs.summaries`, without TensorFlow.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from measuring.detectors import noise_level, resting_level
from models.features import Signal

Floats = NDArray[np.float64]

SUMMARIES = (
    *("mean", "standard deviation", "minimum", "median", "maximum", "slope", "rms change"),
    *("autocorrelation", "spectral centroid", "missing share"),
)
NOISE, REST, CLIPPED, FLAT = "noise level", "resting level", "clipped share", "flat share"
TROUBLES = (NOISE, REST, CLIPPED, FLAT)
MISSING, GAPS = SUMMARIES[-1], "gap share"

_BATCH_VALUES = 1 << 22
_ROUNDING = 1e-18


def describe_signal(lists: pa.ChunkedArray, signal: Signal) -> dict[str, Floats]:
    """Returns the numbers of each recording, float64 `[n]` by name; NaN where one is undefined.

    `SUMMARIES` are those of the training. The noise level and the resting level are those of
    `measuring.detectors`. The clipped share is that of the samples at the recording's own extremes
    beyond one of each; the flat share is that of neighbours that are equal. A signal that is padded
    has a gap share too, the share of missing samples before the last one that is there.

    Args:
        lists: The samples of each recording, null for a missing one.
        signal: The signal.
    """
    names = (*SUMMARIES, *TROUBLES, *([GAPS] if signal.lengths == "pad" else []))
    parts = [_describe(values, signal) for values in _batches(lists, signal.num_samples)]
    if not parts:
        return {name: np.empty(0) for name in names}
    return dict(zip(names, np.concatenate(parts).T, strict=True))


def _batches(lists: pa.ChunkedArray, num_samples: int) -> Iterator[Floats]:
    """float64 `[up to some rows, num_samples]`, NaN where samples are missing."""
    num_rows = max(1, _BATCH_VALUES // num_samples)
    for start in range(0, len(lists), num_rows):
        part = lists.slice(start, num_rows).combine_chunks()
        if pa.types.is_null(part.type):
            yield np.full((len(part), num_samples), np.nan)
            continue
        lengths = pc.fill_null(pc.list_value_length(part), 0).to_numpy(zero_copy_only=False)
        flat = part.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
        values = np.full((len(part), num_samples), np.nan)
        rows = np.repeat(np.arange(len(part)), lengths)
        places = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        fits = places < num_samples
        values[rows[fits], places[fits]] = flat[fits]
        yield np.where(np.isfinite(values), values, np.nan)


def _describe(values: Floats, signal: Signal) -> Floats:
    """float64 `[batch, names]`."""
    present = ~np.isnan(values)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a recording without a sample
        count = present.sum(axis=1, dtype=np.float64)
        mean = np.nansum(values, axis=1) / count
        centred = np.where(present, values - mean[:, None], 0.0)
        variance = (centred**2).sum(axis=1) / count
        variance *= variance > _ROUNDING * mean**2
        slope, residuals = _line(centred, present, count)
        steps = np.diff(values, axis=1)
        low, middle, high = (
            np.nanmin(values, axis=1),
            np.nanmedian(values, axis=1),
            np.nanmax(values, axis=1),
        )
        products = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / count
        columns = [
            *(mean, np.sqrt(variance), low, middle, high),
            slope * signal.rate_hz,
            np.sqrt(np.nanmean(steps**2, axis=1)),
            products / np.where(variance > 0, variance, np.nan),
            _centroid(residuals, count, mean) * signal.rate_hz / values.shape[1],
            1 - count / values.shape[1],
            noise_level(values),
            resting_level(values),
            (((values == low[:, None]) | (values == high[:, None])).sum(axis=1) - 2).clip(0)
            / count,
            np.nanmean(np.where(np.isnan(steps), np.nan, steps == 0), axis=1),
        ]
        if signal.lengths == "pad":
            padding = np.where(count > 0, present[:, ::-1].argmax(axis=1), 0)
            columns.append(1 - count / (values.shape[1] - padding))
    return np.column_stack(columns)


def _line(centred: Floats, present: NDArray[np.bool_], count: Floats) -> tuple[Floats, Floats]:
    """Slope per sample of the least-squares line `[batch]`, and what it leaves `[batch, n]`."""
    position = np.arange(centred.shape[1], dtype=np.float64)
    time = np.where(present, position - ((present @ position) / count)[:, None], 0.0)
    slope = (time * centred).sum(axis=1) / (time**2).sum(axis=1)
    return slope, centred - slope[:, None] * time


def _centroid(residuals: Floats, count: Floats, mean: Floats) -> Floats:
    """Mean frequency in bins of the periodogram, weighted by it."""
    num = residuals.shape[1]
    bins = np.arange(1, num // 2 + 1)
    sides = np.where(2 * bins == num, 1.0, 2.0)
    power = np.abs(np.fft.rfft(residuals)[:, 1:]) ** 2 * sides / (num * count[:, None])
    whole = power.sum(axis=1)
    usable = np.where(whole > _ROUNDING * mean**2, whole, np.nan)
    return np.asarray((power @ bins) / usable, np.float64)
