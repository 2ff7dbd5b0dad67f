import numpy as np
import pytest

from pipeline.reading.recordings.history import history_columns, history_names
from pipeline.reading.recordings.windows import Cutting, cut_windows


def columns(samples, *, size=4, num_windows=2, num_stretches=None):
    cutting = Cutting(size=size, hop=size, num_stretches=num_stretches)
    windows = cut_windows(len(samples), cutting, ())
    found = history_columns({"x": np.array(samples, np.float32)}, windows, windows, num_windows)
    return [found[name].to_pylist() for name in history_names("x")]


def test_a_window_is_compared_with_the_samples_before_it():
    # Past 1, 3, 1, 3: mean 2, standard deviation 1. Window 5, 5, 5, 8: the farthest sample is 6
    # away, the mean is 5.75, and its standard deviation sqrt(27 / 16).
    distance, shift, spread = columns([1, 3, 1, 3, 5, 5, 5, 8])
    assert (distance[0], shift[0], spread[0]) == (None, None, None)
    assert distance[1] == pytest.approx(np.log(7), rel=1e-6)
    assert shift[1] == pytest.approx(np.arcsinh(3.75), rel=1e-6)
    assert spread[1] == pytest.approx(np.log(np.sqrt(27 / 16)), rel=1e-4)


def test_the_past_has_at_most_this_many_windows():
    # The past of the last window is 1, 3, 1, 3 alone: the nines are three windows back.
    distance, _, _ = columns([9, 9, 9, 9, 1, 3, 1, 3, 2, 2, 2, 4], num_windows=1)
    assert distance[2] == pytest.approx(np.log(3), rel=1e-6)


def test_the_past_ends_where_the_stretch_begins():
    samples = np.arange(48.0)
    distance, _, _ = columns(samples, num_stretches=3)
    windows = cut_windows(48, Cutting(size=4, hop=4, num_stretches=3), ())
    firsts = np.flatnonzero(np.diff(windows.stretches, prepend=-1))
    assert [place for place, value in enumerate(distance) if value is None] == firsts.tolist()


def test_missing_samples_are_neither_past_nor_window():
    nan = np.nan
    distance, shift, _ = columns([1, nan, 3, nan, nan, 6, 6, nan], num_windows=1)
    assert distance[1] == pytest.approx(np.log(5), rel=1e-6)  # |6 - 2| / 1
    assert shift[1] == pytest.approx(np.arcsinh(4), rel=1e-6)
    assert columns([1, nan, nan, nan, 5, 6, 7, 8])[0] == [None, None]


def test_a_constant_past_gives_a_finite_number():
    distance, shift, spread = columns([5, 5, 5, 5, 5, 5, 5, 6])
    assert np.isfinite([distance[1], shift[1], spread[1]]).all()
    assert distance[1] > 10
    # Nothing but zeros has neither a scale nor a distance.
    assert columns([0] * 8)[0][1] == 0.0


def test_a_large_level_loses_no_digits():
    # Relative to the level of 1e6, the standard deviation of 1 is at the floor's edge.
    low, high = columns([1, 3, 1, 3, 5, 5, 5, 8]), columns(np.array([1, 3, 1, 3, 5, 5, 5, 8]) + 1e5)
    np.testing.assert_allclose(high[0][1], low[0][1], rtol=1e-6)
