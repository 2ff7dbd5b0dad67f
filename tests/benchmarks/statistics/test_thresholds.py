"""Thresholds keep what docs/gate.md says of them."""

import numpy as np
import pytest

from benchmarks.statistics.known_truth import Truth
from benchmarks.statistics.thresholds import (
    best_f1,
    empirical_rate_threshold,
    empirical_recall_threshold,
    f1_scores,
    labels_f1_threshold,
    promised,
    true_rates,
)
from models.probabilities.thresholds import best_f1_threshold

pytestmark = pytest.mark.simulation

TRUTH = Truth(distance=3)
NUM_SETS = 400
# Two standard errors of a share of 10 %.
ERROR = 2 * (0.1 * 0.9 / NUM_SETS) ** 0.5


@pytest.mark.parametrize("num_faults", [17, 50])
def test_the_promised_rate_of_false_alarms_is_kept_nine_times_in_ten(num_faults):
    for choose, low, high in (
        (promised("recall_at_false_alarm_rate"), 0.0, 0.1 + ERROR),
        (empirical_rate_threshold, 0.3, 0.7),
    ):
        _, false, _ = true_rates(TRUTH, choose, num_faults=num_faults, num_sets=NUM_SETS)
        assert low <= np.mean(false > 0.01) <= high


@pytest.mark.parametrize("num_faults", [30, 200])
def test_the_promised_recall_is_kept_nine_times_in_ten(num_faults):
    for choose, low, high in (
        (promised("precision_at_recall"), 0.0, 0.1 + ERROR),
        (empirical_recall_threshold, 0.4, 0.8),
    ):
        recall, _, _ = true_rates(TRUTH, choose, num_faults=num_faults, num_sets=NUM_SETS)
        assert low <= np.mean(recall < 0.9) <= high


@pytest.mark.parametrize(
    ("truth", "share"), [(TRUTH, 0.5), (Truth(distance=5, invisible=0.15), 1.0)], ids=str
)
def test_probabilities_lose_less_f1_than_labels(truth, share):
    lost = []
    for choose in (labels_f1_threshold, lambda scores, _: best_f1_threshold(scores)):
        true, _ = f1_scores(truth, "Platt", choose, num_faults=17, num_sets=200)
        assert true.max() <= best_f1(truth) + 1e-6
        lost.append(best_f1(truth) - true.mean())
    before, now = lost
    assert 0 < now < share * before


def test_the_best_f1_is_that_of_a_threshold_at_half_of_it():
    # Lipton et al.: probability F*/2 = 0.372 at the logit -0.523.
    best = best_f1(TRUTH)
    recall, _, precision = TRUTH.rates(np.log(best / 2) - np.log1p(-best / 2))
    assert 2 * recall * precision / (recall + precision) == pytest.approx(best, abs=1e-4)
