"""Betting tests: the capital by its formula, validity at every look, independence of chunks."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measuring.sequential.betting import BettingTests


def capital_by_hand(values, mean, guess):
    """The capital of one test, value by value as the paper writes it."""
    capital, past = 1.0, []
    averages = [guess]
    for value in values:
        average = averages[-1]
        squares = sum((x - averages[i + 1]) ** 2 for i, x in enumerate(past))
        variance = (0.25 + squares) / (len(past) + 1)
        edge = average - mean
        bet = min(max(edge / (variance + edge**2), 0.0), 0.5 / mean)
        capital *= 1 + bet * (value - mean)
        past.append(value)
        averages.append((guess + sum(past)) / (len(past) + 1))
    return capital


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=60),
    st.sampled_from([0.05, 0.495, 0.5, 0.95]),
)
def test_the_capital_is_that_of_agrapa_bets(values, mean):
    test = BettingTests([mean], [0.5])
    test.update(np.array([values]))
    assert math.exp(test.log_capitals[0]) == pytest.approx(
        capital_by_hand(values, mean, 0.5), rel=1e-9
    )


def test_two_values_worked_out():
    # First bet: guess 0.5, edge 0.25, variance 0.25: 0.25 / 0.3125 = 0.8, and the capital becomes
    # 1 + 0.8 * 0.75 = 1.6.
    # Then the average is (0.5 + 1) / 2 = 0.75, the variance (0.25 + 0.0625) / 2 = 0.15625 and the
    # edge 0.5: 0.5 / 0.40625 = 1.2308; a value of 0 leaves 1.6 (1 - 1.2308 / 4) = 1.1077.
    test = BettingTests([0.25], [0.5])
    test.update(np.array([[1.0, 0.0]]))
    assert math.exp(test.log_capitals[0]) == pytest.approx(1.1077, abs=1e-4)
    assert math.exp(test.log_peaks[0]) == pytest.approx(1.6)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 100))
def test_chunks_and_json_change_no_bit(sizes, seed):
    values = np.random.default_rng(seed).choice([0.0, 0.5, 0.75, 1.0], (2, sum(sizes)))
    whole, parts = (BettingTests([0.5, 0.495], [0.5, 0.5]) for _ in range(2))
    whole.update(values)
    for part in np.split(values, np.cumsum(sizes)[:-1], axis=1):
        state = json.loads(json.dumps(parts.to_state()))
        parts = BettingTests([0.5, 0.495], [0.5, 0.5]).with_state(state)
        parts.update(part)
    assert parts.to_state() == whole.to_state()


@pytest.mark.simulation
@pytest.mark.parametrize("mean", [0.05, 0.495])
def test_at_the_hypothesis_a_test_that_looks_always_errs_at_most_at_alpha(mean):
    # 400 tests of 2,000 values each, at each of which one might stop; alpha is 1 / 20.
    values = (np.random.default_rng(1).random((400, 2_000)) < mean).astype(float)
    tests = BettingTests([mean] * 400, [mean] * 400)
    tests.update(values)
    errors = int((tests.log_peaks >= math.log(20)).sum())
    # At 5 %, more than 34 of 400 have a probability of 0.1 %; that it errs shows that it tests.
    assert 2 <= errors <= 34


def test_the_growth_is_that_of_the_values_to_come():
    rng = np.random.default_rng(2)
    values = rng.choice([0.0, 0.5, 1.0], (2, 1, 20_000), p=[0.01, 0.98, 0.01])
    test = BettingTests([0.4975], [0.5])
    test.update(values[0])
    # Edge 0.0025, variance 0.005: bet 0.5, growth about 0.5 * 0.0025 / 2 = 0.000625.
    growth, before = test.growth()[0], test.log_capitals[0]
    assert growth == pytest.approx(0.000625, rel=0.5)
    mean = values[1].mean() - 0.4975
    test.update(values[1])
    # The growth of the next 20,000, corrected for their own mean.
    rise = (test.log_capitals[0] - before) / 20_000
    assert rise == pytest.approx(growth + 0.5 * (mean - 0.0025), rel=0.35)


def test_no_growth_is_expected_where_the_mean_is_below_the_hypothesis():
    test = BettingTests([0.5], [0.5])
    test.update(np.full((1, 100), 0.4))
    assert test.growth().tolist() == [0.0]
