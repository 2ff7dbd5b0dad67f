"""Formulas of summaries: TensorFlow core operations on recordings of one length."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# Shorter recordings have as many segments as samples, and as many bands as octaves.
MAX_SEGMENTS = 8
MAX_BANDS = 7

QUANTILES = {
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
        return total(self.weights)

    @cached_property
    def mean(self) -> tf.Tensor:
        """float64 `[batch, 1]`."""
        return total(self.values) / self.count

    @cached_property
    def centred(self) -> tf.Tensor:
        """float64 `[batch, n]`, less the mean, zero where missing."""
        return tf.math.multiply_no_nan(self.values - self.mean, self.weights)

    @cached_property
    def variance(self) -> tf.Tensor:
        """float64 `[batch, 1]`, the population variance."""
        variance = total(tf.square(self.centred)) / self.count
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
        time = self.weights * (position - total(self.weights * position) / self.count)
        slope = total(time * self.centred) / total(tf.square(time))
        return slope, self.centred - slope * time


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
    skewness, kurtosis = total(cubes) / samples.count, total(cubes * scaled) / samples.count
    return tf.concat([samples.mean, deviation, skewness, kurtosis], axis=1)


def quantiles(samples: Samples) -> tf.Tensor:
    """Extremes, quartiles, and the percentiles 5 and 95.

    The quantile p interpolates linearly at the position p (count - 1) of the ordered samples.

    References:
        Hyndman, R. J., and Fan, Y. (1996), "Sample quantiles in statistical packages", The American
        Statistician 50(4), definition 7.
    """
    ordered = tf.sort(tf.where(samples.present, samples.values, np.inf), axis=1)
    position = tf.maximum(samples.count - 1, 0.0) * list(QUANTILES.values())
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
    level = total(samples.values[:, last]) / total(samples.weights[:, last])
    excess = tf.where(samples.present, samples.values - level, -np.inf)
    highest = tf.reduce_max(excess, axis=1, keepdims=True)
    area = total(samples.values) - samples.count * level
    decay = area / tf.where(highest > 0, highest, np.nan) / samples.rate_hz
    return tf.concat([slope * samples.rate_hz, decay], axis=1)


def segments(samples: Samples) -> tf.Tensor:
    """Mean of the first and the last tenth, and mean and standard deviation of equal segments.

    A fault may be brief. A segment without samples is undefined.
    """
    tenth, num = _tenth(samples.num), samples.num
    ends = np.stack([np.arange(num) < tenth, np.arange(num) >= num - tenth], axis=1)
    parts = _members(segment_edges(num), num)
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
    count = total(both)
    absolute, squares = total(tf.abs(steps)) / count, total(tf.square(steps)) / count
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
    return tf.where(total(both) > 0, places / samples.rate_hz, np.nan)


def crossings(samples: Samples) -> tf.Tensor:
    """How often per second neighbours are on different sides of the mean.

    References:
        Kedem, B. (1986), "Spectral analysis and discrimination by zero-crossings", Proceedings of
        the IEEE 74(11).
    """
    _, both = samples.steps
    above = samples.values > samples.mean
    crossed = tf.cast(above[:, 1:] != above[:, :-1], tf.float64) * both
    return total(crossed) / total(both) * samples.rate_hz


def correlation(samples: Samples) -> tf.Tensor:
    """Autocorrelation at a lag of one sample, and the crest factor max|x| / rms(x).

    The autocorrelation is the sum of the products of neighbours' distances from the mean, divided
    by the sum of the squared distances.

    References:
        Box, G. E. P., and Jenkins, G. M. (1976), "Time series analysis", section 2.1.
    """
    products = total(samples.centred[:, 1:] * samples.centred[:, :-1]) / samples.count
    autocorrelation = products / tf.where(samples.variance > 0, samples.variance, np.nan)
    rms = tf.sqrt(total(tf.square(samples.values)) / samples.count)
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
    squares = tf.square(tf.math.real(transform)) + tf.square(tf.math.imag(transform))
    power = squares * sides / (num * samples.count)
    bands = tf.sqrt(tf.matmul(power, _members(band_edges(num), num // 2)))
    whole = total(power)
    usable = tf.where(whole > _ROUNDING * tf.square(samples.mean), whole, np.nan)
    centre = total(power * bins) / usable
    return tf.concat([bands, centre * samples.rate_hz / num], axis=1)


def gaps(samples: Samples) -> tf.Tensor:
    """Share of missing samples, and the longest gap in s."""
    share = 1 - samples.count / samples.num
    longest = longest_run(tf.logical_not(samples.present))
    return tf.concat([share, longest / samples.rate_hz], axis=1)


def total(values: tf.Tensor) -> tf.Tensor:
    """Returns the sum over the samples, `[batch, 1]`."""
    return tf.reduce_sum(values, axis=1, keepdims=True)


def _tenth(num: int) -> int:
    """A tenth of the samples, rounded up."""
    return -(-num // 10)


def segment_edges(num: int) -> Floats:
    """The first samples of equal segments, and the number of samples."""
    parts = min(MAX_SEGMENTS, num)
    return (np.arange(parts + 1) * num // parts).astype(float)


def band_edges(num: int) -> Floats:
    """The edges of octaves, in bins of the periodogram without its bin 0."""
    highest = num // 2
    octaves = {highest >> octave for octave in range(MAX_BANDS)}
    return np.array(sorted({0, *octaves}), dtype=float)


def _members(edges: Floats, num: int) -> Floats:
    """float64 `[num, parts]`, 1 where a position is between two edges."""
    position = np.arange(num)
    parts = [(position >= start) & (position < end) for start, end in pairwise(edges)]
    return np.stack(parts, axis=1).astype(float)


def longest_run(flags: tf.Tensor) -> tf.Tensor:
    """float64 `[batch, 1]`, the largest number of true flags in a row.

    True flags between the same two false ones follow the same number of false ones.
    """
    size = flags.shape[1] + 1
    num_rows = tf.shape(flags)[0]
    run = tf.cumsum(tf.cast(tf.logical_not(flags), tf.int32), axis=1)
    place = run + size * tf.range(num_rows)[:, tf.newaxis]
    lengths = tf.math.unsorted_segment_sum(tf.cast(flags, tf.float64), place, size * num_rows)
    return tf.reduce_max(tf.reshape(lengths, [-1, size]), axis=1, keepdims=True)
