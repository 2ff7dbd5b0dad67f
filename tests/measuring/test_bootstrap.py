"""Resampling, beside repeating the examples by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from measuring.answers import in_order, make_answers
from measuring.bootstrap import (
    _poisson_table,
    _Ranking,
    change_interval,
    draw_weights,
    percentile_interval,
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
    areas = _Ranking.of(labels.astype(np.int8), scores / 8).areas(weights[None].astype(np.uint8))
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


def test_with_few_faults_a_change_may_be_as_bad_as_can_be_unless_the_models_answer_alike():
    varied = np.linspace(-0.1, 0.1, 401)
    lower, upper = change_interval(varied, 0.0, 10, 0.95, worst=-1.0)
    assert (lower, upper) == (-1, pytest.approx(0.1377, abs=1e-3))
    # Not even where no resample shows a difference, unless the models answer alike.
    assert change_interval(np.zeros(400), 0.0, 5, 0.95, worst=-1.0) == (-1, 0)
    assert change_interval(np.zeros(400), 0.0, 5, 0.95, worst=None) == (0, 0)


def test_the_interval_of_a_change_reaches_as_far_as_the_t_quantile_of_its_error():
    # Two points, 0 and 1: a standard deviation of 0.5; n = 101: 1.984 * sqrt(101 / 100) * 0.5 = 1.
    values = np.repeat([0.0, 1.0], 5_000)
    assert change_interval(values, 0.5, 101, 0.95, worst=-1.0) == pytest.approx(
        (-0.497, 1.497), abs=1e-3
    )
