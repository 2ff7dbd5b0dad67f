"""Closed-form intervals, beside what other libraries and hand calculation give."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from measuring.intervals import (
    effective_trials,
    mcnemar_p_value,
    proportion_interval,
    roc_auc_interval,
    score_interval,
    sum_interval,
    widest,
)


@pytest.mark.parametrize(("found", "trials"), [(0, 11), (10, 11), (11, 11), (31, 33), (0, 1)])
def test_a_share_has_the_exact_interval_of_scipy(found, trials):
    exact = binomtest(found, trials).proportion_ci(0.9, "exact")
    assert proportion_interval(found, trials, 0.9) == pytest.approx((exact.low, exact.high))


def test_a_share_of_nothing_is_unknown():
    assert all(math.isnan(limit) for limit in proportion_interval(0, 0, 0.95))


def test_wilsons_interval_is_that_of_scipy():
    wilson = binomtest(9, 12).proportion_ci(0.95, "wilson")
    assert score_interval(9 / 12, 12, 0.95) == pytest.approx((wilson.low, wilson.high))


def test_a_perfect_ranking_of_few_faults_is_no_certainty():
    few, many = (roc_auc_interval(1.0, n, 30 * n, 0.95) for n in (5, 500))
    assert few[0] < 0.85
    assert many[0] > 0.99
    assert few[1] == many[1] == 1
    assert roc_auc_interval(0.0, 5, 150, 0.95) == pytest.approx((0, 1 - few[0]))


def test_the_limit_of_a_roc_area_is_where_its_own_error_reaches_the_area():
    lower, _ = roc_auc_interval(0.8, 10, 20, 0.95)
    # Newcombe's variance at the limit itself, with the mean 15 of both numbers.
    spread = (1 - lower) / (2 - lower) + lower / (1 + lower)
    variance = lower * (1 - lower) * (1 + 14 * spread) / 200
    assert 0.8 - lower == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)


def test_a_sum_takes_the_far_side_of_a_part_with_a_negative_weight():
    # 2 a - b at a = 0.5 in [0.4, 0.7], b = 0.3 in [0.1, 0.4]:
    # down sqrt(0.2^2 + 0.1^2), up sqrt(0.4^2 + 0.2^2).
    limits = sum_interval(0.7, [(2, 0.5, (0.4, 0.7)), (-1, 0.3, (0.1, 0.4))])
    assert limits == pytest.approx((0.7 - math.sqrt(0.05), 0.7 + math.sqrt(0.2)))


def test_the_widest_of_known_intervals():
    assert widest((0.2, 0.5), (math.nan, math.nan), (0.3, 0.6)) == (0.2, 0.6)


def test_groups_that_are_all_alike_count_once_each():
    # Each group found whole or missed whole: 10 groups of 4 are worth about 10, not 40; Korn and
    # Graubard's factor for few groups, (t39 / t9)^2 = (2.0227 / 2.2622)^2, and (n - 1) / n of the
    # variance make it 40 / 4 * 0.9 * 0.7995 = 7.2.
    found = np.repeat([4.0, 0.0], 5)
    assert effective_trials(found, np.full(10, 4.0), 0.95) == pytest.approx(7.195, abs=0.01)


def test_groups_that_all_succeed_count_once_each():
    assert effective_trials(np.full(6, 9.0), np.full(6, 9.0), 0.95) == 6


def test_groups_of_one_are_worth_nearly_as_many():
    found = np.repeat([1.0, 0.0], 50)
    assert effective_trials(found, np.ones(100), 0.95) == pytest.approx(99)


def test_mcnemar_counts_only_what_changed():
    # P(at least 5 heads of 6) = 7 / 64.
    assert mcnemar_p_value(5, 1) == pytest.approx(7 / 64)
    assert mcnemar_p_value(0, 0) == 1
