"""Costs and differences, counted by hand."""

import numpy as np
import pytest

from measuring.answers import make_answers
from pipeline.components.evaluation.eval_config import BASELINE, CANDIDATE
from pipeline.components.evaluation.measurement import MeasureOptions, example_costs, measure
from pipeline.config import Cost

COST = Cost(missed_fault=100, false_alarm=9, inspection=1)
LABELS = np.repeat([0, 1], [80, 20])


def answers(**decisions):
    """Models of the same probabilities but for a little noise."""
    random = np.random.default_rng(1)
    return make_answers(
        LABELS, {name: (random.random(100), np.array(given)) for name, given in decisions.items()}
    )


def test_what_each_answer_costs():
    some = make_answers(np.array([1, 1, 0, 0]), {"": (np.zeros(4), np.array([1, 0, 1, 0]))})
    # Found: an inspection. Missed: the fault. False alarm: that and its inspection. Else nothing.
    assert example_costs(some, COST)[:, 0].tolist() == [1, 100, 10, 0]


def test_by_elkans_threshold_an_alarm_costs_as_much_as_none():
    p = COST.threshold
    assert p * 1 + (1 - p) * 10 == pytest.approx(p * 100)
    assert p == pytest.approx(10 / 109)


def test_the_cost_a_thousand_and_its_interval():
    found = LABELS.copy()
    found[80:84] = 0  # four missed
    found[:8] = 1  # eight false alarms
    estimate = measure(answers(**{"": found}), MeasureOptions(cost=COST)).models[""]["decision"]
    # 4 * 100 + 8 * 10 + 16 * 1 = 496 in a hundred.
    cost = estimate["expected_cost"]
    assert cost.value == pytest.approx(4_960)
    assert cost.interval[0] < 4_960 < cost.interval[1]


def test_no_fault_missed_is_not_taken_for_no_fault_ever_missed():
    perfect = measure(answers(**{"": LABELS}), MeasureOptions(cost=COST)).models[""]["decision"]
    cost = perfect["expected_cost"]
    assert cost.value == pytest.approx(200)  # twenty inspections
    # Of 20 faults up to 16.8 % may be missed unseen: 0.2 * 0.168 * 99 * 1,000 = 3,335 more.
    assert cost.interval[1] > 3_500


def test_what_changed_is_counted_and_priced():
    before, now = LABELS.copy(), LABELS.copy()
    before[80:83] = 0  # three that are found now
    now[99] = 0  # one that was found
    now[:5] = 1
    before[4:6] = 1
    both = measure(answers(**{CANDIDATE: now, BASELINE: before}), MeasureOptions(cost=COST))
    decided = both.models[CANDIDATE]["decision"]
    names = ("faults_lost", "faults_gained", "false_alarms_added", "false_alarms_removed")
    assert [decided[name].value for name in names] == [1, 3, 4, 1]
    change = both.differences["decision"]["expected_cost"]
    # 99 more for the one, 3 * 99 less, 10 each for three more false alarms: -168 in a hundred.
    assert change.value == pytest.approx(-1_680)
    assert change.interval[0] < -1_680 < change.interval[1]


def test_one_model_twice_differs_in_nothing():
    same = (np.linspace(0, 1, 100), LABELS)
    twice = make_answers(LABELS, {CANDIDATE: same, BASELINE: same})
    changes = measure(twice, MeasureOptions(cost=COST)).differences
    for name in ("pr_auc", "roc_auc", "brier"):
        assert changes["probability"][name].interval == (0, 0)
    assert changes["decision"]["expected_cost"].interval == (0, 0)


def test_options_travel_as_json():
    options = MeasureOptions(confidence=0.9, cost=COST, group="magnet")
    assert MeasureOptions.from_json(options.to_json()) == options
