import numpy as np
import pytest

from measuring.association import (
    agreement,
    likeness,
    means_by_code,
    order_p_value,
    roc_auc,
    separation,
)


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


def test_means_are_in_the_order_of_the_codes():
    codes = np.array([7.0, 7.0, 9.0, 8.0, np.nan])
    assert list(means_by_code(codes, np.array([0.0, 2.0, 2.0, 3.0, 9.0]))) == [1.0, 3.0, 2.0]


def test_an_order_is_seen_in_a_trend_and_in_similar_neighbours():
    rng = np.random.default_rng(0)
    assert order_p_value(np.arange(20.0)) < 1e-6
    # One whole wave has no trend: its neighbours are similar.
    assert order_p_value(np.cos(np.linspace(0, 2 * np.pi, 30))) < 1e-4
    assert order_p_value(np.ones(30)) == 1.0
    assert order_p_value(np.array([1.0, 2.0, 3.0])) == 1.0
    # In random order, p-values below 0.05 occur in about 5 % of the series: at most 38 of 500
    # with probability 0.996.
    p_values = [order_p_value(rng.normal(size=30)) for _ in range(500)]
    assert sum(p < 0.05 for p in p_values) <= 38


def test_extreme_values_do_not_hide_an_order():
    series = np.arange(30.0)
    series[29] = 1e9
    assert order_p_value(series) < 1e-6


def test_roc_auc_counts_ties_half():
    # Pairs (positive, negative): 2>1 yes, 2=2 half, 3>1 yes, 3>2 yes: 3.5 of 4.
    scores = np.array([1.0, 2.0, 2.0, 3.0])
    assert roc_auc(scores, np.array([False, False, True, True])) == pytest.approx(0.875)


def test_roc_auc_of_one_class_is_chance():
    assert roc_auc(np.array([1.0, 2.0]), np.array([True, True])) == 0.5


def test_separation_needs_confidence_and_values():
    positive = np.arange(1_020) >= 1_000
    scores = positive * 2.0
    assert separation(scores, positive) == 1.0
    assert separation(-scores, positive) == 0.0
    assert separation(scores[: 1_000 + 19], positive[: 1_000 + 19]) is None  # 19 faults: chance
    missing = np.where(np.arange(1_020) % 5, scores, np.nan)  # a fifth
    assert separation(missing, positive) is None


def test_infinite_scores_are_ranked():
    positive = np.arange(200) >= 100
    assert separation(np.where(positive, np.inf, 0.0), positive) == 1.0


def test_agreement_counts_pairs_of_a_group_against_chance():
    # Groups 0 and 1 of two rows: one pair agrees, one does not. By chance: (3/4)² + (1/4)² = 5/8.
    groups, values = np.array([0, 0, 1, 1, -1]), np.array([2, 2, 2, 3, 2])
    assert agreement(groups, values) == pytest.approx((1 / 2 - 5 / 8) / (1 - 5 / 8))
    assert agreement(np.array([0, 0, 1, 1]), np.array([2, 2, 3, 3])) == 1.0
    assert agreement(np.arange(4), np.array([2, 2, 3, 3])) == 0.0  # no pair
