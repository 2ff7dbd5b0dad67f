"""Alarms on NAB's recordings: which windows they detect, and how late."""

import numpy as np
import pytest

from benchmarks.nab.alarms import Alarms, first_of_runs
from benchmarks.nab.monitor import compare_chunks, drift_alarms
from benchmarks.nab.recordings import Recording
from benchmarks.nab.report import share_with_interval
from benchmarks.nab.row_detectors import forest_alarms, z_score_alarms


def _recording(values, *windows):
    return Recording(
        name="a/b",
        times=np.datetime64("2026-03-01") + np.arange(len(values)) * np.timedelta64(5, "m"),
        values=np.asarray(values, np.float64),
        windows=windows,
    )


def _noise(num_rows=2000):
    return np.random.default_rng(0).normal(size=num_rows)


def test_delay_is_that_of_the_first_alarm_in_each_window():
    recording = _recording(np.zeros(1000), (400, 500), (700, 800))
    alarms = Alarms(recording=recording, rows=(350, 424, 450))
    assert alarms.num_inside == 2
    assert alarms.detected == {(400, 500): 424}
    # 24 of 100 rows, and 24 times 5 minutes.
    assert alarms.delays == [(0.24, 2.0)]


def test_windows_that_random_alarms_would_detect():
    recording = _recording(np.zeros(1000), (400, 485), (700, 870))
    # 850 rows after the probation: windows of 10 % and 20 %. 1 - 0.9^2 + 1 - 0.8^2 = 0.55.
    alarms = Alarms(recording=recording, rows=(200, 300))
    assert alarms.expected_by_chance == pytest.approx(0.55)


def test_alarm_ends_after_enough_quiet_rows():
    exceeds = np.isin(np.arange(20), [0, 2, 5, 9, 14])
    # Between 5 and 9 there are 3 quiet rows, between 9 and 14 there are 4.
    assert first_of_runs(exceeds, quiet=3) == [0, 9, 14]
    assert first_of_runs(exceeds, quiet=4) == [0, 14]


def _width(text):
    low, high = text.split(" ", 1)[1].strip("[]").split(", ")
    return float(high) - float(low)


def test_interval_is_wider_if_windows_of_a_recording_share_their_fate():
    alike = share_with_interval([2, 0] * 10, [2] * 20)
    assert alike.startswith("0.50 [")
    # Both windows of a recording detected or missed: worth one window.
    assert _width(alike) > 1.3 * _width(share_with_interval([1] * 20, [2] * 20))
    assert share_with_interval([0, 0], [0, 0]) == "-"


@pytest.mark.simulation
def test_monitor_sees_a_lasting_shift_and_not_a_single_spike():
    values = _noise()
    values[700] += 8
    values[1500:] += 1.5
    recording = _recording(values)
    alarms = drift_alarms(recording, compare_chunks(recording, 100), 100)
    # The probation has 300 rows, so that a chunk begins at row 1,500.
    assert len(alarms.rows) == 1
    assert 1599 <= alarms.rows[0] <= 1799


def test_row_detectors_see_a_single_spike():
    values = _noise()
    values[700] += 8
    recording = _recording(values)
    assert z_score_alarms(recording, false_alarms_per_year=1, quiet_rows=10).rows == (700,)
    assert 700 in forest_alarms(recording, quiet_rows=10).rows
