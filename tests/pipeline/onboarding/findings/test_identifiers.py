import numpy as np
import pytest

from pipeline.onboarding.findings.identifiers import likeness


def test_likeness_is_one_for_equal_rows_in_a_group():
    assert likeness(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 5.0, 5.0])) == pytest.approx(1)


def test_likeness_of_a_worked_example():
    # Groups (1, 3) and (5, 7): between = 2 * (2 - 4)^2 * 2 / 1 = 16, within = 4 / 2 = 2,
    # two rows each: (16 - 2) / (16 + 2) = 7 / 9.
    groups, values = np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 5.0, 7.0])
    assert likeness(groups, values) == pytest.approx(7 / 9)


def test_likeness_ignores_rows_without_group_or_value():
    groups = np.array([0, 0, 1, 1, -1, 1])
    values = np.array([1.0, 3.0, 5.0, 7.0, 99.0, np.nan])
    assert likeness(groups, values) == pytest.approx(7 / 9)
