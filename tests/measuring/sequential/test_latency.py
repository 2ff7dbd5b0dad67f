"""Latency tests: windows, bursts, and times that are not known."""

import json
import math

import numpy as np
import pytest

from measuring.sequential.latency import LatencyTests


def feed(tests, ratio, *, windows, size=50, seed=1):
    rng = np.random.default_rng(seed)
    for _ in range(windows):
        stable, candidate = np.exp(rng.normal(0, 0.3, (2, size)))
        tests.update(stable=stable, candidate=ratio * candidate)


def test_a_slower_candidate_is_found_and_an_equal_one_is_cleared():
    slow, equal = LatencyTests(1.2), LatencyTests(1.2)
    feed(slow, 2.0, windows=30)
    feed(equal, 1.0, windows=30)
    assert slow.e_value > 1_000
    assert slow.log_not_slower < 0
    assert equal.e_value < 1
    assert equal.log_not_slower > math.log(40)


def test_one_burst_counts_once():
    tests = LatencyTests(1.2)
    feed(tests, 1.0, windows=10)
    before = tests.e_value
    tests.update(stable=np.ones(1_000), candidate=np.full(1_000, 100.0))
    # One window for the candidate multiplies by at most 2 * 64 / 65 = 1.97.
    assert before < tests.e_value < 1.97 * before + 1


def test_small_updates_are_one_window_together():
    tests = LatencyTests(1.0)
    for _ in range(19):
        tests.update(stable=np.ones(1), candidate=np.full(1, 2.0))
    assert tests.e_value == 1.0
    tests.update(stable=np.ones(1), candidate=np.full(1, 2.0))
    # Typical: one window for the candidate, 1.4986; the tail has no limit yet: (1.4986 + 1) / 2.
    assert tests.e_value == pytest.approx(1.2493, abs=1e-4)


def test_the_tail_alone_is_found():
    tests, rng = LatencyTests(1.2), np.random.default_rng(4)
    for _ in range(60):
        stable, candidate = np.exp(rng.normal(0, 0.3, (2, 100)))
        stalled = rng.random(100) < 0.1
        tests.update(stable=stable, candidate=np.where(stalled, 10.0, 0.9 * candidate))
    assert tests.e_value > 240


def test_unknown_times_are_left_out():
    tests = LatencyTests(1.2)
    tests.update(stable=np.full(50, np.nan), candidate=np.ones(50))
    assert not tests.is_measured
    assert tests.e_value == 1.0


def test_state_goes_through_json_unchanged():
    tests = LatencyTests(1.2)
    feed(tests, 1.0, windows=3)
    tests.update(stable=np.ones(3), candidate=np.ones(3))
    copy = LatencyTests(1.2).with_state(json.loads(json.dumps(tests.to_state())))
    feed(tests, 2.0, windows=9, seed=5)
    feed(copy, 2.0, windows=9, seed=5)
    assert copy.to_state() == tests.to_state()
