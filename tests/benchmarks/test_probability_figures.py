import numpy as np
import pytest

from benchmarks.probability_figures import FIGURES, THRESHOLD, intervals, measure


def _draw(num: int = 60_000, *, sure: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Labels and the true logits that they were drawn from, with a spread of `sure`."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-3, sure, num)
    return (rng.random(num) < 1 / (1 + np.exp(-logits))).astype(np.int64), logits


def test_decisions_and_their_price_by_hand():
    # Threshold 1/21: logit -2.996. Alarms at 5, 1 and -2: two faults found, one false alarm; the
    # fault at -4 is missed. (20 * 1 + 1 * 1) / 6 * 1,000 = 3,500.
    labels = np.array([1, 0, 1, 1, 0, 0])
    logits = np.array([5.0, 1.0, -2.0, -4.0, -5.0, -6.0])
    figures = measure(labels, logits)
    assert pytest.approx(1 / 21) == THRESHOLD
    assert figures["recall"] == pytest.approx(2 / 3)
    assert figures["precision"] == pytest.approx(2 / 3)
    assert figures["cost"] == pytest.approx(3_500)


def test_true_probabilities_have_slope_one_and_expect_what_happens():
    figures = measure(*_draw())
    # About 5,500 faults: standard errors of 0.01 to 0.02.
    assert figures["slope"] == pytest.approx(1, abs=0.05)
    assert figures["cox_slope"] == pytest.approx(1, abs=0.05)
    assert figures["expected_over_observed"] == pytest.approx(1, abs=0.05)


def test_a_shift_of_the_odds_is_seen_by_the_slope_without_intercept_alone():
    labels, logits = _draw(sure=1)
    right, shifted = measure(labels, logits), measure(labels, logits + np.log(10))
    assert abs(shifted["slope"] - 1) > 0.3
    assert shifted["cox_slope"] == pytest.approx(right["cox_slope"], abs=1e-6)
    assert shifted["expected_over_observed"] > 2


def test_answers_that_are_too_sure_have_a_slope_below_one():
    labels, logits = _draw()
    assert measure(labels, 2 * logits)["cox_slope"] == pytest.approx(0.5, abs=0.03)


def test_intervals_hold_the_mean_of_the_trainings_and_spread_with_them():
    labels, logits = _draw(5_000)
    noisy = logits + np.random.default_rng(1).normal(0, 2, logits.size)
    one = intervals(labels, [logits], replicates=60, seed=0)
    two = intervals(labels, [logits, noisy], replicates=60, seed=0)
    assert one.keys() == set(FIGURES)
    mean, low, high = one["pr_auc"]
    assert low < mean < high
    assert two["pr_auc"][2] - two["pr_auc"][1] > high - low
