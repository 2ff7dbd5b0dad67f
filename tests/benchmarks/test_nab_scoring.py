"""NAB's score: known positions, and scores that NAB published."""

import numpy as np
import pytest

from benchmarks.nab.recordings import Recording, windows_of
from benchmarks.nab.scoring import nab_score, normalised, position_score, published_scores


def _recording(num_rows, *windows):
    return Recording(
        name="a/b",
        times=np.datetime64("2026-03-01") + np.arange(num_rows) * np.timedelta64(5, "m"),
        values=np.zeros(num_rows),
        windows=windows,
    )


def test_position_counts_from_the_end_of_the_window():
    # 2 / (1 + exp(-5)) - 1 = 0.98661, 2 / (1 + exp(-2.5)) - 1 = 0.84828, and 0 at the end.
    assert position_score(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert position_score(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert position_score(0.0) == 0.0
    assert position_score(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert position_score(3.0) == -1.0


# Etsy Skyline in ec2_cpu_utilization_77c1ca, Windowed Gaussian in 825cc2 and speed_6005, and
# Numenta HTM in TravelTime_451: no false alarm in any of them.
@pytest.mark.parametrize(
    ("num_rows", "window", "row", "published"),
    [
        (4032, (1765, 2168), 6, 0.9989590400616454),
        (4032, (1526, 1869), 100, 0.956537840284),
        (2500, (2261, 2500), 128, 0.832538201468),
        (2162, (438, 655), 162, 0.568159134461),
    ],
)
def test_detection_in_a_window_scores_as_published(num_rows, window, row, published):
    recording = _recording(num_rows, window)
    # A later detection in the same window changes nothing.
    score = nab_score(recording, [window[0] + row, window[1] - 1])
    assert score == pytest.approx(published, abs=1e-11)


def test_false_alarms_before_any_window_score_as_published():
    # Windowed Gaussian in ec2_cpu_utilization_c6585a: no window and 12 false alarms, -1.32.
    assert nab_score(_recording(4032), range(1000, 1012)) == pytest.approx(-1.32)
    # In rogue_agent_key_hold it has 4 and misses both windows, -2.44.
    recording = _recording(1882, (669, 764), (1240, 1335))
    assert nab_score(recording, [300, 310, 320, 330]) == pytest.approx(-2.44)


def test_false_alarm_soon_after_a_window_costs_less():
    recording = _recording(1000, (500, 601))
    # 10 rows after the window's last row, of 100 steps: 0.11 * (2 / (1 + exp(0.5)) - 1) = -0.02694.
    assert nab_score(recording, [500, 610]) == pytest.approx(1 - 0.02694, abs=1e-5)
    # 300 steps after it: the full 0.11.
    assert nab_score(recording, [500, 900]) == pytest.approx(1 - 0.11)


def test_detections_in_the_probation_do_not_count():
    recording = _recording(1000, (500, 600))
    # 15 % of 1,000 rows.
    assert nab_score(recording, [149]) == -1.0
    assert nab_score(recording, [150]) == pytest.approx(-1.11)


def test_scoreboard_has_0_without_detections_and_100_for_perfect_ones():
    assert normalised(-63.0, 63) == 0.0
    assert normalised(63.0, 63) == 100.0
    # The sum of Relative Entropy's scores over NAB's 116 windows; 54.6 on the scoreboard.
    assert normalised(10.7711775285, 116) == pytest.approx(54.6, abs=0.05)


def test_published_scores_are_of_the_same_31_recordings():
    scores = published_scores()
    assert list(scores) == ["Windowed Gaussian", "Relative Entropy", "Numenta HTM"]
    assert {len(one) for one in scores.values()} == {31}
    assert scores["Relative Entropy"]["realTraffic/speed_7578"] == 3.34891620107


def test_windows_are_the_runs_of_ones():
    assert windows_of(np.array([1, 1, 0, 0, 1, 0, 1])) == ((0, 2), (4, 5), (6, 7))
