"""NAB's own score of detections, and the published scores of other detectors."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.nab.recordings import Recording

# The standard profile of NAB's config/profiles.json: a detected window counts 1, a missed one -1.
_FALSE_ALARM_WEIGHT = 0.11
# So many window widths after a window, a detection is as wrong as one without a window before it.
_FAR = 3.0
_PUBLISHED = Path(__file__).with_name("published.csv")


def position_score(position: float) -> float:
    """Returns the score of a detection by its position, between 1 (early) and -1 (far off).

    Args:
        position: In window widths from the end of a window: -1 is its first row, a positive one is
            after it.

    References:
        Lavin & Ahmad (2015), Evaluating real-time anomaly detection algorithms: the Numenta Anomaly
        Benchmark, ICMLA (arXiv 1510.03336), equation 1: 2 / (1 + exp(5 y)) - 1.
    """
    if position >= _FAR:
        return -1.0
    return 2 / (1 + math.exp(5 * position)) - 1


def nab_score(recording: Recording, detections: Iterable[int]) -> float:
    """Returns NAB's score of a recording in the standard profile.

    The earliest detection in a window counts, relative to one in its first row. Each detection
    outside of the windows counts against the detector, less so shortly after a window.

    Args:
        recording: The recording.
        detections: Rows with a detection; those of the probation do not count.

    References:
        NAB 1.0, `nab/sweeper.py`. The unit tests compare the result with published scores.
    """
    scored = sorted(row for row in detections if row >= recording.num_probation_rows)
    first_in = {recording.window_of(row): row for row in reversed(scored)}
    score = 0.0
    for window in recording.windows:
        start, end = window
        if window in first_in:
            position = -(end - first_in[window]) / (end - start)
            score += position_score(position) / position_score(-1.0)
        else:
            score -= 1.0
    for row in scored:
        if recording.window_of(row) is None:
            score += _FALSE_ALARM_WEIGHT * position_score(_widths_past_window(recording, row))
    return score


def _widths_past_window(recording: Recording, row: int) -> float:
    past = [(start, end) for start, end in recording.windows if end <= row]
    if not past:
        return _FAR
    start, end = past[-1]
    return (row - end + 1) / (end - start - 1)


def normalised(score: float, num_windows: int) -> float:
    """Returns a score in percent: 0 without any detection, 100 if all are in a window's first row.

    Args:
        score: Sum of the scores of recordings.
        num_windows: Windows of these recordings, > 0.
    """
    return 100 * (score + num_windows) / (2 * num_windows)


def published_scores() -> Mapping[str, Mapping[str, float]]:
    """Returns detector to recording to published score in the standard profile.

    References:
        NAB's `results/DETECTOR/DETECTOR_standard_scores.csv`.
    """
    table = pd.read_csv(_PUBLISHED, index_col="recording")
    return {
        str(name): {str(recording): float(score) for recording, score in table[name].items()}
        for name in table.columns
    }
