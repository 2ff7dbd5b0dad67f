import numpy as np
import pyarrow as pa
import pytest

from datasets.options import SignalOptions
from datasets.signals import simulate_span
from measuring.detectors import (
    Usual,
    find_bias,
    find_gaps,
    find_noise,
    find_wrong_rate,
    noise_level,
    resting_level,
)


@pytest.fixture(scope="module")
def recordings():
    """Simulated discharges with the troubles that were planted in them."""
    options = SignalOptions(num_healthy=3_000, num_faulty=100, seed=3)
    table = pa.Table.from_batches(simulate_span(options, 0))
    signals = {name: np.stack(table[name].to_numpy()) for name in ("voltage", "current")}
    rate = table["sampling_rate_hz"].to_numpy().astype(float)
    return signals, rate, np.array(table["trouble"].to_pylist())


def noisy(signal):
    level = noise_level(signal)
    return find_noise(level, Usual.of(level, level))


def biased(signal):
    rest = resting_level(signal)
    return find_bias(rest, Usual.of(rest, rest))


@pytest.mark.parametrize(
    ("find", "trouble"), [(find_gaps, "gap"), (noisy, "noise"), (biased, "bias")]
)
def test_planted_troubles_are_found_and_others_left_alone(recordings, find, trouble):
    signals, _, troubles = recordings

    found = find(signals["voltage"]) | find(signals["current"])

    planted = troubles == trouble
    assert planted.sum() >= 20
    assert found[planted].mean() >= 0.95
    assert found[~planted].mean() <= 0.01


def test_a_wrong_rate_is_found_by_what_the_recording_tells(recordings):
    _, rate, troubles = recordings

    assert np.array_equal(find_wrong_rate(rate, 500.0), troubles == "wrong_sampling")


def test_the_noise_level_is_the_standard_deviation_of_white_noise_on_a_smooth_course():
    rng = np.random.default_rng(0)
    course = 900 * np.exp(-np.arange(5_000) / 1_000)

    level = noise_level(course + rng.normal(0, [[2.0], [0.5]], (2, 5_000)))

    assert level == pytest.approx([2.0, 0.5], rel=0.05)


def test_padding_is_no_gap_and_a_missing_sample_before_it_is():
    nan = np.nan
    signal = np.array([[1, 2, nan, nan], [1, nan, 3, nan], [nan, 2, 3, 4], [nan] * 4])

    assert find_gaps(signal).tolist() == [True, True, True, True]
    assert find_gaps(signal, is_padded=True).tolist() == [False, True, True, True]


def test_recordings_without_any_sample_are_gaps_and_nothing_else():
    nothing = np.full((2, 10), np.nan)

    assert find_gaps(nothing).all()
    assert not noisy(nothing).any()
    assert not biased(nothing).any()
    assert not find_wrong_rate(np.array([np.nan]), 500.0).any()
