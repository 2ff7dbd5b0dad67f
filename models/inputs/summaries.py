"""Named summary features of signals, which trees take in place of the samples.

All are computed from the raw samples, in the signal's own unit, so that an explanation can name
them; only those of `unlikeness` compare a recording with the usual shape of the train split. They
are TensorFlow core operations on a whole batch, part of the transform graph.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import tensorflow as tf

from models.features import Signal

NUM_SEGMENTS = 8
NUM_BANDS = 7
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
# A deviation from the usual shape that counts as large, and the window of a brief one.
LARGE_Z = 3.0
WINDOW = 4

# From the signal's unit to that of a summary.
_UNITS: dict[str, Callable[[str], str]] = {
    "signal": lambda unit: unit,
    "signal/s": lambda unit: f"{unit or '1'}/s",
    "signal²": lambda unit: f"{unit}²" if unit else "",
    "s": lambda _: "s",
    "Hz": lambda _: "Hz",
    "1": lambda _: "",
}


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
    def num_samples(self) -> int:
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
        """float64 `[batch, 1]`, NaN without any sample."""
        return _total(self.values) / self.count

    @cached_property
    def centred(self) -> tf.Tensor:
        """float64 `[batch, n]`, less the mean, zero where missing."""
        return tf.where(self.present, self.values - self.mean, 0.0)

    @cached_property
    def deviation(self) -> tf.Tensor:
        """float64 `[batch, 1]`, the population standard deviation, NaN without any sample.

        What rounding leaves of a constant counts as 0.
        """
        deviation = tf.sqrt(_total(tf.square(self.centred)) / self.count)
        return tf.where(deviation <= 1e-9 * tf.abs(self.mean), tf.zeros_like(deviation), deviation)

    @cached_property
    def ordered(self) -> tf.Tensor:
        """float64 `[batch, n]`, the samples present in ascending order, then infinity."""
        return tf.sort(tf.where(self.present, self.values, np.inf), axis=1)

    @cached_property
    def lowest(self) -> tf.Tensor:
        """float64 `[batch, 1]`, NaN without any sample."""
        return _defined(self.ordered[:, :1], self.count > 0)

    @cached_property
    def highest(self) -> tf.Tensor:
        """float64 `[batch, 1]`, NaN without any sample."""
        filled = tf.where(self.present, self.values, -np.inf)
        return _defined(tf.reduce_max(filled, axis=1, keepdims=True), self.count > 0)

    @cached_property
    def steps(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Differences of neighbours float64 `[batch, n - 1]`, zero where either is missing."""
        both = self.present[:, 1:] & self.present[:, :-1]
        return tf.where(both, self.values[:, 1:] - self.values[:, :-1], 0.0), both

    @cached_property
    def residuals(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Slope per sample `[batch, 1]` of the least-squares line, and what it leaves `[batch, n]`.

        The slope is NaN with fewer than two samples; what is left is zero where missing.
        """
        position = tf.range(self.num_samples, dtype=tf.float64)
        time = self.weights * (position - _total(self.weights * position) / self.count)
        slope = _total(time * self.centred) / _total(tf.square(time))
        return slope, tf.where(self.present, self.centred - slope * time, 0.0)


@dataclass(frozen=True)
class Group:
    """Summaries that are computed together.

    Attributes:
        units: The rule for the unit of each summary, by its name.
        formula: Samples to float64 `[batch, len(units)]`, NaN where a summary is undefined.
    """

    units: dict[str, str]
    formula: Callable[[Samples], tf.Tensor]


def level(samples: Samples) -> tf.Tensor:
    """Arithmetic mean, and the population standard deviation sqrt(mean((x - mean)²))."""
    return tf.concat([samples.mean, samples.deviation], axis=1)


def order_statistics(samples: Samples) -> tf.Tensor:
    """Minimum, maximum, range, five quantiles, and the interquartile range q75 - q25.

    The quantile p interpolates linearly at the position p (count - 1) of the ordered samples.

    References:
        Hyndman, R. J., and Fan, Y. (1996), "Sample quantiles in statistical packages", The American
        Statistician 50(4), definition 7.
    """
    ordered = tf.where(tf.math.is_finite(samples.ordered), samples.ordered, 0.0)
    position = tf.maximum(samples.count - 1, 0.0) * list(QUANTILES.values())
    below = tf.floor(position)
    parts = [tf.cast(part, tf.int32) for part in (below, tf.math.ceil(position))]
    low, high = (tf.gather(ordered, part, batch_dims=1) for part in parts)
    quantiles = _defined(low + (position - below) * (high - low), samples.count > 0)
    lowest, highest = samples.lowest, samples.highest
    iqr = quantiles[:, 3:4] - quantiles[:, 1:2]
    return tf.concat([lowest, highest, highest - lowest, quantiles, iqr], axis=1)


def times_of_extremes(samples: Samples) -> tf.Tensor:
    """When the minimum and the maximum first occur, in s after the first sample."""
    return tf.concat(
        [
            _first_time(samples.present & (samples.values == extreme), samples.rate_hz)
            for extreme in (samples.lowest, samples.highest)
        ],
        axis=1,
    )


def trend(samples: Samples) -> tf.Tensor:
    """Slope of the least-squares line, the levels at both ends, and the time of the decay.

    The levels are the means of the first and the last tenth of the samples. The decay time is the
    area of the excess over the last level, divided by the largest excess: the time constant of an
    exponential decay that begins with the recording.
    """
    slope, _ = samples.residuals
    tenth = -(-samples.num_samples // 10)
    first, last = (
        _total(samples.values[:, part]) / _total(samples.weights[:, part])
        for part in (slice(tenth), slice(-tenth, None))
    )
    area = _total(samples.weights * (samples.values - last)) / samples.rate_hz
    excess = samples.highest - last
    decay = area / tf.where(excess > 0, excess, np.nan)
    return tf.concat([slope * samples.rate_hz, first, last, decay], axis=1)


def changes(samples: Samples) -> tf.Tensor:
    """Largest rise and fall between neighbours with their times, mean absolute and rms change.

    A missing sample has no neighbours. The time is that of the later sample.
    """
    steps, both = samples.steps
    count = _total(tf.cast(both, tf.float64))
    rise = _defined(_highest(tf.where(both, steps, -np.inf)), count > 0)
    fall = _defined(-_highest(tf.where(both, -steps, -np.inf)), count > 0)
    times = [
        _first_time(both & (steps == step), samples.rate_hz) + 1 / samples.rate_hz
        for step in (rise, fall)
    ]
    mean_absolute = _total(tf.abs(steps)) / count
    rms = tf.sqrt(_total(tf.square(steps)) / count)
    return tf.concat([rise, fall, *times, mean_absolute, rms], axis=1)


def shape(samples: Samples) -> tf.Tensor:
    """Skewness m3 / m2^1.5, kurtosis m4 / m2², and the crest factor max|x| / rms(x).

    The central moments are population moments; all are undefined for a constant.

    References:
        Joanes, D. N., and Gill, C. A. (1998), "Comparing measures of sample skewness and kurtosis",
        The Statistician 47(1), g1 and g2 + 3.
    """
    scaled = samples.centred / tf.where(samples.deviation > 0, samples.deviation, np.nan)
    scaled = tf.where(samples.present, scaled, 0.0)
    cubes = tf.square(scaled) * scaled
    skewness, kurtosis = _total(cubes) / samples.count, _total(cubes * scaled) / samples.count
    rms = tf.sqrt(_total(tf.square(samples.values)) / samples.count)
    crest = _highest(tf.abs(samples.values)) / tf.where(rms > 0, rms, np.nan)
    return tf.concat([skewness, kurtosis, crest], axis=1)


def crossings(samples: Samples) -> tf.Tensor:
    """How often neighbours are on different sides of the mean, per second, and autocorrelation.

    The autocorrelation at a lag of one sample is the sum of the products of neighbours' distances
    from the mean, divided by the sum of the squared distances.

    References:
        Box, G. E. P., and Jenkins, G. M. (1976), "Time series analysis", section 2.1.6.
    """
    _, both = samples.steps
    above = samples.values > samples.mean
    crossed = tf.cast(both & (above[:, 1:] != above[:, :-1]), tf.float64)
    rate = _total(crossed) / _total(tf.cast(both, tf.float64)) * samples.rate_hz
    squares = _total(tf.square(samples.centred))
    products = _total(samples.centred[:, 1:] * samples.centred[:, :-1])
    defined = samples.deviation > 0
    return tf.concat([rate, _defined(products / squares, defined)], axis=1)


def segments(samples: Samples) -> tf.Tensor:
    """Mean and standard deviation of eight segments of equal length: a fault may be brief."""
    edges = np.arange(NUM_SEGMENTS + 1) * samples.num_samples // NUM_SEGMENTS
    members = _members(edges, samples.num_samples)
    count = samples.weights @ members
    mean = (samples.centred @ members) / count
    within = tf.where(samples.present, samples.centred - _spread_out(mean, members), 0.0)
    deviation = tf.sqrt((tf.square(within) @ members) / count)
    return tf.concat([samples.mean + mean, deviation], axis=1)


def spectrum(samples: Samples) -> tf.Tensor:
    """Power in octaves, centroid in Hz and normalised entropy of what a straight line leaves.

    Band 1 is the highest octave, up to half the sampling rate; the last one holds all frequencies
    below the others, except 0. The periodogram 2 |X|² / (n count) of the residuals, zero where
    missing, adds up to their mean square. A band without a frequency is undefined.

    References:
        Schuster, A. (1898), "On the investigation of hidden periodicities", Terrestrial Magnetism
        3(1), for the periodogram; Inouye, T., et al. (1991), "Quantification of EEG irregularity by
        use of the entropy of the power spectrum", Electroencephalography and Clinical
        Neurophysiology 79(3), for the entropy.
    """
    _, residuals = samples.residuals
    num = samples.num_samples
    bins = np.arange(1, num // 2 + 1)
    # The frequency half the sampling rate has no mirror image.
    sides = np.where(2 * bins == num, 1.0, 2.0)
    power = sides * tf.square(tf.abs(tf.signal.rfft(residuals)))[:, 1:] / (num * samples.count)
    edges = np.array([0, *(0.5 ** np.arange(NUM_BANDS - 1, -1, -1) * (num // 2)).astype(int)])
    members = _members(edges, num // 2)[:, ::-1]
    bands = tf.where(members.sum(axis=0) > 0, power @ members, np.nan)
    total = _total(power)
    shares = power / tf.where(total > 1e-18 * tf.square(samples.mean), total, np.nan)
    centroid = _total(shares * bins) * samples.rate_hz / num
    entropy = -_total(tf.math.xlogy(shares, shares)) / np.log(max(num // 2, 2))
    return tf.concat([_defined(bands, samples.count > 1), centroid, entropy], axis=1)


def gaps(samples: Samples) -> tf.Tensor:
    """Share of missing samples, and the longest gap in s."""
    missing = tf.logical_not(samples.present)
    share = 1 - samples.count / samples.num_samples
    return tf.concat([share, _longest_run(missing) / samples.rate_hz], axis=1)


def _numbered(stem: str, count: int) -> list[str]:
    return [f"{stem}_{number}" for number in range(1, count + 1)]


GROUPS = (
    Group(dict.fromkeys(["mean", "deviation"], "signal"), level),
    Group(
        dict.fromkeys(["minimum", "maximum", "range", *QUANTILES, "iqr"], "signal"),
        order_statistics,
    ),
    Group(dict.fromkeys(["time_of_minimum", "time_of_maximum"], "s"), times_of_extremes),
    Group(
        {"slope": "signal/s", "first_level": "signal", "last_level": "signal", "decay_time": "s"},
        trend,
    ),
    Group(
        {"largest_rise": "signal", "largest_fall": "signal"}
        | {"time_of_largest_rise": "s", "time_of_largest_fall": "s"}
        | {"mean_absolute_change": "signal", "rms_change": "signal"},
        changes,
    ),
    Group(dict.fromkeys(["skewness", "kurtosis", "crest_factor"], "1"), shape),
    Group({"mean_crossing_rate": "Hz", "autocorrelation": "1"}, crossings),
    Group(
        dict.fromkeys(
            _numbered("segment_mean", NUM_SEGMENTS) + _numbered("segment_deviation", NUM_SEGMENTS),
            "signal",
        ),
        segments,
    ),
    Group(
        dict.fromkeys(_numbered("band_power", NUM_BANDS), "signal²")
        | {"spectral_centroid": "Hz", "spectral_entropy": "1"},
        spectrum,
    ),
    Group({"missing_share": "1", "longest_gap": "s"}, gaps),
)
_UNLIKENESS = {
    name: rule
    for channel in ("level", "change")
    for name, rule in {
        f"{channel}_largest_z": "1",
        f"{channel}_mean_squared_z": "1",
        f"{channel}_largest_brief_z": "1",
        f"{channel}_longest_large_z": "s",
    }.items()
}


def summary_units(feature: Signal) -> dict[str, str]:
    """Returns the unit of each summary of a signal by its name, in the order of the summaries.

    Args:
        feature: The signal; its unit may be empty.
    """
    rules = {name: rule for group in GROUPS for name, rule in group.units.items()} | _UNLIKENESS
    return {name: _UNITS[rule](feature.unit) for name, rule in rules.items()}


def summary_names(feature: Signal) -> list[str]:
    """Returns the names of the summaries of a signal, in their order."""
    return list(summary_units(feature))


def summarise(values: tf.Tensor, present: tf.Tensor, sampling_rate_hz: float) -> tf.Tensor:
    """Returns the summaries of the raw samples, without those of `unlikeness`.

    Args:
        values: float64 or float32 `[batch, n]`, n >= 2; ignored where missing.
        present: bool `[batch, n]`.
        sampling_rate_hz: Nominal sampling rate in Hz.

    Returns:
        float32 `[batch, num_summaries]`, NaN where a summary is undefined.
    """
    known = tf.where(present, tf.cast(values, tf.float64), 0.0)
    samples = Samples(known, present, sampling_rate_hz)
    summaries = tf.concat([group.formula(samples) for group in GROUPS], axis=1)
    return tf.cast(summaries, tf.float32)


def unlikeness(standardised: tf.Tensor, sampling_rate_hz: float) -> tf.Tensor:
    """Returns how unlike the usual shape of the train split the levels and the changes are.

    Of z, the samples in standard deviations from their mean over the train split: the largest |z|,
    the mean of z², the largest |mean| of four neighbours, and the longest time with |z| > 3.

    Args:
        standardised: The transformed signal, float32 `[batch, n, channels]`: the standardised
            levels and changes, zero where missing, and 1 where a sample is missing.
        sampling_rate_hz: Nominal sampling rate in Hz.

    Returns:
        float32 `[batch, num_summaries]`, NaN where all samples are missing.
    """
    channels = [standardised[:, :, 0], standardised[:, :, 1]]
    present = 1 - standardised[:, :, 2]
    parts = []
    for z in channels:
        magnitude = tf.abs(z)
        window = min(WINDOW, z.shape[1])
        brief = tf.nn.avg_pool1d(z[:, :, tf.newaxis], window, 1, "VALID")[:, :, 0]
        parts += [
            _highest(magnitude),
            _total(tf.square(z)) / _total(present),
            _highest(tf.abs(brief)),
            tf.cast(_longest_run(magnitude > LARGE_Z), tf.float32) / sampling_rate_hz,
        ]
    return _defined(tf.concat(parts, axis=1), _total(present) > 0)


def _total(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(values, axis=1, keepdims=True)


def _highest(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(values, axis=1, keepdims=True)


def _defined(values: tf.Tensor, defined: tf.Tensor) -> tf.Tensor:
    return tf.where(defined, values, tf.constant(np.nan, values.dtype))


def _first_time(flags: tf.Tensor, rate_hz: float) -> tf.Tensor:
    """Seconds to the first true flag `[batch, 1]`, NaN if there is none."""
    first = tf.cast(tf.argmax(flags, axis=1)[:, tf.newaxis], tf.float64) / rate_hz
    return _defined(first, tf.reduce_any(flags, axis=1, keepdims=True))


def _longest_run(flags: tf.Tensor) -> tf.Tensor:
    """float64 `[batch, 1]`, the largest number of true flags in a row.

    True flags between the same two false ones follow the same number of false ones.
    """
    size = flags.shape[1] + 1
    num_rows = tf.shape(flags)[0]
    run = tf.cumsum(tf.cast(tf.logical_not(flags), tf.int32), axis=1)
    place = run + size * tf.range(num_rows)[:, tf.newaxis]
    lengths = tf.math.unsorted_segment_sum(tf.cast(flags, tf.float64), place, size * num_rows)
    return _highest(tf.reshape(lengths, [-1, size]))


def _members(edges: np.ndarray, num: int) -> np.ndarray:
    """float64 `[num, parts]`, 1 where a position is between two edges."""
    position = np.arange(num)
    return np.stack([(position >= a) & (position < b) for a, b in pairwise(edges)], 1).astype(float)


def _spread_out(means: tf.Tensor, members: np.ndarray) -> tf.Tensor:
    """The mean of each position's part, `[batch, num]`; that of a part without samples is 0."""
    return tf.where(tf.math.is_finite(means), means, 0.0) @ members.T
