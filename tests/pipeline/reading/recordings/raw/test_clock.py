import numpy as np
import pytest

from pipeline.reading.recordings.raw.clock import (
    BACKWARD,
    CONTRADICTED,
    FILLED,
    INTERPOLATED,
    MIDNIGHT,
    REPEATED,
    RESAMPLED,
    Samples,
    UnusableError,
    at_rate,
    on_clock,
)

_NAN = float("nan")


def samples_at(times_s, values=None, *, labels=None):
    values = range(len(times_s)) if values is None else values
    return Samples(
        channels={"x": np.array(list(values), np.float32)},
        times_s=np.array(times_s, np.float64),
        labels=None if labels is None else np.array(labels, bool),
    )


def test_equal_periods_stay_as_they_are_and_give_the_rate():
    samples = samples_at([0, 0.25, 0.5])
    regular = on_clock(samples, is_stream=False)
    assert regular.rate_hz == 4
    assert regular.channels is samples.channels
    assert not regular.counts


def test_rounded_times_give_the_exact_rate():
    # 12 kHz with microseconds: periods are 83 or 84 us, 0.8 % from their mean.
    regular = on_clock(samples_at(np.round(np.arange(13) / 12_000, 6)), is_stream=False)
    assert regular.rate_hz == 12_000
    assert not regular.counts


def test_a_period_of_minutes_gives_its_exact_inverse():
    start = 1_700_000_000.0
    regular = on_clock(samples_at([start, start + 300, start + 600]), is_stream=False)
    assert 1 / regular.rate_hz == 300


def test_rows_that_repeat_another_are_left_out():
    regular = on_clock(samples_at([0, 1, 1, 2], [5, 6, 6, 7]), is_stream=False)
    assert regular.channels["x"].tolist() == [5, 6, 7]
    assert regular.counts == {REPEATED: 1}


def test_rows_that_contradict_each_other_are_a_missing_sample_of_a_stream_only():
    times, values = [*range(100), 99], [*range(100), 7]
    with pytest.raises(UnusableError, match="different values or labels for 1 time"):
        on_clock(samples_at(times, values), is_stream=False)
    regular = on_clock(samples_at(times, values), is_stream=True)
    assert np.isnan(regular.channels["x"]).tolist() == [False] * 99 + [True]
    assert regular.counts == {CONTRADICTED: 1}


def test_rows_of_one_time_with_different_labels_are_a_missing_sample_that_is_positive():
    times, labels = [*range(100), 99], [False] * 100 + [True]
    regular = on_clock(samples_at(times, [*times], labels=labels), is_stream=True)
    assert np.isnan(regular.channels["x"]).tolist() == [False] * 99 + [True]
    assert regular.labels.tolist() == [False] * 99 + [True]
    assert regular.counts == {CONTRADICTED: 1}


def test_rows_of_a_stream_that_go_back_are_left_out_if_they_are_few():
    times = [*range(200), 150, 200]
    regular = on_clock(samples_at(times), is_stream=True)
    assert regular.times_s.tolist() == [*range(201)]
    # The value of the row after the one that is left out.
    assert regular.channels["x"][-1] == 201
    assert regular.counts == {BACKWARD: 1}
    with pytest.raises(UnusableError, match="go backwards at 1 place, first by 49 s at sample 201"):
        on_clock(samples_at(times), is_stream=False)
    with pytest.raises(UnusableError, match="go backwards"):
        on_clock(samples_at([0, 1, 2, 1.5, 3]), is_stream=True)


def test_irregular_times_are_interpolated_to_their_median_period():
    # At 2.1 s the line from (1, 10) to (2.1, 21) has 20 at 2 s.
    regular = on_clock(samples_at([0, 1, 2.1, 3, 4], [0, 10, 21, 30, 40]), is_stream=False)
    np.testing.assert_allclose(regular.channels["x"], [0, 10, 20, 30, 40])
    assert regular.times_s.tolist() == [0, 1, 2, 3, 4]
    assert (regular.rate_hz, regular.counts) == (1, {INTERPOLATED: 1})


