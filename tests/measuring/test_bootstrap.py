"""Resampling, beside repeating the examples by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from measuring.answers import in_order, make_answers
from measuring.bootstrap import (
    UNMET,
    _poisson_table,
    _Ranking,
    change_interval,
    draw_weights,
    percentile_interval,
    perfect_limits,
    resample,
)


def answers(num_examples=60, groups=None):
    random = np.random.default_rng(5)
    labels = (np.arange(num_examples) % 6 == 0).astype(int)
    # Rounded, so that positive and negative examples tie.
    scores = np.round(random.random(num_examples) / 2 + labels / 3, 1)
    return in_order(make_answers(labels, {"m": (scores, scores > 0.5)}, groups))


# Few distinct scores, so that ties are common: label, score in eighths, weight.
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=60
)


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS)
def test_the_fast_areas_are_those_of_scikit_learn(rows):
    both = [*rows, (0, 3, 1), (1, 5, 1)]
    labels, scores, weights = (np.array(column) for column in zip(*both, strict=True))
    ranking = _Ranking.of(labels.astype(np.int8), scores / 8)
    areas = ranking.areas(weights[None].astype(np.uint8), np.zeros((2, 1)))
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert areas["pr_auc"] == pytest.approx([expected])
    assert areas["roc_auc"] == pytest.approx([roc_auc_score(labels, scores, sample_weight=weights)])


def test_means_are_of_the_drawn_examples():
    some = answers()
    costs = np.arange(60.0)[:, None]
    weights = next(draw_weights(some)).astype(float)
    expected = weights @ costs[:, 0] / weights.sum(axis=1)
    found = resample(some, costs)["m"]
    np.testing.assert_allclose(found["expected_cost"][: len(expected)], expected)
    squares = (some.probabilities[:, 0] - some.labels) ** 2
    np.testing.assert_allclose(
        found["brier"][: len(expected)], weights @ squares / weights.sum(axis=1)
    )


def test_a_group_is_drawn_whole():
    some = answers(groups=np.arange(60, dtype=np.uint64) // 5)
    weights = next(draw_weights(some))
    for group in np.unique(some.groups):
        members = weights[:, some.groups == group]
        assert (members == members[:, :1]).all()


def test_draws_are_poisson_with_mean_one():
    counts = np.bincount(_poisson_table()) / 65_536
    expected = [math.exp(-1) / math.factorial(k) for k in range(len(counts))]
    np.testing.assert_allclose(counts, expected, atol=2e-5)


def test_few_units_widen_the_interval_by_a_t_quantile():
    values = np.arange(1_001) / 1_000
    # n = 5: sqrt(5 / 4) * 2.7764 = 3.1041 standard deviations, a tail of 0.000954.
    assert percentile_interval(values, 5, 0.95) == pytest.approx((0.000954, 0.999046), abs=2e-6)
    wide, narrow = (percentile_interval(values, n, 0.95) for n in (5, 5_000))
    assert narrow == pytest.approx((0.025, 0.975), abs=1e-3)
    assert wide[0] < narrow[0]


def test_without_a_positive_example_nothing_is_known():
    assert all(math.isnan(limit) for limit in percentile_interval(np.ones(9), 0, 0.95))


@settings(deadline=None)
@given(ROWS)
def test_unmet_examples_are_a_healthy_one_above_all_and_a_faulty_one_in_the_middle(rows):
    both = [*rows, (0, 3, 1), (1, 5, 1)]
    labels, scores, weights = (np.array(column) for column in zip(*both, strict=True))
    ranking = _Ranking.of(labels.astype(np.int8), scores / 8)
    areas = ranking.areas(weights[None].astype(np.uint8), np.array([[2.0], [3.0]]))
    above = average_precision_score([*labels, 0], [*scores, 9], sample_weight=[*weights, 2])
    assert areas["pr_auc_unmet"] == pytest.approx([above])
    faults = weights[labels == 1].sum()
    exact = roc_auc_score(labels, scores, sample_weight=weights)
    assert areas["roc_auc_unmet"] == pytest.approx([(faults * exact + 3 * 0.5) / (faults + 3)])


@pytest.mark.parametrize("num_faults", [5, 30, 200])
def test_the_limits_of_a_perfect_ranking_are_those_that_its_resamples_give(num_faults):
    labels = np.repeat([0, 1], [5 * num_faults, num_faults])
    scores = labels + np.linspace(0, 0.1, labels.size)  # no ties
    perfect = in_order(make_answers(labels, {"m": (scores, labels)}))
    resampled = resample(perfect)["m"]
    for name, limit in perfect_limits(num_faults, 0.95).items():
        drawn, _ = percentile_interval(resampled[UNMET[name]], num_faults, 0.95)
        assert drawn == pytest.approx(limit, abs=0.03)


def _pr_auc_limit(labels, scores):
    resampled = resample(in_order(make_answers(labels, {"m": (scores, scores > 2)})))["m"]
    return percentile_interval(resampled[UNMET["pr_auc"]], int(labels.sum()), 0.95)[0]


@pytest.mark.simulation
@pytest.mark.parametrize("shift", [3, 6])
def test_healthy_examples_above_all_faults_that_most_splits_do_not_hold_bless_no_model(shift):
    # 0.03 % of healthy examples score above all faults: 43 % of splits of 2,798 hold none.
    def draw(num_faults):
        labels = np.repeat([0, 1], [28 * num_faults, num_faults])
        scores = random.normal(size=labels.size) + shift * labels
        return labels, scores + 20 * ((random.random(labels.size) < 3e-4) & (labels == 0))

    random, num_sets = np.random.default_rng(2), 100
    labels, scores = draw(50_000)
    truth = average_precision_score(labels, scores)
    cleared = sum(_pr_auc_limit(*draw(100)) >= truth for _ in range(num_sets))
    # Without the unmet example 7 of 100, and 36 where the classes are well apart.
    assert cleared <= 3


def test_the_interval_of_a_change_reaches_as_far_as_the_t_quantile_of_its_error():
    # Two points, 0 and 1: a standard deviation of 0.5; n = 101: 1.984 * sqrt(101 / 100) * 0.5 = 1.
    values = np.repeat([0.0, 1.0], 5_000)
    assert change_interval(values, 0.5, 101, 0.95) == pytest.approx((-0.497, 1.497), abs=1e-3)
