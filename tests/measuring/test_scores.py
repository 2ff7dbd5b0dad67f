"""Exact metrics from a table of scores."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from measuring.scores import (
    decision_metrics,
    merge_tables,
    probability_metrics,
    score_table,
)

LABELS = np.array([0, 1, 0, 1])
PROBABILITIES = np.array([0.1, 0.4, 0.4, 0.8], np.float32)
TABLE = score_table(LABELS, PROBABILITIES, np.array([0, 0, 1, 1]))


def test_average_precision_takes_tied_scores_as_one_step():
    # 0.8 finds one of two at precision 1; the tie at 0.4 the other, at precision 2/3.
    assert probability_metrics(TABLE)["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)


def test_roc_auc_counts_a_tie_as_half():
    # Of four pairs 0.8 wins two, 0.4 wins one and ties one: 3.5 of 4.
    assert probability_metrics(TABLE)["roc_auc"] == pytest.approx(3.5 / 4)


def test_means_and_brier_score():
    metrics = probability_metrics(TABLE)
    # Squares of 0.1, 0.6, 0.4 and 0.2 sum to 0.57.
    assert metrics["brier"] == pytest.approx(0.57 / 4)
    assert metrics["mean_prediction"] == pytest.approx(1.7 / 4)
    assert metrics["prevalence"] == 0.5
    assert metrics["calibration"] == pytest.approx(1.7 / 2)
    assert metrics["num_examples"] == 4


def test_the_decision_is_the_models_own():
    assert decision_metrics(TABLE) == {
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
        "true_positives": 1,
        "false_positives": 1,
        "false_negatives": 1,
        "true_negatives": 1,
    }


def test_a_model_without_alarms_has_no_precision_and_no_f1():
    silent = decision_metrics(score_table(LABELS, PROBABILITIES, np.zeros(4)))
    assert math.isnan(silent["precision"])
    assert (silent["recall"], silent["f1"]) == (0, 0)


@pytest.mark.parametrize(
    ("labels", "absent"), [([0, 0], {"pr_auc", "roc_auc", "calibration"}), ([1, 1], {"roc_auc"})]
)
def test_a_metric_that_needs_an_absent_class_is_not_a_number(labels, absent):
    table = score_table(np.array(labels), np.array([0.2, 0.9]), np.array([0, 1]))
    assert {k for k, v in probability_metrics(table).items() if math.isnan(v)} == absent


def test_a_score_that_is_not_a_number_spoils_every_metric_of_the_probability():
    table = score_table(LABELS, np.array([0.1, 0.4, math.nan, 0.8]), np.zeros(4))
    metrics = probability_metrics(table)
    spoiled = {"pr_auc", "roc_auc", "brier", "mean_prediction", "calibration"}
    assert {name for name, value in metrics.items() if math.isnan(value)} == spoiled


# Few distinct scores, so that ties are common.
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 1)), min_size=1, max_size=60
)


def columns(rows):
    labels, scores, decisions = (np.array(column) for column in zip(*rows, strict=True))
    return labels, scores / 8, decisions


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS)
def test_the_areas_are_those_of_scikit_learn(rows):
    labels, scores, decisions = columns([*rows, (0, 3, 0), (1, 5, 1)])
    metrics = probability_metrics(score_table(labels, scores, decisions))
    assert metrics["pr_auc"] == pytest.approx(average_precision_score(labels, scores))
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(labels, scores))


@settings(deadline=None)
@given(ROWS, st.integers(0, 60))
def test_parts_merge_to_the_table_of_the_whole(rows, cut):
    whole = columns(rows)
    parts = [[c[:cut] for c in whole], [c[cut:] for c in whole]]
    merged, table = merge_tables(score_table(*part) for part in parts), score_table(*whole)
    for field in ("scores", "positives", "negatives", "alarms"):
        np.testing.assert_array_equal(getattr(merged, field), getattr(table, field))


def test_no_tables_merge_to_an_empty_one():
    metrics = probability_metrics(merge_tables([]))
    assert metrics["num_examples"] == 0
    assert math.isnan(metrics["prevalence"])