def test_three_missing_samples_are_interpolated_and_four_are_missing():
    short = on_clock(samples_at([0, 1, 2, 6, 7], [0, 1, 2, 6, 7]), is_stream=False)
    assert short.channels["x"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    long = on_clock(samples_at([0, 1, 2, 7, 8], [0, 1, 2, 7, 8]), is_stream=False)
    np.testing.assert_array_equal(long.channels["x"], [0, 1, 2, _NAN, _NAN, _NAN, _NAN, 7, 8])
    assert long.counts == {FILLED: 4}


def test_a_gap_is_in_an_event_if_both_of_its_ends_are():
    times = [0, 1, 2, 7, 8]
    inside = on_clock(samples_at(times, labels=[0, 0, 1, 1, 0]), is_stream=True)
    assert inside.labels.astype(int).tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0]
    before = on_clock(samples_at(times, labels=[0, 0, 1, 0, 0]), is_stream=True)
    assert before.labels.astype(int).tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_a_rate_within_one_per_cent_of_the_nominal_one_is_kept():
    samples = on_clock(samples_at(np.arange(10) / 995), is_stream=False)
    assert at_rate(samples, 1_000) is samples
    assert at_rate(samples, None) is samples


def test_half_the_rate_has_half_of_the_samples_and_their_labels():
    flags = np.arange(100) >= 50
    samples = on_clock(samples_at(np.arange(100) / 10, np.ones(100), labels=flags), is_stream=True)
    halved = at_rate(samples, 5)
    # A constant stays one: its padding is a line.
    np.testing.assert_allclose(halved.channels["x"], np.ones(50), atol=1e-3)
    np.testing.assert_allclose(halved.times_s, np.arange(50) / 5)
    assert halved.labels.tolist() == [place >= 25 for place in range(50)]
    assert (halved.rate_hz, halved.counts) == (5, {RESAMPLED: 1})


def test_an_event_between_two_samples_of_the_lower_rate_is_not_lost():
    flags = np.zeros(100, bool)
    flags[53:55] = True  # between the new samples 5 and 6, which are the old ones 50 and 60
    samples = on_clock(samples_at(np.arange(100) / 100, labels=flags), is_stream=True)
    assert np.flatnonzero(at_rate(samples, 10).labels).tolist() == [5]


def test_an_event_between_two_equal_periods_is_not_lost():
    times_s = [0, 1, 2, 2.4, 3, 4, 5]
    labels = [0, 0, 0, 1, 0, 0, 0]
    regular = on_clock(samples_at(times_s, labels=labels), is_stream=True)
    assert np.flatnonzero(regular.labels).tolist() == [2]


def test_missing_samples_are_missing_at_another_rate():
    values = np.ones(100)
    values[40:60] = _NAN
    halved = at_rate(on_clock(samples_at(np.arange(100) / 10, values), is_stream=False), 5)
    np.testing.assert_array_equal(np.isnan(halved.channels["x"]), np.isnan(values[::2]))


def test_a_rate_that_is_too_far_away_is_refused():
    samples = on_clock(samples_at(np.arange(10) / 50_000), is_stream=False)
    with pytest.raises(UnusableError, match=r"50000 Hz, which is too far from the nominal 1 Hz"):
        at_rate(samples, 1)


def test_a_rate_whose_ratio_to_the_nominal_one_has_no_small_terms_is_resampled():
    # 100 / 96.796 is nearest to 1033/1000, whose numerator is beyond the bound; 965/934 is not.
    samples = Samples(channels={"x": np.ones(968, np.float32)}, rate_hz=96.796)
    resampled = at_rate(samples, 100.0)
    assert resampled.rate_hz == 100.0
    assert len(resampled.channels["x"]) == pytest.approx(1_000, abs=1)


def test_times_of_day_go_on_after_midnight():
    samples = on_clock(samples_at([86_398, 86_399, 0, 1]), is_stream=False)
    assert samples.times_s.tolist() == [86_398, 86_399, 86_400, 86_401]
    assert samples.counts == {MIDNIGHT: 1}


def test_a_step_back_that_is_not_midnight_is_refused():
    # A day later it would be a gap of 86,389 s.
    with pytest.raises(UnusableError, match="go backwards"):
        on_clock(samples_at([10, 11, 0, 1]), is_stream=False)
