"""Named summary features of signals, which trees take in place of the samples.

They are computed from the raw samples, in the signal's own unit, so that an explanation can name
them; those of `unlikeness` are of what the usual shape of the train split does not explain. All
are TensorFlow core operations on a whole batch, part of the transform graph.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import tensorflow as tf

from models.features import Audio, Image, Signal
from models.inputs.pictures import picture_summary_names
from models.inputs.sound import sound_summary_units
from models.inputs.summary_formulas import (
    QUANTILES,
    Floats,
    Samples,
    band_edges,
    changes,
    correlation,
    crossings,
    gaps,
    longest_run,
    moments,
    quantiles,
    segment_edges,
    segments,
    spectrum,
    times_of_changes,
    times_of_extremes,
    total,
    trend,
)

# A deviation from the usual shape that counts as large, and the samples of a brief one.
LARGE_Z = 3.0
BRIEF_SAMPLES = 4
# Share of the square of a shape below which the earlier ones explain it.
_DEPENDENT = 1e-9


@dataclass(frozen=True)
class Group:
    """Summaries that are computed together.

    Attributes:
        quantities: What each summary of a signal measures, by its name: `signal`, `signal/s`, `s`,
            `Hz`, or `ratio`.
        formula: Samples to float64 `[batch, num_summaries]`, NaN where a summary is undefined.
    """

    quantities: Callable[[Signal], dict[str, str]]
    formula: Callable[[Samples], tf.Tensor]


def _segment_names(signal: Signal) -> dict[str, str]:
    stretches = _stretches(segment_edges(signal.num_samples) / signal.rate_hz, "s")
    return (
        {"mean of the first tenth": "signal", "mean of the last tenth": "signal"}
        | {f"mean {stretch}": "signal" for stretch in stretches}
        | {f"standard deviation {stretch}": "signal" for stretch in stretches}
    )


def _spectrum_names(signal: Signal) -> dict[str, str]:
    resolution_hz = signal.rate_hz / signal.num_samples
    stretches = _stretches(band_edges(signal.num_samples) * resolution_hz, "Hz")
    return {f"rms {stretch}": "signal" for stretch in stretches} | {"spectral centroid": "Hz"}


def _always(names: dict[str, str]) -> Callable[[Signal], dict[str, str]]:
    return lambda _: names


GROUPS = (
    Group(
        _always(
            {"mean": "signal", "standard deviation": "signal"}
            | {"skewness": "ratio", "kurtosis": "ratio"}
        ),
        moments,
    ),
    Group(_always(dict.fromkeys(QUANTILES, "signal")), quantiles),
    Group(_always({"time of minimum": "s", "time of maximum": "s"}), times_of_extremes),
    Group(_always({"slope": "signal/s", "decay time": "s"}), trend),
    Group(_segment_names, segments),
    Group(
        _always(
            {"mean absolute change": "signal", "rms change": "signal"}
            | {"largest rise": "signal", "largest fall": "signal"}
        ),
        changes,
    ),
    Group(_always({"time of largest rise": "s", "time of largest fall": "s"}), times_of_changes),
    Group(_always({"mean crossing rate": "Hz"}), crossings),
    Group(_always({"autocorrelation": "ratio", "crest factor": "ratio"}), correlation),
    Group(_spectrum_names, spectrum),
    Group(_always({"missing share": "ratio", "longest gap": "s"}), gaps),
)


def _unlikeness_names(signal: Signal) -> dict[str, str]:
    rest = {
        "rms": "signal",
        "maximum": "signal",
        "minimum": "signal",
        f"largest mean of {BRIEF_SAMPLES} samples": "signal",
        "time of the largest": "s",
        "largest z": "ratio",
        "mean squared z": "ratio",
        f"longest time with z over {LARGE_Z:g}": "s",
        "rms change": "signal",
        "largest rise": "signal",
        "largest fall": "signal",
    }
    parts = dict(list(_segment_names(signal).items())[2:])
    fit = {"gain": "ratio", "delay": "s", "stretch": "ratio"}
    return {f"{name} of the usual shape": quantity for name, quantity in fit.items()} | {
        f"unusual part, {name}": quantity for name, quantity in (rest | parts).items()
    }


def summary_units(feature: Signal | Audio | Image) -> dict[str, str]:
    """Returns the unit of each summary by its name, in the order of the summaries.

    A ratio has the empty unit, and so have an intensity and a quantity of a signal without a unit.
    """
    if isinstance(feature, Audio):
        return sound_summary_units(feature)
    if isinstance(feature, Image):
        return dict.fromkeys(picture_summary_names(feature), "")
    return _signal_summary_units(feature)


def _signal_summary_units(signal: Signal) -> dict[str, str]:
    unit = signal.unit
    units = {"signal": unit, "signal/s": f"{unit or '1'}/s", "s": "s", "Hz": "Hz", "ratio": ""}
    quantities = {
        name: quantity for group in GROUPS for name, quantity in group.quantities(signal).items()
    }
    quantities |= _unlikeness_names(signal)
    return {name: units[quantity] for name, quantity in quantities.items()}


def summary_names(feature: Signal | Audio | Image) -> list[str]:
    """Returns the names of the summaries of a signal, sound or picture, in their order."""
    return list(summary_units(feature))


def summarise(values: tf.Tensor, present: tf.Tensor, sampling_rate_hz: float) -> tf.Tensor:
    """Returns the summaries of raw samples, those of `GROUPS`.

    Args:
        values: float64 or float32 `[batch, n]`, n >= 2; ignored where missing.
        present: bool `[batch, n]`.
        sampling_rate_hz: Nominal sampling rate in Hz.

    Returns:
        float32 `[batch, num_summaries]`, NaN where a summary is undefined.
    """
    known = tf.where(present, tf.cast(values, tf.float64), tf.zeros([], tf.float64))
    samples = Samples(known, present, sampling_rate_hz)
    summaries = tf.concat([group.formula(samples) for group in GROUPS], axis=1)
    return _bounded(summaries)


@dataclass(frozen=True)
class UsualShape:
    """The usual recording of a signal, over the train split.

    Attributes:
        mean: float64 `[batch, n]`, or `[1, n]` for all recordings.
        scale: float64 of the same shape, > 0 where a sample varies: its standard deviation.
    """

    mean: tf.Tensor
    scale: tf.Tensor


def unlikeness(
    values: tf.Tensor, present: tf.Tensor, usual: UsualShape, sampling_rate_hz: float
) -> tf.Tensor:
    """Returns how unlike the usual shape a recording is, those summaries of `_unlikeness_names`.

    The usual shape m(t) is fitted by least squares as an offset + a gain m(t) + a shift m'(t) + a
    stretch t m'(t), the first-order changes of a shape that is higher, later or slower. A delay of
    d s is a shift of -d; what takes (1 + s) times as long has a stretch of -s. The unusual part is
    what the fit leaves. Its largest mean is the largest |mean| of four neighbours, and z is the
    unusual part in standard deviations of that sample over the train split.

    References:
        Ramsay, J. O., and Silverman, B. W. (2005), "Functional data analysis", 2nd edition, chapter
        7, for the registration of curves by shift and stretch.

    Args:
        values: float64 or float32 `[batch, n]`, n >= 2; ignored where missing.
        present: bool `[batch, n]`.
        usual: The mean and the deviation of each sample over the train split.
        sampling_rate_hz: Nominal sampling rate in Hz.

    Returns:
        float32 `[batch, num_summaries]`; NaN where all samples are missing, or a summary is
        undefined.
    """
    known = tf.where(present, tf.cast(values, tf.float64), tf.zeros([], tf.float64))
    (gain, shift, stretch), residuals = _fit_shape(known, present, usual.mean)
    samples = Samples(residuals, present, sampling_rate_hz)
    z = tf.abs(tf.math.divide_no_nan(residuals, usual.scale))
    num_brief = min(BRIEF_SAMPLES, samples.num)
    num_means = samples.num - num_brief + 1
    brief = tf.add_n([residuals[:, start : start + num_means] for start in range(num_brief)])
    place = tf.argmax(tf.abs(residuals), axis=1)[:, tf.newaxis]
    parts = [
        gain,
        -shift / sampling_rate_hz,
        -stretch / (samples.num - 1),
        tf.sqrt(total(tf.square(residuals)) / samples.count),
        tf.reduce_max(residuals, axis=1, keepdims=True),
        tf.reduce_min(residuals, axis=1, keepdims=True),
        tf.reduce_max(tf.abs(brief), axis=1, keepdims=True) / num_brief,
        tf.cast(place, tf.float64) / sampling_rate_hz,
        tf.reduce_max(z, axis=1, keepdims=True),
        total(tf.square(z)) / samples.count,
        longest_run(z > LARGE_Z) / sampling_rate_hz,
        changes(samples)[:, 1:],
        segments(samples)[:, 2:],
    ]
    summaries = tf.where(samples.count > 0, tf.concat(parts, axis=1), np.nan)
    return _bounded(summaries)


def _fit_shape(
    values: tf.Tensor, present: tf.Tensor, usual: tf.Tensor
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Coefficients of the gain, the shift and the stretch, and what the fit leaves `[batch, n]`.

    By modified Gram-Schmidt over the samples that are present: each coefficient, float64 `[batch,
    1]`, is that of a fit of its shape and the earlier ones, and 0 where they explain its shape.
    """
    weights = tf.cast(present, tf.float64)
    derivative = _derivative(usual)
    stretch = derivative * np.linspace(0, 1, int(values.shape[1]))
    basis: list[tf.Tensor] = []
    coefficients: list[tf.Tensor] = []
    for shape in (tf.ones_like(usual), usual, derivative, stretch):
        direction = weights * shape
        size = total(tf.square(direction))
        for earlier in basis:
            direction -= total(direction * earlier) * earlier
        length = total(tf.square(direction))
        inverse = tf.where(length > _DEPENDENT * size, tf.math.rsqrt(length), 0.0)
        basis.append(direction * inverse)
        part = total(values * basis[-1])
        values -= part * basis[-1]
        coefficients.append(part * inverse)
    return coefficients[1:], values


def _derivative(usual: tf.Tensor) -> tf.Tensor:
    """Central differences per sample, one-sided at both ends."""
    ends = tf.concat([usual[:, :1], usual, usual[:, -1:]], axis=1)
    spacing = np.array([1.0, *[2.0] * (int(usual.shape[1]) - 2), 1.0])
    return (ends[:, 2:] - ends[:, :-2]) / spacing


def _bounded(summaries: tf.Tensor) -> tf.Tensor:
    """float32; what exceeds it, such as differences of its largest numbers, is cut.

    Trees take no infinity.
    """
    return tf.cast(tf.clip_by_value(summaries, tf.float32.min, tf.float32.max), tf.float32)


def _stretches(edges: Floats, unit: str) -> list[str]:
    return [f"from {start:.4g} to {end:.4g} {unit}" for start, end in pairwise(edges)]
