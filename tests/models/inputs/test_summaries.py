"""Each summary against a NumPy formula that takes one recording and skips its gaps."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from models.features import Signal
from models.inputs.summaries import (
    UsualShape,
    summarise,
    summary_names,
    summary_units,
    unlikeness,
)

RATE_HZ = 40.0
NAN, INF = float("nan"), float("inf")


def _summaries(recordings, rate_hz=RATE_HZ):
    """The summaries of equally long recordings by name, `[batch]` each."""
    samples = np.asarray(recordings, dtype=float)
    table = summarise(tf.constant(samples), tf.constant(np.isfinite(samples)), rate_hz).numpy()
    names = summary_names(_signal(samples.shape[1], rate_hz))[: table.shape[1]]
    return dict(zip(names, table.T, strict=True))


def _signal(num, rate_hz=RATE_HZ):
    return Signal(num_samples=num, sampling_rate_hz=rate_hz, unit="V")


def _recordings(rng, num):
    """Random recordings: plain, far from zero, a slope, with gaps, and half missing."""
    noise = rng.normal(size=(6, num))
    noise[1] += 1e4
    noise[2] += np.linspace(0, 30, num)
    noise[3, num // 3 : num // 2] = NAN
    noise[4, rng.random(num) < 0.5] = NAN
    noise[5, [0, num - 1]] = [INF, -INF]
    return noise


def _reference(row, rate_hz=RATE_HZ):
    """The summaries of one recording by name, from loops and SciPy."""
    num = len(row)
    position = np.flatnonzero(np.isfinite(row))
    x = row[position]
    neighbours = position[1:][np.diff(position) == 1]
    steps = row[neighbours] - row[neighbours - 1]
    centred = row - x.mean()
    tenth = int(np.ceil(num / 10))
    slope, intercept = np.polyfit(position - position.mean(), x, 1)
    residual = np.zeros(num)
    residual[position] = x - intercept - slope * (position - position.mean())
    last = np.nanmean(np.where(np.isfinite(row), row, NAN)[-tenth:])
    quantiles = np.quantile(x, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    frequency = np.arange(num // 2 + 1) * rate_hz / num
    # By the sums of the definition, without a fast transform.
    waves = np.exp(-2j * np.pi * np.outer(np.arange(num // 2 + 1), np.arange(num)) / num)
    power = np.abs(waves @ residual) ** 2 / (num * len(x))
    power[1 : (num + 1) // 2] *= 2
    products = [centred[i] * centred[i - 1] for i in neighbours]
    crossed = [(centred[i] > 0) != (centred[i - 1] > 0) for i in neighbours]
    missing = "".join("." if np.isfinite(value) else "m" for value in row)
    return {
        "mean": x.mean(),
        "standard deviation": x.std(),
        "skewness": scipy.stats.skew(x),
        "kurtosis": scipy.stats.kurtosis(x, fisher=False),
        "minimum": quantiles[0],
        "5th percentile": quantiles[1],
        "lower quartile": quantiles[2],
        "median": quantiles[3],
        "upper quartile": quantiles[4],
        "95th percentile": quantiles[5],
        "maximum": quantiles[6],
        "time of minimum": position[x.argmin()] / rate_hz,
        "time of maximum": position[x.argmax()] / rate_hz,
        "slope": slope * rate_hz,
        "decay time": (x - last).sum() / rate_hz / (x.max() - last),
        **_reference_segments(row, rate_hz),
        "mean absolute change": np.abs(steps).mean(),
        "rms change": np.sqrt((steps**2).mean()),
        "largest rise": steps.max(),
        "largest fall": steps.min(),
        "time of largest rise": neighbours[steps.argmax()] / rate_hz,
        "time of largest fall": neighbours[steps.argmin()] / rate_hz,
        "mean crossing rate": np.mean(crossed) * rate_hz,
        "autocorrelation": np.sum(products) / (centred[position] ** 2).sum(),
        "crest factor": np.abs(x).max() / np.sqrt((x**2).mean()),
        **_reference_bands(frequency, power),
        "spectral centroid": (frequency * power)[1:].sum() / power[1:].sum(),
        "missing share": 1 - len(x) / num,
        "longest gap": max(map(len, missing.split("."))) / rate_hz,
    }


def _reference_segments(row, rate_hz):
    finite = np.where(np.isfinite(row), row, NAN)
    tenth = int(np.ceil(len(row) / 10))
    edges = [len(row) * part // 8 for part in range(9)]
    parts = {
        f"from {start / rate_hz:.4g} to {end / rate_hz:.4g} s": finite[start:end]
        for start, end in pairwise(edges)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a segment without samples
        return {
            "mean of the first tenth": np.nanmean(finite[:tenth]),
            "mean of the last tenth": np.nanmean(finite[-tenth:]),
            **{f"mean {name}": np.nanmean(part) for name, part in parts.items()},
            **{f"standard deviation {name}": np.nanstd(part) for name, part in parts.items()},
        }


def _reference_bands(frequency, power):
    num_bins = len(frequency) - 1
    edges = sorted({0, *(num_bins // 2**octave for octave in range(7))})
    return {
        f"rms from {frequency[low]:.4g} to {frequency[high]:.4g} Hz": np.sqrt(
            power[low + 1 : high + 1].sum()
        )
        for low, high in pairwise(edges)
    }


@pytest.mark.parametrize("num", [16, 37, 256])
def test_every_summary_is_that_of_an_independent_formula(num):
    recordings = _recordings(np.random.default_rng(num), num)
    summaries = _summaries(recordings)
    for row, recording in enumerate(recordings):
        expected = _reference(recording)
        assert {name: values[row] for name, values in summaries.items()} == pytest.approx(
            expected, rel=1e-5, abs=1e-6, nan_ok=True
        )


def test_a_constant_has_no_spread_and_no_shape():
    summaries = {name: values[0] for name, values in _summaries([[5.1] * 40]).items()}
    undefined = {name for name, value in summaries.items() if np.isnan(value)}
    assert undefined == {
        *("skewness", "kurtosis", "decay time", "autocorrelation", "spectral centroid")
    }
    assert summaries["standard deviation"] == 0
    assert summaries["slope"] == 0
    assert summaries["mean from 0.125 to 0.25 s"] == pytest.approx(5.1)
    assert summaries["rms from 10 to 20 Hz"] == pytest.approx(0, abs=1e-6)
    assert summaries["crest factor"] == pytest.approx(1)


def test_without_any_sample_only_the_gaps_are_defined():
    summaries = {name: values[0] for name, values in _summaries([[NAN] * 39 + [INF]]).items()}
    defined = {name: value for name, value in summaries.items() if not np.isnan(value)}
    assert defined == {"missing share": 1, "longest gap": 1}


def test_one_sample_has_a_level_and_neither_changes_nor_frequencies():
    recording = np.full(40, NAN)
    recording[7] = 3.0
    summaries = {name: values[0] for name, values in _summaries([recording]).items()}
    defined = {name: value for name, value in summaries.items() if not np.isnan(value)}
    levels = ("mean", "median", "minimum", "maximum", "lower quartile", "upper quartile")
    assert defined == {
        **dict.fromkeys(levels, 3.0),
        "5th percentile": 3.0,
        "95th percentile": 3.0,
        "mean from 0.125 to 0.25 s": 3.0,
        "standard deviation": 0,
        "standard deviation from 0.125 to 0.25 s": 0,
        "time of minimum": pytest.approx(0.175),
        "time of maximum": pytest.approx(0.175),
        # 39 of 40 samples are missing, the last 32 in a row, of 25 ms each.
        "missing share": pytest.approx(0.975),
        "longest gap": pytest.approx(0.8),
        "crest factor": 1,
    }


def test_a_decay_has_its_time_constant_and_a_wave_its_frequency_and_rms():
    time_s = np.arange(1000) / 1000
    decay = 2 + 7 * np.exp(-time_s / 0.1)
    wave = 3 * np.sin(2 * np.pi * 50 * time_s)
    summaries = _summaries([decay, wave], rate_hz=1000)
    # A sum at the sampling times exceeds the integral by half a sample, 0.5 % of 0.1 s.
    assert summaries["decay time"][0] == pytest.approx(0.1005, abs=2e-4)
    # Of a sine of amplitude 3: 3 / sqrt(2). A line through 50 periods takes almost nothing of it.
    assert summaries["rms from 31 to 62 Hz"][1] == pytest.approx(2.1213, rel=1e-3)
    assert summaries["spectral centroid"][1] == pytest.approx(50, rel=0.02)


def test_the_largest_numbers_of_float32_give_no_infinity():
    largest = float(np.finfo(np.float32).max)
    table = np.stack(list(_summaries([[-largest, largest] * 20]).values()))
    assert not np.isinf(table).any()


def test_float32_samples_give_the_summaries_of_the_same_float64_samples():
    samples = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    present = tf.constant(np.isfinite(samples))
    single = summarise(tf.constant(samples), present, RATE_HZ)
    double = summarise(tf.constant(samples.astype(float)), present, RATE_HZ)
    assert single.dtype == tf.float32
    assert (single.numpy() == double.numpy()).all()


@pytest.mark.parametrize("num", [2, 3, 7, 8, 20, 1_000])
def test_names_are_unique_and_as_many_as_the_summaries(num):
    names = summary_names(_signal(num))
    assert len(set(names)) == len(names)
    samples = np.zeros((2, num))
    raw = summarise(tf.constant(samples), tf.constant(samples == 0), RATE_HZ)
    shape = tf.ones([1, num], tf.float64)
    unlike = unlikeness(
        tf.constant(samples), tf.constant(samples == 0), UsualShape(shape, shape), RATE_HZ
    )
    assert raw.shape[1] + unlike.shape[1] == len(names)


def test_units_follow_the_unit_of_the_signal():
    units = summary_units(_signal(20))
    assert [units[name] for name in ("median", "slope", "largest fall")] == ["V", "V/s", "V"]
    assert units["decay time"] == "s"
    assert units["spectral centroid"] == "Hz"
    assert units["kurtosis"] == ""
    assert units["rms from 10 to 20 Hz"] == "V"
    assert summary_units(Signal(num_samples=20))["slope"] == "1/s"


def _unlike(recordings, mean, scale):
    """The summaries of equally long recordings that compare them with a usual shape, by name."""
    samples = np.asarray(recordings, dtype=float)
    usual = UsualShape(tf.constant([mean]), tf.constant([scale]))
    present = tf.constant(np.isfinite(samples))
    table = unlikeness(tf.constant(samples), present, usual, RATE_HZ).numpy()
    names = summary_names(_signal(samples.shape[1]))[-table.shape[1] :]
    return dict(zip(names, table.T, strict=True))


def _reference_unlike(row, mean, scale):
    """The same for one recording, by a solver of least squares."""
    num = len(row)
    position = np.flatnonzero(np.isfinite(row))
    slope = np.gradient(mean)
    shapes = np.stack([np.ones(num), mean, slope, slope * np.linspace(0, 1, num)], axis=1)

    def fit(count):
        return np.linalg.lstsq(shapes[position, :count], row[position], rcond=None)[0]

    rest = np.where(np.isfinite(row), row - shapes @ fit(4), NAN)
    filled = np.nan_to_num(rest)
    z = np.abs(filled / scale)
    large = "".join("z" if value > 3 else "." for value in z)
    neighbours = position[1:][np.diff(position) == 1]
    steps = rest[neighbours] - rest[neighbours - 1]
    parts = {
        "rms": np.sqrt((rest[position] ** 2).mean()),
        "maximum": max(filled),
        "minimum": min(filled),
        "largest mean of 4 samples": max(
            abs(filled[start : start + 4].mean()) for start in range(num - 3)
        ),
        "time of the largest": np.abs(filled).argmax() / RATE_HZ,
        "largest z": z.max(),
        "mean squared z": (z[position] ** 2).mean(),
        "longest time with z over 3": max(map(len, large.split("."))) / RATE_HZ,
        "rms change": np.sqrt((steps**2).mean()),
        "largest rise": steps.max(),
        "largest fall": steps.min(),
        **dict(list(_reference_segments(rest, RATE_HZ).items())[2:]),
    }
    return {
        "gain of the usual shape": fit(2)[1],
        "delay of the usual shape": -fit(3)[2] / RATE_HZ,
        "stretch of the usual shape": -fit(4)[3] / (num - 1),
        **{f"unusual part, {name}": value for name, value in parts.items()},
    }


@pytest.mark.parametrize("num", [37, 256])
def test_unlikeness_is_that_of_a_fit_by_least_squares(num):
    rng = np.random.default_rng(num)
    # Of an exponential the derivative is a multiple of itself: the fit would not be unique.
    mean = 10 * np.exp(-((np.linspace(0, 4, num) - 1.5) ** 2)) + np.linspace(0, 3, num)
    scale = rng.uniform(0.2, 0.4, num)
    recordings = mean + _recordings(rng, num)
    summaries = _unlike(recordings, mean, scale)
    for row, recording in enumerate(recordings):
        expected = _reference_unlike(recording, mean, scale)
        assert {name: values[row] for name, values in summaries.items()} == pytest.approx(
            expected, rel=1e-4, abs=1e-6, nan_ok=True
        )


def test_a_usual_shape_that_is_higher_later_and_slower_is_hardly_unusual():
    time_s = np.arange(400) / RATE_HZ

    def bump(delay_s, stretch):
        return np.exp(-(((time_s - delay_s) / (1 + stretch) - 4) ** 2))

    scale = np.full(400, 0.1)
    summaries = _unlike([5 + 2 * bump(0, 0), bump(0.01, 0), bump(0, 1e-3)], bump(0, 0), scale)
    assert summaries["gain of the usual shape"][0] == pytest.approx(2)
    assert summaries["delay of the usual shape"][1] == pytest.approx(0.01, rel=0.01)
    assert summaries["stretch of the usual shape"][2] == pytest.approx(1e-3, rel=0.03)
    assert (summaries["unusual part, rms"] < 1e-3).all()


def test_without_samples_or_without_a_shape_unlikeness_is_defined_where_it_can_be():
    recordings = [[NAN] * 10, [NAN] * 9 + [2.0], [5.0] * 10]
    # A usual shape that is constant is explained by the offset.
    summaries = _unlike(recordings, np.full(10, 3.0), np.zeros(10))
    assert all(np.isnan(values[0]) for values in summaries.values())
    for row in (1, 2):
        assert summaries["gain of the usual shape"][row] == 0
        assert summaries["unusual part, rms"][row] == pytest.approx(0, abs=1e-7)
        assert summaries["unusual part, largest z"][row] == 0
