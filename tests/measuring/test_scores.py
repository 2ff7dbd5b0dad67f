"""Exact metrics of a binary classifier."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measuring.scores import (
    average_precision,
    brier_score,
    decision_metrics,
    probability_metrics,
    roc_auc,
)

LABELS = np.array([0, 1, 0, 1])
PROBABILITIES = np.array([0.1, 0.4, 0.4, 0.8], np.float32)
DECISIONS = np.array([0, 0, 1, 1])


def test_average_precision_takes_tied_scores_as_one_step():
    # 0.8 finds one of two at precision 1; the tie at 0.4 the other, at precision 2/3.
    assert probability_metrics(LABELS, PROBABILITIES)["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)


def test_roc_auc_counts_a_tie_as_half():
    # Of four pairs 0.8 wins two, 0.4 wins one and ties one: 3.5 of 4.
    assert probability_metrics(LABELS, PROBABILITIES)["roc_auc"] == pytest.approx(3.5 / 4)


def test_means_and_brier_score():
    metrics = probability_metrics(LABELS, PROBABILITIES)
    # Squares of 0.1, 0.6, 0.4 and 0.2 sum to 0.57.
    assert metrics["brier"] == pytest.approx(0.57 / 4)
    assert metrics["mean_prediction"] == pytest.approx(1.7 / 4)
    assert metrics["prevalence"] == 0.5
    assert metrics["calibration"] == pytest.approx(1.7 / 2)
    assert metrics["num_examples"] == 4


def test_the_decision_is_the_models_own():
    assert decision_metrics(LABELS, DECISIONS) == {
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 1,
    }


def test_a_model_without_alarms_has_no_precision_and_no_f1():
    silent = decision_metrics(LABELS, np.zeros(4))
    assert math.isnan(silent["precision"])
    assert (silent["recall"], silent["f1"]) == (0, 0)


@pytest.mark.parametrize(
    ("labels", "absent"), [([0, 0], {"pr_auc", "roc_auc", "calibration"}), ([1, 1], {"roc_auc"})]
)
def test_a_metric_that_needs_an_absent_class_is_not_a_number(labels, absent):
    metrics = probability_metrics(np.array(labels), np.array([0.2, 0.9]))
    assert {name for name, value in metrics.items() if math.isnan(value)} == absent


def test_a_probability_that_is_not_a_number_spoils_every_metric_of_the_probability():
    metrics = probability_metrics(LABELS, np.array([0.1, 0.4, math.nan, 0.8]))
    spoiled = {"pr_auc", "roc_auc", "brier", "mean_prediction", "calibration"}
    assert {name for name, value in metrics.items() if math.isnan(value)} == spoiled


# Few distinct scores, so that ties are common: label, score in eighths, weight.
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=60
)


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS)
def test_weights_count_like_repeated_examples(rows):
    both = [*rows, (0, 3, 1), (1, 5, 1)]
    labels, scores, weights = (np.array(column) for column in zip(*both, strict=True))
    chosen = np.repeat(np.arange(len(labels)), weights)
    for metric in (average_precision, roc_auc, brier_score):
        weighted = metric(labels, scores / 8, weights)
        assert weighted == pytest.approx(metric(labels[chosen], scores[chosen] / 8))


@pytest.mark.parametrize("metric", [average_precision, roc_auc, brier_score])
def test_without_weight_nothing_has_a_value(metric):
    assert math.isnan(metric(LABELS, PROBABILITIES.astype(float), np.zeros(4)))


def test_no_examples_have_no_metrics():
    metrics = probability_metrics(np.zeros(0), np.zeros(0))
    assert metrics["num_examples"] == 0
    assert all(math.isnan(value) for name, value in metrics.items() if name != "num_examples")
