"""Blocks of dependent rows: lengths, long-run variances with a known truth, design effects."""

import numpy as np
import pytest
from scipy import signal

from measuring.monitoring.dependence import (
    are_dependent,
    choose_block_length,
    design_effect,
    mean_in_order,
    mean_of_recordings,
)


def autoregressive(rng, size, correlation):
    """AR(1) of variance 1; its long-run variance is (1 + r) / (1 - r)."""
    noise = rng.normal(size=size + 500) * np.sqrt(1 - correlation**2)
    return signal.lfilter([1], [1, -correlation], noise)[500:, None]


def test_independent_rows_need_no_blocks():
    lengths = [
        choose_block_length(np.random.default_rng(seed).normal(size=(2_000, 1)))
        for seed in range(40)
    ]
    assert np.median(lengths) == 1
    assert max(lengths) <= 10


def test_the_block_length_is_that_of_the_formula():
    # AR(1), r = 0.8: G / g = 2 r / (1 - r^2) = 4.444, so that with 20,000 rows the length is
    # (1.5 * 20,000 * 4.444^2)^(1/3) = 84.
    values = autoregressive(np.random.default_rng(1), 20_000, 0.8)
    assert choose_block_length(values) == pytest.approx(84, rel=0.25)


def test_a_constant_and_a_few_rows_need_no_blocks():
    assert choose_block_length(np.ones((100, 2))) == 1
    assert choose_block_length(np.arange(5.0)[:, None]) == 1


def test_independent_rows_have_the_usual_variance():
    values = np.array([[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]])
    mean = mean_in_order(values, 1)
    assert mean.mean.tolist() == [3, 1]
    assert mean.variance == pytest.approx(values.var(axis=0, ddof=1))
    assert mean.num_blocks == 3


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_the_variance_in_order_is_the_long_run_variance(correlation):
    rng, truth = np.random.default_rng(2), (1 + correlation) / (1 - correlation)
    estimates = []
    for _ in range(60):
        values = autoregressive(rng, 6_000, correlation)
        estimates.append(mean_in_order(values, choose_block_length(values)).variance[0])
    assert np.mean(estimates) == pytest.approx(truth, rel=0.1)


def test_recordings_worked_out():
    # Mean 3; residual sums of the recordings: (-2 - 1) = -3 and 3. (9 + 9) / 3 * 2 = 12.
    mean = mean_of_recordings(np.array([[1.0], [2.0], [6.0]]), np.array(["x", "x", "y"]))
    assert mean.variance.tolist() == [12]
    # 3^2 / (4 + 1) equal recordings.
    assert mean.num_blocks == pytest.approx(1.8)


def test_the_design_effect_of_repeated_rows_is_their_number():
    rng = np.random.default_rng(3)
    flags = np.repeat(rng.random(4_000) < 0.3, 5).astype(float)[:, None]
    share = mean_of_recordings(flags, np.repeat(np.arange(4_000), 5))
    assert design_effect(share) == pytest.approx(5, rel=0.05)


def test_shares_of_none_and_all_have_no_design_effect():
    flags = np.column_stack([np.zeros(10), np.ones(10)])
    assert design_effect(mean_in_order(flags, 2)) == 1


def test_rows_that_depend_on_each_other_have_at_least_the_length_of_an_ar_1():
    # r = 0.9: (1.5 * 300 * (2 r / (1 - r^2))^2)^(1/3) = (450 * 9.47^2)^(1/3) = 34.3. A first
    # correlation of 0.8 in a sample of 300 still gives 21.
    rng = np.random.default_rng(4)
    lengths = [choose_block_length(autoregressive(rng, 300, 0.9)) for _ in range(100)]
    assert min(lengths) >= 20
    assert np.median(lengths) == pytest.approx(32, abs=4)


def test_chance_makes_no_rows_dependent_however_many_columns_there_are():
    rng = np.random.default_rng(5)
    looks = [are_dependent(rng.normal(size=(300, 1)), num_columns=200) for _ in range(200)]
    # One of a thousand chunks of 200 columns errs, so that 2 of one have a probability of 5e-7.
    assert sum(looks) <= 1
    assert are_dependent(autoregressive(rng, 300, 0.6), num_columns=200)
    assert not are_dependent(np.ones((300, 2)), num_columns=2)
    assert not are_dependent(np.arange(8.0)[:, None], num_columns=1)
