"""Confidence sequences and broken promises: formulas, chunks, errors and power."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measuring.monitoring.labelled import (
    BrokenPromise,
    MeanSequence,
    Promise,
    RiseTest,
    misses_of_faults,
)


def interval_by_hand(values, alpha):
    """Theorem 2, value by value, with a guess of 1/2 and a variance of 1/4 before the first."""
    log, bets, widths, weighted = math.log(2 / alpha), 0.0, 0.0, 0.0
    average, squares, total = 0.5, 0.0, 0.0
    for t, x in enumerate(values, start=1):
        variance = (0.25 + squares) / t
        bet = min(math.sqrt(2 * log / (variance * t * math.log(t + 1))), 0.5)
        widths += 4 * (x - average) ** 2 * (-math.log(1 - bet) - bet) / 4
        bets, weighted, total = bets + bet, weighted + bet * x, total + x
        average = (0.5 + total) / (t + 1)
        squares += (x - average) ** 2
    middle, reach = weighted / bets, (log + widths) / bets
    return max(0.0, middle - reach), min(1.0, middle + reach)


def test_the_interval_is_that_of_the_formula():
    values = np.random.default_rng(0).beta(2, 8, 500)
    sequence = MeanSequence(0.1)
    assert sequence.interval == (0, 1)
    sequence.update(values)
    assert sequence.interval == pytest.approx(interval_by_hand(values, 0.1))
    assert sequence.interval[1] - sequence.interval[0] < 0.15


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_chunks_and_json_change_no_bit(sizes):
    values = np.random.default_rng(1).random(sum(sizes))
    whole, parts = (BrokenPromise(Promise(limit=0.3)) for _ in range(2))
    whole.update(values)
    for part in np.split(values, np.cumsum(sizes)[:-1]):
        state = json.loads(json.dumps(parts.to_state()))
        parts = BrokenPromise(Promise(limit=0.3)).with_state(state)
        parts.update(part)
    # The test of a rise begins anew at each chunk.
    for name in ("test", "mean"):
        assert parts.to_state()[name] == whole.to_state()[name]
    assert parts.interval == whole.interval


def test_a_loss_above_the_promise_is_found_and_one_within_the_tolerance_is_not():
    losses = (np.random.default_rng(2).random(4_000) < 0.06).astype(float)
    broken = BrokenPromise(Promise(limit=0.03))
    assert broken.update(losses)
    assert broken.e_value > 40
    assert broken.interval[0] > 0.03
    kept = BrokenPromise(Promise(limit=0.03, tolerance=0.04))
    assert not kept.update(losses)
    assert kept.interval == broken.interval


def test_the_capital_of_a_rise_is_that_of_the_formula():
    test, first, second = RiseTest(0.2), np.array([1.0, 0.0, 0.0]), np.array([1.0])
    test.update(first)
    test.update(second)
    # Bets of 0.5 / 0.8, 1 / 0.8, 2 / 0.8, and three of at most 0.5 / 0.2, which are equal.
    bets = np.array([0.625, 1.25, 2.5, 2.5, 2.5, 2.5])
    early, late = ((1 + bets * (x - 0.2)[:, None]).prod(axis=0) for x in (first, second))
    # 1 / 2 since the first chunk, 1 / 6 since the second, 1 / 3 kept.
    capital = (early * late).mean() / 2 + late.mean() / 6 + 1 / 3
    assert test.log_capital == pytest.approx(math.log(capital))
    again = RiseTest(0.2).with_state(json.loads(json.dumps(test.to_state())))
    assert again.to_state() == test.to_state()
    assert test.log_peak == max(0.0, test.log_capital)


def test_a_rise_after_many_good_chunks_is_found_within_two():
    rng = np.random.default_rng(5)
    promise = BrokenPromise(Promise(limit=0.012))
    for _ in range(100):
        assert not promise.update((rng.random(300) < 0.003).astype(float))
    # 5 % of the rows are missed faults, four times the limit.
    verdicts = [promise.update((rng.random(300) < 0.05).astype(float)) for _ in range(2)]
    assert verdicts[-1]


def test_a_state_of_an_earlier_release_has_no_test_of_a_rise():
    state = BrokenPromise(Promise(limit=0.1)).to_state()
    del state["rise"]
    assert not BrokenPromise(Promise(limit=0.1)).with_state(state).is_broken


def test_a_broken_promise_stays_broken():
    promise = BrokenPromise(Promise(limit=0.1))
    assert promise.update(np.ones(7))
    assert promise.update(np.zeros(5_000))
    assert promise.e_value < 40


def test_wrong_promises_and_losses_are_refused():
    with pytest.raises(ValueError, match="got 1"):
        BrokenPromise(Promise(limit=0.9, tolerance=0.1))
    with pytest.raises(ValueError, match="worst error"):
        BrokenPromise(Promise(limit=0.1)).update(np.array([2.0]))


def test_misses_are_those_of_faults_alone():
    labels, decisions = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    assert misses_of_faults(labels, decisions).tolist() == [0, 1]


@pytest.mark.simulation
def test_kept_promises_are_hardly_ever_called_broken_and_intervals_hold_at_all_times():
    rng, broken, outside = np.random.default_rng(3), 0, 0
    for _ in range(200):
        promise = BrokenPromise(Promise(limit=0.05), alpha=0.05)
        missed = False
        for _ in range(20):
            promise.update((rng.random(100) < 0.05).astype(float))
            missed |= not promise.interval[0] <= 0.05 <= promise.interval[1]
        broken += promise.is_broken
        outside += missed
    # At 5 %, more than 20 of 200 have a probability of 0.1 %; the interval is at 10 %.
    assert broken <= 20
    assert outside <= 34
