import numpy as np
import pytest
from scipy import stats

from measuring.clusters import grouped_score_p_value, rare_trials


def test_groups_that_always_agree_within_are_as_many_units():
    # Residuals of 1/2 with weights of 1/2: each of six groups of two adds 1/2, 3 together, without
    # any deviation. The examples of a group always agree: 6 * (2 / 4)^2 = 1.5 is the variance.
    groups = np.repeat(np.arange(6), 2)
    labels = (groups < 3).astype(np.int64)
    p_value = grouped_score_p_value(labels, np.full(12, 0.5), groups < 3, groups)
    assert p_value == pytest.approx(2 * stats.t.sf(3 / np.sqrt(1.5), 5))


def test_the_variance_is_that_of_the_sums_of_whole_groups():
    # Members: 4, 4 and 0 of 4; others: 0, 0 and 4 of 4. Scores of 1, 1, -1, 1, 1, -1; 2 together.
    # Without the common effect of 1/3: four of 2/3 and two of -4/3, each times 6 / 5.
    groups = np.repeat(np.arange(6), 4)
    labels = np.isin(groups, [0, 1, 5]).astype(np.int64)
    p_value = grouped_score_p_value(labels, np.full(24, 0.5), groups < 3, groups)
    spread = np.sqrt((4 * (2 / 3) ** 2 + 2 * (4 / 3) ** 2) * (6 / 5) ** 2)
    assert p_value == pytest.approx(2 * stats.t.sf(2 / spread, 5))


def test_groups_of_one_example_are_nearly_those_of_a_score_test():
    rng = np.random.default_rng(0)
    members = np.arange(2_000) < 500
    labels = (rng.random(2_000) < np.where(members, 0.13, 0.1)).astype(np.int64)
    p_value = grouped_score_p_value(labels, np.full(2_000, 0.1), members, np.arange(2_000))
    shares = labels[members].mean(), labels[~members].mean()
    error = np.sqrt(sum(p * (1 - p) / n for p, n in zip(shares, (500, 1_500), strict=True)))
    assert p_value == pytest.approx(2 * stats.norm.sf((shares[0] - shares[1]) / error), rel=0.1)


def test_what_is_special_about_one_group_shows_nothing():
    groups = np.repeat(np.arange(10), 40)
    labels = (groups == 0).astype(np.int64)
    assert grouped_score_p_value(labels, np.full(400, 0.1), groups == 0, groups) == 1


def test_the_logit_explains_what_follows_it():
    # The members have twice the probability, and twice the faults.
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(200), 20)
    members = groups < 60
    probability = np.where(members, 0.2, 0.1) * rng.uniform(0.8, 1.2, 4_000)
    labels = (rng.random(4_000) < probability).astype(np.int64)
    assert grouped_score_p_value(labels, probability, members, groups) > 0.05


def test_the_worst_group_counts_twice_and_few_groups_with_errors_count_less():
    # 10 of 1,000 in 5 groups of 20: with the worst, of 2 errors, 12 of 1,020.
    errors, trials = np.zeros(50), np.full(50, 20.0)
    errors[:5] = 2
    worth, worth_of_errors = rare_trials(errors, trials, 0.9)
    assert worth_of_errors / worth == pytest.approx(12 / 1_020)
    # Jackknife: 6 (1.765 * 51/50)^2 + 45 (0.235 * 51/50)^2 = 22.03 over 1,020^2; p (1 - p) = 0.0116
    # makes 549 trials. Few groups: (1.2816 / 1.2987)^2 with 50 degrees of freedom; few groups with
    # errors: (1.2816 / 1.4759)^2 with 5.
    assert worth == pytest.approx(549.0 * 0.9738 * 0.7540, rel=1e-3)
