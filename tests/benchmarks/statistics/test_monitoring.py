"""Monitoring keeps what it promises: short forms of the tables."""

import numpy as np
import pytest

from benchmarks.statistics import monitoring

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("name", ["independent rows", "AR(1), 0.9", "recordings of 10 rows"])
def test_quiet_years_keep_the_budget_of_false_alarms(name):
    rng = np.random.default_rng(0)
    alarms = [monitoring.quiet_year(rng, monitoring.PLANTS[name])[0] for _ in range(2)]
    # At 2 a year, more than 10 in two years have a probability of 0.3 %.
    assert sum(alarms) <= 10


def test_a_daily_test_by_bonferroni_alarms_more_often():
    detector, daily = monitoring.quiet_year(
        np.random.default_rng(1), monitoring.PLANTS["independent rows"]
    )
    assert daily > max(detector, monitoring.BUDGET)


@pytest.mark.parametrize(("shift", "longest"), [(0.3, 6), (0.5, 3)])
def test_a_shift_of_one_feature_is_seen_within_days(shift, longest):
    rng = np.random.default_rng(2)
    delays = [monitoring.delay(rng, monitoring.PLANTS["independent rows"], shift) for _ in range(5)]
    assert np.median(delays) <= longest


def test_a_changed_prevalence_is_covered_only_when_it_is_estimated():
    plain, corrected = (
        monitoring.grade_estimates(0.09, 2_000, 30, corrected=corrected)
        for corrected in (False, True)
    )
    # At 95 %, less than 25 of 30 have a probability of 0.3 %.
    assert corrected.coverage("recall")[0] >= 25 / 30
    assert corrected.coverage("precision")[0] >= 25 / 30
    assert plain.is_failing("recall")
    assert plain.is_failing("precision")
