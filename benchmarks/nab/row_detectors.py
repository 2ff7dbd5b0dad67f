"""Plain detectors of single rows, with limits that use no label."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import stats
from sklearn.ensemble import IsolationForest

from benchmarks.nab.alarms import Alarms, after_probation, first_of_runs
from benchmarks.nab.recordings import Recording


def z_score_alarms(
    recording: Recording, *, false_alarms_per_year: float, quiet_rows: int
) -> Alarms:
    """Returns alarms of the z-score against the rows before: as many as the probation has.

    The limit is the quantile of the normal distribution at which independent rows would keep the
    budget.

    Args:
        recording: The recording.
        false_alarms_per_year: The budget.
        quiet_rows: Rows below the limit after which an alarm ends.
    """
    length = recording.num_probation_rows
    before = sliding_window_view(recording.values, length)[:-1]
    spread = before.std(axis=1)
    distance = np.abs(recording.values[length:] - before.mean(axis=1))
    tail = false_alarms_per_year / recording.rows_per_year / 2
    exceeds = distance > stats.norm.isf(tail) * spread
    return after_probation(recording, first_of_runs(exceeds, quiet=quiet_rows))


def forest_alarms(recording: Recording, *, quiet_rows: int) -> Alarms:
    """Returns alarms of an isolation forest that is fitted to the probation.

    A row exceeds the limit if it is as anomalous as the most anomalous row of the probation, which
    has too few rows to estimate the quantile of a budget.

    Args:
        recording: The recording.
        quiet_rows: Rows below the limit after which an alarm ends.

    References:
        Liu, Ting & Zhou (2008), Isolation forest, ICDM.
    """
    rows = np.nan_to_num(np.column_stack(list(recording.features.values())))
    probation, scored = np.split(rows, [recording.num_probation_rows])
    forest = IsolationForest(random_state=0).fit(probation)
    limit = forest.score_samples(probation).min()
    exceeds = forest.score_samples(scored) <= limit
    return after_probation(recording, first_of_runs(exceeds, quiet=quiet_rows))
