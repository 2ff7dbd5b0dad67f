"""Drift keeps what the study says of it: few false alarms, and the named changes are seen."""

import pytest

from benchmarks.statistics import drift

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("name", drift.UNCHANGED)
@pytest.mark.parametrize("size", [200, 2_000, 20_000])
def test_spans_of_one_distribution_raise_hardly_any_alarm(name, size):
    # At 0.1 %, more than 3 of 300 have a probability of 0.03 %.
    assert drift.rate(drift.UNCHANGED[name], size, 300).sum() <= 3


@pytest.mark.parametrize(
    "name", ["8 values, one vanishes", "50 values, half vanish", "faults 3.5 to 20 %"]
)
def test_changes_that_matter_are_seen_at_2000_rows(name):
    assert drift.rate(drift.CHANGED[name], 2_000, 40).mean() >= 0.95


def test_a_fixed_threshold_of_the_largest_difference_saw_no_value_vanish():
    assert not drift.rate(drift.CHANGED["8 values, one vanishes, before"], 20_000, 20).any()
