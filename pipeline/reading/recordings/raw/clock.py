"""The clock of a recording: times in order, one sample every period, at the nominal rate.

References:
    Crochiere and Rabiner, Multirate Digital Signal Processing, 1983 (a rational change of rate by
    one polyphase filter, which removes what the lower rate cannot hold).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.counting import count
from pipeline.reading.recordings import rounded_times

Floats = NDArray[np.float64]
Channels = dict[str, NDArray[np.float32]]

# Kinds of changes that are counted: what is counted, then what became of it.
REPEATED = "row left out: equal to another one in time and values"
CONTRADICTED = "sample missing: several rows give different values or labels for one time"
BACKWARD = "row left out: earlier in time than a row before"
INTERPOLATED = "recording interpolated to equal periods"
FILLED = "sample missing in gaps of the times"
MIDNIGHT = "recording over midnight: its times of day go on into the next day"
RESAMPLED = "recording resampled to the nominal rate"

RATE_TOLERANCE = 0.01  # the same as in AnomalyGate
_MAX_FAULTS = 0.01  # share of a stream's rows whose times may be wrong
_MAX_BRIDGED = 3  # missing samples in a row that are interpolated
_NEAR = (0.5, 1.5)  # periods that count as near the median one
_MIN_NEAR = 0.5  # share of the periods that must be near it
_MAX_GROWTH = 4  # regular samples for each sample there is
_FREE_GROWTH = 10_000
_MAX_FACTOR = 1_000
_DAY_S = 86_400.0


class UnusableError(ValueError):
    """A recording that cannot be used; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples of one recording.

    Attributes:
        channels: Name to float32 [samples]; NaN where missing.
        times_s: float64 [samples]; None if the samples have no times.
        labels: bool [samples], if each sample has a label.
        rate_hz: Sampling rate, if it is known.
        counts: What was changed, by kind.
    """

    channels: Channels
    times_s: Floats | None = None
    labels: NDArray[np.bool_] | None = None
    rate_hz: float | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, kept: NDArray[np.bool_] | slice) -> "Samples":
        """Returns some of the samples."""
        return replace(
            self,
            channels={name: samples[kept] for name, samples in self.channels.items()},
            times_s=None if self.times_s is None else self.times_s[kept],
            labels=None if self.labels is None else self.labels[kept],
        )

    def counted(self, kind: str, number: int) -> "Samples":
        """Returns these samples with a change counted."""
        return replace(self, counts=self.counts + Counter({kind: number}))


def on_clock(samples: Samples, *, is_stream: bool) -> Samples:
    """Returns the samples with ascending times, equal periods and the rate.

    A long stream with a few wrong times (1 % of its rows at most) is worth more than none: its rows
    that go back in time are dropped, and where two rows contradict each other the sample is
    missing. Any other recording is refused for either.

    Args:
        samples: As read, with times.
        is_stream: Whether the recording is a stream.

    Raises:
        UnusableError: A time is missing, times go backwards, rows contradict each other, or the
            periods vary too much.
    """
    if samples.times_s is None:
        return samples
    _check_present(samples.times_s)
    ordered = _ascending(over_midnight(samples), is_stream=is_stream)
    return _equidistant(_distinct(ordered, is_stream=is_stream))


def _check_present(times_s: Floats) -> None:
    missing = np.flatnonzero(~np.isfinite(times_s))
    if missing.size:
        raise UnusableError(
            f"{count(missing.size, 'sample')} without a time, first sample {missing[0] + 1:,}"
        )


def without_clock(samples: Samples, name: str) -> Samples:
    """Returns samples that were ordered by their numbers, which are no times.

    Args:
        samples: With the numbers as times.
        name: The column of the numbers.

    Raises:
        UnusableError: The numbers do not rise by 1.
    """
    step = 1 / samples.rate_hz if samples.rate_hz else 1.0
    if abs(step - 1) > RATE_TOLERANCE:
        raise UnusableError(
            f"the numbers of its samples in `{name}` rise by {step:g}; expected 1. If they are "
            "times, name the column in `time_column`"
        )
    return replace(samples, times_s=None, rate_hz=None)


def over_midnight(samples: Samples) -> Samples:
    """Returns the samples with times of day that go on after midnight, where they begin again.

    All times are below 24 h, and with a day added each step back is at most as long as a gap that
    is interpolated. Any other step back stays, and is judged as such.
    """
    times_s = samples.times_s
    if times_s is None or len(times_s) < 3 or times_s.min() < 0 or times_s.max() >= _DAY_S:
        return samples
    steps = np.diff(times_s)
    is_back = steps < 0
    period_s = float(np.median(steps[~is_back])) if (~is_back).any() else 0.0
    if not is_back.any() or (steps[is_back] + _DAY_S > (_MAX_BRIDGED + 1.5) * period_s).any():
        return samples
    days = np.concatenate([[0], np.cumsum(is_back)])
    return replace(samples, times_s=times_s + days * _DAY_S).counted(MIDNIGHT, 1)


def _ascending(samples: Samples, *, is_stream: bool) -> Samples:
    times_s = samples.times_s
    if times_s is None or len(times_s) < 2:
        return samples
    steps = np.diff(times_s)
    if steps.min() >= 0:
        return samples
    if steps.max() <= 0:
        raise UnusableError("its times descend; sort its rows by time")
    is_late = times_s < np.maximum.accumulate(times_s)
    if is_stream and is_late.mean() <= _MAX_FAULTS:
        return samples.take(~is_late).counted(BACKWARD, int(is_late.sum()))
    place = int(np.argmax(steps < 0))
    raise UnusableError(
        f"its times go backwards at {count(int((steps < 0).sum()), 'place')}, first by "
        f"{-steps[place]:g} s at sample {place + 2:,}; sort its rows, or correct the times"
    )


def _distinct(samples: Samples, *, is_stream: bool) -> Samples:
    """Keeps one of several rows of one time; it is positive if one of them is."""
    times_s = samples.times_s
    if times_s is None or len(times_s) < 2:
        return samples
    repeats = np.flatnonzero(np.diff(times_s) == 0) + 1
    if not repeats.size:
        return samples
    differs = _differences(samples, repeats)
    contradicted = np.unique(times_s[repeats[differs]])
    if contradicted.size and not (is_stream and contradicted.size <= _MAX_FAULTS * len(times_s)):
        place = int(repeats[differs][0])
        raise UnusableError(
            f"several rows with different values or labels for {count(contradicted.size, 'time')}, "
            f"first sample {place + 1:,}; correct the times, or remove `time_column` if they are "
            "coarser than the samples"
        )
    kept = np.ones(len(times_s), bool)
    kept[repeats] = False
    distinct = samples.take(kept).counted(REPEATED, int((~differs).sum()))
    if samples.labels is not None:
        any_positive = np.logical_or.reduceat(samples.labels, np.flatnonzero(kept))
        distinct = replace(distinct, labels=any_positive)
    if not contradicted.size:
        return distinct
    is_unknown = np.isin(times_s[kept], contradicted)
    channels = {
        n: np.where(is_unknown, np.float32(np.nan), v) for n, v in distinct.channels.items()
    }
    return replace(distinct, channels=channels).counted(CONTRADICTED, contradicted.size)


def _differences(samples: Samples, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Tells which rows have other values, or another label, than the row before."""
    differs = np.zeros(rows.size, bool)
    for values in samples.channels.values():
        now, before = values[rows], values[rows - 1]
        differs |= (now != before) & ~(np.isnan(now) & np.isnan(before))
    if samples.labels is not None:
        differs |= samples.labels[rows] != samples.labels[rows - 1]
    return differs


