"""Named summary features of signals, which trees take in place of the samples.

They are computed from the raw samples, in the signal's own unit, so that an explanation can name
them; those of `unlikeness` are of what the usual shape of the train split does not explain. All
are TensorFlow core operations on a whole batch, part of the transform graph.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.features import Signal

# Shorter recordings have as many segments as samples, and as many bands as octaves.
MAX_SEGMENTS = 8
MAX_BANDS = 7
# A deviation from the usual shape that counts as large, and the samples of a brief one.
LARGE_Z = 3.0
BRIEF_SAMPLES = 4

_QUANTILES = {
    "minimum": 0.0,
    "5th percentile": 0.05,
    "lower quartile": 0.25,
    "median": 0.5,
    "upper quartile": 0.75,
    "95th percentile": 0.95,
    "maximum": 1.0,
}
# A variance below this share of the squared mean is what rounding leaves of a constant.
_ROUNDING = 1e-18
# Share of the square of a shape below which the earlier ones explain it.
_DEPENDENT = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Recordings of one length with what several summaries need.

    Attributes:
        values: float64 `[batch, n]`, zero where missing.
        present: bool `[batch, n]`.
        rate_hz: Sampling rate in Hz.
    """

    values: tf.Tensor
    present: tf.Tensor
    rate_hz: float

    @property
    def num(self) -> int:
        """Samples of each recording."""
        return int(self.values.shape[1])

    @cached_property
    def weights(self) -> tf.Tensor:
        """float64 `[batch, n]`, 1 where a sample is present."""
        return tf.cast(self.present, tf.float64)

    @cached_property
    def count(self) -> tf.Tensor:
        """float64 `[batch, 1]`, the number of samples present."""
        return _total(self.weights)

    @cached_property
    def mean(self) -> tf.Tensor:
        """float64 `[batch, 1]`."""
        return _total(self.values) / self.count

    @cached_property
    def centred(self) -> tf.Tensor:
        """float64 `[batch, n]`, less the mean, zero where missing."""
        return tf.where(self.present, self.values - self.mean, 0.0)

    @cached_property
    def variance(self) -> tf.Tensor:
        """float64 `[batch, 1]`, the population variance."""
        variance = _total(tf.square(self.centred)) / self.count
        return variance * tf.cast(variance > _ROUNDING * tf.square(self.mean), tf.float64)

    @cached_property
    def steps(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Differences of neighbours, zero where either is missing, and float64 1 where not."""
        both = self.weights[:, 1:] * self.weights[:, :-1]
        return (self.values[:, 1:] - self.values[:, :-1]) * both, both

    @cached_property
    def line(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Slope per sample `[batch, 1]` of the least-squares line, and what it leaves `[batch, n]`.

        The slope is NaN for one sample. What is left is zero where missing.
        """
        position = np.arange(self.num, dtype=np.float64)
        time = self.weights * (position - _total(self.weights * position) / self.count)
        slope = _total(time * self.centred) / _total(tf.square(time))
        return slope, self.centred - slope * time


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


def moments(samples: Samples) -> tf.Tensor:
    """Mean, standard deviation, skewness m3 / m2^1.5 and kurtosis m4 / m2².

    m are the central population moments. Skewness and kurtosis are undefined for a constant.

    References:
        Joanes, D. N., and Gill, C. A. (1998), "Comparing measures of sample skewness and kurtosis",
        The Statistician 47(1), g1 and g2 + 3.
    """
    deviation = tf.sqrt(samples.variance)
    scaled = samples.centred / tf.where(deviation > 0, deviation, np.nan)
    cubes = tf.square(scaled) * scaled
    skewness, kurtosis = _total(cubes) / samples.count, _total(cubes * scaled) / samples.count
    return tf.concat([samples.mean, deviation, skewness, kurtosis], axis=1)


def quantiles(samples: Samples) -> tf.Tensor:
    """Extremes, quartiles, and the percentiles 5 and 95.

    The quantile p interpolates linearly at the position p (count - 1) of the ordered samples.

    References:
        Hyndman, R. J., and Fan, Y. (1996), "Sample quantiles in statistical packages", The American
        Statistician 50(4), definition 7.
    """
    ordered = tf.sort(tf.where(samples.present, samples.values, np.inf), axis=1)
    position = tf.maximum(samples.count - 1, 0.0) * list(_QUANTILES.values())
    below, above = tf.floor(position), tf.math.ceil(position)
    places = tf.cast(tf.concat([below, above], axis=1), tf.int32)
    low, high = tf.split(tf.gather(ordered, places, batch_dims=1), 2, axis=1)
    return low + (position - below) * (high - low)


def times_of_extremes(samples: Samples) -> tf.Tensor:
    """When the minimum and the maximum first occur, in s after the first sample."""
    low = tf.where(samples.present, samples.values, np.inf)
    high = tf.where(samples.present, samples.values, -np.inf)
    places = tf.stack([tf.argmin(low, axis=1), tf.argmax(high, axis=1)], axis=1)
    return tf.where(samples.count > 0, tf.cast(places, tf.float64) / samples.rate_hz, np.nan)


def trend(samples: Samples) -> tf.Tensor:
    """Slope of the least-squares line, and the time of the decay.

    The decay time is the area of the excess over the last level, the mean of the last tenth of the
    samples, divided by the largest excess. It is the time constant of an exponential decay that
    begins with the recording and ends well before it.
    """
    slope, _ = samples.line
    last = slice(-_tenth(samples.num), None)
    level = _total(samples.values[:, last]) / _total(samples.weights[:, last])
    excess = tf.where(samples.present, samples.values - level, -np.inf)
    highest = tf.reduce_max(excess, axis=1, keepdims=True)
    area = _total(samples.values) - samples.count * level
    decay = area / tf.where(highest > 0, highest, np.nan) / samples.rate_hz
    return tf.concat([slope * samples.rate_hz, decay], axis=1)


def segments(samples: Samples) -> tf.Tensor:
    """Mean of the first and the last tenth, and mean and standard deviation of equal segments.

    A fault may be brief. A segment without samples is undefined.
    """
    tenth, num = _tenth(samples.num), samples.num
    ends = np.stack([np.arange(num) < tenth, np.arange(num) >= num - tenth], axis=1)
    parts = _members(_segment_edges(num), num)
    members = np.concatenate([ends, parts], axis=1)
    means = tf.matmul(samples.centred, members) / tf.matmul(samples.weights, members)
    own = tf.where(tf.math.is_finite(means), means, 0.0)[:, 2:]
    within = samples.centred - samples.weights * tf.matmul(own, parts.T)
    variance = tf.matmul(tf.square(within), parts) / tf.matmul(samples.weights, parts)
    return tf.concat([samples.mean + means, tf.sqrt(variance)], axis=1)


def changes(samples: Samples) -> tf.Tensor:
    """Mean absolute and root mean square change between neighbours, largest rise, largest fall.

    A missing sample has no neighbours. Without a pair of neighbours all are undefined.
    """
    steps, both = samples.steps
    count = _total(both)
    absolute, squares = _total(tf.abs(steps)) / count, _total(tf.square(steps)) / count
    where = both > 0
    rise = tf.reduce_max(tf.where(where, steps, -np.inf), axis=1, keepdims=True)
    fall = tf.reduce_min(tf.where(where, steps, np.inf), axis=1, keepdims=True)
    summaries = tf.concat([absolute, tf.sqrt(squares), rise, fall], axis=1)
    return tf.where(count > 0, summaries, np.nan)


def times_of_changes(samples: Samples) -> tf.Tensor:
    """When the largest rise and the largest fall end, in s after the first sample."""
    steps, both = samples.steps
    where = both > 0
    rise = tf.argmax(tf.where(where, steps, -np.inf), axis=1)
    fall = tf.argmin(tf.where(where, steps, np.inf), axis=1)
    places = tf.cast(tf.stack([rise, fall], axis=1) + 1, tf.float64)
    return tf.where(_total(both) > 0, places / samples.rate_hz, np.nan)


def crossings(samples: Samples) -> tf.Tensor:
    """How often per second neighbours are on different sides of the mean.

    References:
        Kedem, B. (1986), "Spectral analysis and discrimination by zero-crossings", Proceedings of
        the IEEE 74(11).
    """
    _, both = samples.steps
    above = samples.values > samples.mean
    crossed = tf.cast(above[:, 1:] != above[:, :-1], tf.float64) * both
    return _total(crossed) / _total(both) * samples.rate_hz


def correlation(samples: Samples) -> tf.Tensor:
    """Autocorrelation at a lag of one sample, and the crest factor max|x| / rms(x).

    The autocorrelation is the sum of the products of neighbours' distances from the mean, divided
    by the sum of the squared distances.

    References:
        Box, G. E. P., and Jenkins, G. M. (1976), "Time series analysis", section 2.1.
    """
    products = _total(samples.centred[:, 1:] * samples.centred[:, :-1]) / samples.count
    autocorrelation = products / tf.where(samples.variance > 0, samples.variance, np.nan)
    rms = tf.sqrt(_total(tf.square(samples.values)) / samples.count)
    crest = tf.reduce_max(tf.abs(samples.values), axis=1, keepdims=True) / rms
    return tf.concat([autocorrelation, crest], axis=1)


def spectrum(samples: Samples) -> tf.Tensor:
    """Root mean square in octaves of frequency of what a straight line leaves, and the centroid.

    The periodogram 2 |X|² / (n count) of the residuals, zero where missing, adds up to their mean
    square. The centroid is the mean frequency, weighted by it. The highest octave ends at half the
    sampling rate; the last band holds all lower frequencies. All are undefined for one sample.

    References:
        Schuster, A. (1898), "On the investigation of hidden periodicities", Terrestrial Magnetism
        3(1), for the periodogram; Peeters, G. (2004), "A large set of audio features", Ircam,
        section 6.1.1, for the centroid.
    """
    _, residuals = samples.line
    num = samples.num
    bins = np.arange(1, num // 2 + 1)
    # Half the sampling rate has no mirror image.
    sides = np.where(2 * bins == num, 1.0, 2.0)
    transform = tf.signal.rfft(residuals)[:, 1:]
    power = tf.square(tf.abs(transform)) * sides / (num * samples.count)
    bands = tf.sqrt(tf.matmul(power, _members(_band_edges(num), num // 2)))
    total = _total(power)
    usable = tf.where(total > _ROUNDING * tf.square(samples.mean), total, np.nan)
    centre = _total(power * bins) / usable
    return tf.concat([bands, centre * samples.rate_hz / num], axis=1)


def gaps(samples: Samples) -> tf.Tensor:
    """Share of missing samples, and the longest gap in s."""
    share = 1 - samples.count / samples.num
    longest = _longest_run(tf.logical_not(samples.present))
    return tf.concat([share, longest / samples.rate_hz], axis=1)


def _segment_names(signal: Signal) -> dict[str, str]:
    stretches = _stretches(_segment_edges(signal.num_samples) / signal.sampling_rate_hz, "s")
    return (
        {"mean of the first tenth": "signal", "mean of the last tenth": "signal"}
        | {f"mean {stretch}": "signal" for stretch in stretches}
        | {f"standard deviation {stretch}": "signal" for stretch in stretches}
    )


def _spectrum_names(signal: Signal) -> dict[str, str]:
    resolution_hz = signal.sampling_rate_hz / signal.num_samples
    stretches = _stretches(_band_edges(signal.num_samples) * resolution_hz, "Hz")
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
    Group(_always(dict.fromkeys(_QUANTILES, "signal")), quantiles),
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


def summary_units(signal: Signal) -> dict[str, str]:
    """Returns the unit of each summary by its name, in the order of the summaries.

    A ratio has the empty unit, and so has a quantity of a signal that has no unit.
    """
    unit = signal.unit
    units = {"signal": unit, "signal/s": f"{unit or '1'}/s", "s": "s", "Hz": "Hz", "ratio": ""}
    quantities = {
        name: quantity for group in GROUPS for name, quantity in group.quantities(signal).items()
    }
    quantities |= _unlikeness_names(signal)
    return {name: units[quantity] for name, quantity in quantities.items()}


def summary_names(signal: Signal) -> list[str]:
    """Returns the names of the summaries of a signal, in their order."""
    return list(summary_units(signal))


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
    brief = tf.nn.avg_pool1d(residuals[:, :, tf.newaxis], num_brief, 1, "VALID")
    place = tf.argmax(tf.abs(residuals), axis=1)[:, tf.newaxis]
    parts = [
        gain,
        -shift / sampling_rate_hz,
        -stretch / (samples.num - 1),
        tf.sqrt(_total(tf.square(residuals)) / samples.count),
        tf.reduce_max(residuals, axis=1, keepdims=True),
        tf.reduce_min(residuals, axis=1, keepdims=True),
        tf.reduce_max(tf.abs(brief), axis=1),
        tf.cast(place, tf.float64) / sampling_rate_hz,
        tf.reduce_max(z, axis=1, keepdims=True),
        _total(tf.square(z)) / samples.count,
        _longest_run(z > LARGE_Z) / sampling_rate_hz,
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
        size = _total(tf.square(direction))
        for earlier in basis:
            direction -= _total(direction * earlier) * earlier
        length = _total(tf.square(direction))
        inverse = tf.where(length > _DEPENDENT * size, tf.math.rsqrt(length), 0.0)
        basis.append(direction * inverse)
        part = _total(values * basis[-1])
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


def _total(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=1, keepdims=True)


def _tenth(num: int) -> int:
    """A tenth of the samples, rounded up."""
    return -(-num // 10)


def _segment_edges(num: int) -> Floats:
    parts = min(MAX_SEGMENTS, num)
    return (np.arange(parts + 1) * num // parts).astype(float)


def _band_edges(num: int) -> Floats:
    """The edges of octaves, in bins of the periodogram without its bin 0."""
    highest = num // 2
    octaves = {highest >> octave for octave in range(MAX_BANDS)}
    return np.array(sorted({0, *octaves}), dtype=float)


def _stretches(edges: Floats, unit: str) -> list[str]:
    return [f"from {start:.4g} to {end:.4g} {unit}" for start, end in pairwise(edges)]


def _members(edges: Floats, num: int) -> Floats:
    """float64 `[num, parts]`, 1 where a position is between two edges."""
    position = np.arange(num)
    parts = [(position >= start) & (position < end) for start, end in pairwise(edges)]
    return np.stack(parts, axis=1).astype(float)


def _longest_run(flags: tf.Tensor) -> tf.Tensor:
    """float64 `[batch, 1]`, the largest number of true flags in a row.

    True flags between the same two false ones follow the same number of false ones.
    """
    size = flags.shape[1] + 1
    num_rows = tf.shape(flags)[0]
    run = tf.cumsum(tf.cast(tf.logical_not(flags), tf.int32), axis=1)
    place = run + size * tf.range(num_rows)[:, tf.newaxis]
    lengths = tf.math.unsorted_segment_sum(tf.cast(flags, tf.float64), place, size * num_rows)
    return tf.reduce_max(tf.reshape(lengths, [-1, size]), axis=1, keepdims=True)
