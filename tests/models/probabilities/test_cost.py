import numpy as np
import pytest

from models.probabilities.cost import Cost, decision_costs, expected_cost

COST = Cost(missed_fault=100, false_alarm=4, inspection=1)


def test_each_kind_of_decision_has_its_price():
    labels, decisions = np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0])
    # Missed, found (its inspection), false alarm (and its inspection), quiet.
    assert decision_costs(labels, decisions, COST).tolist() == [100, 1, 5, 0]


def test_the_threshold_of_the_prices_is_elkans():
    # (4 + 1) / (4 + 100).
    assert COST.threshold == pytest.approx(5 / 104)


def test_the_cost_is_that_of_decisions_at_a_threshold():
    probabilities, labels = np.array([0.05, 0.04, 0.9, 0.01]), np.array([1, 1, 0, 0])
    # Found 1, missed 100, false alarm 5, quiet 0: 106 for 4 examples.
    assert expected_cost(probabilities, labels, threshold=0.05, cost=COST) == 26_500


def test_prices_survive_as_json():
    assert Cost.from_json(COST.to_json()) == COST