def _equidistant(samples: Samples) -> Samples:
    """Interpolates to equal periods where they differ; samples in longer gaps are missing."""
    times_s = samples.times_s
    if times_s is None or len(times_s) < 2:
        return samples
    steps = np.diff(times_s)
    span_s = times_s[-1] - times_s[0]
    mean_s = span_s / len(steps)
    if np.abs(steps - mean_s).max() <= max(
        RATE_TOLERANCE * mean_s, resolution_s(np.abs(times_s).max())
    ):
        return replace(samples, rate_hz=rate_of(mean_s))
    rounding_s = rounded_times.rounding_s(times_s)
    if rounded_times.is_rounded(times_s, mean_s, rounding_s):
        return replace(samples, rate_hz=1 / rounded_times.short_period(mean_s, rounding_s / span_s))
    period_s = float(np.median(steps))
    _check_spread(steps, period_s)
    period_s = rounded_times.unrounded_period(steps, period_s, rounding_s)
    num_samples = int(np.floor(span_s / period_s + 0.5)) + 1
    if num_samples > _MAX_GROWTH * len(times_s) + _FREE_GROWTH:
        raise UnusableError(
            f"its {len(times_s):,} samples have gaps that are {num_samples - len(times_s):,} "
            f"periods of {period_s:g} s long; divide it at the gaps"
        )
    return _interpolated(samples, times_s, period_s, num_samples)


def resolution_s(farthest_s: Any) -> Any:
    """Returns the rounding of times in s: theirs, and that of a float64 of this size.

    Args:
        farthest_s: The time farthest from zero, of one recording or of each.
    """
    return 4 * np.spacing(farthest_s)


def rate_of(period_s: float) -> float:
    """Returns the rate of a period: of both numbers, the one with fewer digits is exact.

    Times have 7 digits at most: 12000.0001 Hz are 12 kHz, and a sample every 300.00001 s is one
    every 5 minutes.

    >>> rate_of(1 / 12000.0001), rate_of(300.00001)
    (12000.0, 0.0033333333333333335)
    """
    rate, period = f"{1 / period_s:.7g}", f"{period_s:.7g}"
    return float(rate) if len(rate) <= len(period) else 1 / float(period)


