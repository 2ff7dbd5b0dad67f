"""Times that are rounded, such as those of 64 Hz in whole milliseconds."""

import numpy as np
import pytest

from pipeline.reading.recordings.evidence.regularity import is_regular
from pipeline.reading.recordings.raw.clock import FILLED, Samples, on_clock


def samples_at(times_s):
    values = np.arange(len(times_s), dtype=np.float32)
    return Samples(channels={"x": values}, times_s=np.asarray(times_s, float))


@pytest.mark.parametrize("first_s", [0.0, 1.7e9])
@pytest.mark.parametrize("rate_hz", [60, 64, 128, 256])
def test_rounded_times_leave_samples_and_rate_as_they_were(rate_hz, first_s):
    # Steps of 15 and 16 ms at 64 Hz: their median, 16 ms, would be 62.5 Hz.
    recording = samples_at(first_s + np.round(np.arange(1_000) / rate_hz, 3))
    regular = on_clock(recording, is_stream=True)
    np.testing.assert_array_equal(regular.channels["x"], recording.channels["x"])
    assert regular.rate_hz == pytest.approx(rate_hz, rel=1e-9)
    assert not regular.counts


def test_rounded_times_with_a_gap_have_their_rate_too():
    times = np.delete(np.round(np.arange(1_000) / 64, 3), range(100, 140))
    regular = on_clock(samples_at(times), is_stream=True)
    assert regular.rate_hz == pytest.approx(64)
    assert len(regular.channels["x"]) == 1_000
    assert regular.counts[FILLED] == pytest.approx(40, abs=1)


def test_steps_are_regular_if_only_rounding_makes_them_unequal():
    assert is_regular(np.round(np.arange(1_000) / 64, 3))
    # Half of the steps are 1 s and half are 2 s, at random: blocks of 16 last 19 to 29 s.
    steps = np.random.default_rng(0).integers(1, 3, size=1_000)
    assert not is_regular(np.cumsum(steps).astype(float))
