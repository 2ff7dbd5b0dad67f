import numpy as np
import pytest

from models.probabilities.thresholds import choose_threshold
from models.threshold_rule import ThresholdRule

# Descending: fault, healthy, fault, healthy, fault, healthy, healthy, healthy.
SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
LABELS = np.array([1.0, 0, 1, 0, 1, 0, 0, 0])


def chosen(kind, value=0.0, scores=SCORES):
    return choose_threshold(ThresholdRule(kind=kind, value=value), scores, LABELS)


def test_a_threshold_by_prices_is_taken_as_it_is():
    assert chosen("given", 0.07) == 0.07


def test_without_prices_the_best_f1_is_searched():
    # All three faults of five alarms: F1 = 2 * 3 / (5 + 3) = 0.75, more than 2 / 3 of three alarms.
    assert chosen("best_f1") == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("rate", "threshold"),
    # Of five healthy ones none, one or two may raise an alarm.
    [(0.1, 0.85), (0.2, 0.65), (0.39, 0.65), (0.4, 0.45)],
)
def test_the_highest_recall_with_so_few_false_alarms(rate, threshold):
    assert chosen("recall_at_false_alarm_rate", rate) == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("recall", "threshold"),
    # One fault: 1 of 1. Two: 2 of 3. All three: 3 of 5.
    [(0.3, 0.85), (0.5, 0.65), (0.9, 0.45), (1.0, 0.45)],
)
def test_the_highest_precision_with_so_much_recall(recall, threshold):
    assert chosen("precision_at_recall", recall) == pytest.approx(threshold)


def test_of_scores_that_all_tie_none_may_raise_an_alarm_where_few_may():
    threshold = chosen("recall_at_false_alarm_rate", 0.1, np.ones(8))
    assert threshold > 1
