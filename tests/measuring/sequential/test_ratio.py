"""Ratio test: its formula, changing weights, validity."""

import math

import numpy as np
import pytest

from measuring.sequential.ratio import RatioTest


def test_one_event_of_the_candidate_at_equal_weights_worked_out():
    # q / w is 2 r / (r + 1): 1.1111, 1.2, 1.3333, 1.6, 1.7778 and 1.9692; their mean is 1.4986.
    test = RatioTest()
    test.update(candidate=1, stable=0, weight=0.5)
    assert test.e_value == pytest.approx(1.4986, abs=1e-4)


def test_a_fair_event_has_the_mean_1_at_each_weight():
    for weight in (0.05, 0.5, 0.9):
        ours, theirs = RatioTest(), RatioTest()
        ours.update(candidate=1, stable=0, weight=weight)
        theirs.update(candidate=0, stable=1, weight=weight)
        assert weight * ours.e_value + (1 - weight) * theirs.e_value == pytest.approx(1.0)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_an_arm_without_requests_proves_nothing(weight):
    test = RatioTest()
    test.update(candidate=5, stable=5, weight=weight)
    assert test.e_value == 1.0


def test_the_evidence_stays_finite():
    test = RatioTest()
    test.update(candidate=100_000, stable=0, weight=0.5)
    assert 1e300 < test.e_value < math.inf
    test = RatioTest()
    test.update(candidate=0, stable=100_000, weight=0.5)
    assert test.e_value == 0.0
    # Of the six ratios, 1.25 lost least: 1 / 1.125 per event.
    assert test.log_e_value == pytest.approx(-100_000 * math.log(1.125) - math.log(6))


@pytest.mark.simulation
def test_equal_rates_under_changing_weights_are_rejected_at_most_at_alpha():
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(300):
        test, most = RatioTest(), 0.0
        for weight in np.repeat([0.05, 0.25, 0.5], 10):
            requests = rng.binomial(200, weight)
            errors = rng.binomial([requests, 200 - requests], rng.choice([0.0, 0.1]))
            test.update(candidate=errors[0], stable=errors[1], weight=requests / 200)
            most = max(most, test.e_value)
        rejected += most >= 20
    # At 5 %, more than 28 of 300 have a probability of 0.1 %.
    assert 1 <= rejected <= 28


def test_twice_the_rate_is_found():
    test = RatioTest()
    test.update(candidate=80, stable=40, weight=0.5)
    # The ratio 2 alone: 2^80 / 1.5^120 = exp(55.452 - 48.656) = 894, a sixth of it is 149.
    assert test.e_value > 149
