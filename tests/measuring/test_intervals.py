"""Closed-form intervals, beside what other libraries and hand calculation give."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from measuring.intervals import (
    effective_trials,
    holm_rejected,
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
    # Each group found whole or missed whole: 10 groups of 4 are worth about 10, not 40. The
    # jackknife's variance is 10 * (2 / 0.9)^2 / 40^2 = 0.03086, so 0.25 / 0.03086 = 8.1 trials; the
    # factor for 9 degrees of freedom, (1.9600 / 2.2622)^2 = 0.7507, makes them 6.08.
    found = np.repeat([4.0, 0.0], 5)
    assert effective_trials(found, np.full(10, 4.0), 0.95) == pytest.approx(6.08, abs=0.01)


def test_groups_that_all_succeed_count_once_each():
    assert effective_trials(np.full(6, 9.0), np.full(6, 9.0), 0.95) == 6


def test_groups_of_one_are_worth_nearly_as_many():
    found = np.repeat([1.0, 0.0], 50)
    # 0.25 / (100 * (0.5 / 0.99)^2 / 100^2) = 98.01, times (1.9600 / t99)^2 = (1.9600 / 1.9842)^2.
    assert effective_trials(found, np.ones(100), 0.95) == pytest.approx(95.63, abs=0.01)


def test_unequal_groups_that_all_succeed_count_as_their_effective_number():
    # 12^2 / (9^2 + 3) = 1.71, not 4.
    sizes = np.array([9.0, 1.0, 1.0, 1.0])
    assert effective_trials(sizes, sizes, 0.95) == pytest.approx(144 / 84)


def _pareto_groups(random):
    """40 groups of unequal sizes, each with a precision of its own around 0.9."""
    sizes = np.minimum(np.ceil(5 * (1 + random.pareto(1.1, 40))), 2_000)
    return random.binomial(sizes.astype(int), random.beta(8.1, 0.9, 40)), sizes, 0.9


def _fault_prone_groups(random):
    """40 groups of 20 recordings, a few of which hold most faults; a recall of 0.8 around each."""
    faults = random.binomial(20, random.beta(0.3, 2.7, 40))
    return random.binomial(faults, random.beta(3.2, 0.8, 40)), faults, 0.8


def _groups_with_blind_ones(random):
    """100 groups of unequal sizes; in one of five no fault is found."""
    sizes = np.minimum(np.ceil(5 * (1 + random.pareto(1.1, 100))), 2_000)
    faults = random.binomial(sizes.astype(int), 0.1)
    return np.where(random.random(100) > 0.2, faults, 0), faults, 0.8


@pytest.mark.simulation
@pytest.mark.parametrize("draw", [_pareto_groups, _fault_prone_groups, _groups_with_blind_ones])
def test_unequal_groups_clear_a_bar_at_the_truth_as_rarely_as_stated(draw):
    random, num_sets, num_cleared = np.random.default_rng(1), 2_000, 0
    for _ in range(num_sets):
        successes, trials, truth = draw(random)
        share = successes.sum() / trials.sum()
        worth = effective_trials(successes.astype(float), trials.astype(float), 0.95)
        num_cleared += proportion_interval(share * worth, worth, 0.95)[0] >= truth
    # 2.5 % is the claim; two standard errors of 2,000 sets are 0.7 %. Without the sizes: 8 to 12 %.
    assert num_cleared / num_sets <= 0.035


def test_holm_rejects_step_by_step_and_stops_at_the_first_that_stays():
    # Levels 0.025 / 4 = 0.00625, / 3 = 0.0083, / 2 = 0.0125, 0.025: the third stays, so the fourth.
    assert holm_rejected([0.02, 0.005, 0.008, 0.014], 0.025, num_tests=4) == [
        False,
        True,
        True,
        False,
    ]


def test_mcnemar_counts_only_what_changed():
    # P(at least 5 heads of 6) = 7 / 64.
    assert mcnemar_p_value(5, 1) == pytest.approx(7 / 64)
    assert mcnemar_p_value(0, 0) == 1