def _check_spread(steps: Floats, period_s: float) -> None:
    near = (steps >= _NEAR[0] * period_s) & (steps <= _NEAR[1] * period_s)
    if near.mean() < _MIN_NEAR:
        raise UnusableError(
            f"its times are irregular: only {near.mean():.0%} of the periods are within half of "
            f"their median, {period_s:g} s; resample it, or remove `time_column`"
        )


def _interpolated(samples: Samples, times_s: Floats, period_s: float, num_samples: int) -> Samples:
    grid_s = times_s[0] + np.arange(num_samples) * period_s
    after = np.clip(np.searchsorted(times_s, grid_s), 1, len(times_s) - 1)
    # A sample at most a hundredth of a period away is taken as it is.
    nearest = np.where(grid_s - times_s[after - 1] <= times_s[after] - grid_s, after - 1, after)
    distance = np.abs(times_s[nearest] - grid_s)
    is_exact = distance <= RATE_TOLERANCE * period_s
    gap_s = times_s[after] - times_s[after - 1]
    is_gap = ~is_exact & (gap_s > (_MAX_BRIDGED + 1.5) * period_s)
    channels: Channels = {}
    for name, values in samples.channels.items():
        interpolated = np.interp(grid_s, times_s, values.astype(np.float64))
        known = np.where(is_exact, values[nearest], interpolated)
        channels[name] = np.where(is_gap, np.nan, known).astype(np.float32)
    counted = samples.counted(FILLED, int(is_gap.sum()))
    if (~is_exact & ~is_gap).any():
        counted = counted.counted(INTERPOLATED, 1)
    labels = samples.labels
    if labels is not None:  # a gap is in an event if both of its ends are
        between = np.where(is_gap, labels[after - 1] & labels[after], labels[nearest])
        labels = _with_positives(between, labels, (times_s - times_s[0]) / period_s)
    return replace(
        counted,
        channels=channels,
        times_s=grid_s,
        labels=labels,
        rate_hz=rate_of(period_s),
    )


def at_rate(samples: Samples, nominal_hz: float | None) -> Samples:
    """Returns the samples at the nominal rate; within 1 % of it they stay as they are.

    Args:
        samples: On a clock of equal periods.
        nominal_hz: The nominal rate; None to keep the recording's own.
    """
    own_hz = samples.rate_hz
    if nominal_hz is None or own_hz is None:
        return samples
    if abs(own_hz / nominal_hz - 1) <= RATE_TOLERANCE:
        return samples
    ratio = nominal_hz / own_hz
    # The numerator is bounded too, by a smaller denominator.
    factor = Fraction(ratio).limit_denominator(max(1, int(_MAX_FACTOR / max(1.0, ratio))))
    if not factor or factor.numerator > _MAX_FACTOR:
        raise UnusableError(
            f"its sampling rate is {own_hz:g} Hz, which is too far from the nominal {nominal_hz:g} "
            "Hz to resample it"
        )
    resample = _resampler(factor)
    channels = {name: resample(values) for name, values in samples.channels.items()}
    num_samples = len(next(iter(channels.values())))
    # The time of each new sample among the old ones.
    places = np.minimum(np.arange(num_samples) / float(factor), samples_of(samples) - 1)
    times_s, labels = samples.times_s, samples.labels
    if labels is not None:
        nearest = labels[np.rint(places).astype(int)]
        labels = _with_positives(nearest, labels, np.arange(len(labels)) * float(factor))
    return replace(
        samples.counted(RESAMPLED, 1),
        channels=channels,
        times_s=None if times_s is None else times_s[0] + np.arange(num_samples) / nominal_hz,
        labels=labels,
        rate_hz=nominal_hz,
    )


def _with_positives(
    labels: NDArray[np.bool_], former: NDArray[np.bool_], places: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Returns labels with every former positive at the nearest sample, so that none is lost.

    Args:
        labels: bool [samples], the new labels.
        former: bool [former samples], those before.
        places: float64 [former samples], where each former sample is among the new ones.
    """
    nearest = np.rint(places[former]).astype(int)
    labels[np.minimum(nearest, len(labels) - 1)] = True
    return labels


def samples_of(samples: Samples) -> int:
    """Returns the number of samples of each channel."""
    return len(next(iter(samples.channels.values())))


def _resampler(factor: Fraction) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    from scipy.signal import resample_poly

    def resample(values: NDArray[np.float32]) -> NDArray[np.float32]:
        is_missing = np.isnan(values)
        if is_missing.all():
            size = -(-len(values) * factor.numerator // factor.denominator)
            return np.full(size, np.nan, np.float32)
        places = np.arange(len(values))
        # The filter needs a value everywhere; a missing one is missing again afterwards.
        whole = np.interp(places, places[~is_missing], values[~is_missing].astype(np.float64))
        # A line between the ends is the padding that bends a signal least at its edges.
        resampled = resample_poly(whole, factor.numerator, factor.denominator, padtype="line")
        if is_missing.any():
            sources = np.rint(np.arange(len(resampled)) / float(factor)).astype(int)
            resampled[is_missing[np.minimum(sources, len(values) - 1)]] = np.nan
        return np.asarray(resampled, np.float32)

    return resample
