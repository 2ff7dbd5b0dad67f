"""The verdict, on metrics that are really computed."""

import json
import math

import numpy as np
import pytest

from pipeline.components.evaluation.scores import (
    decision_metrics,
    probability_metrics,
    score_table,
)
from pipeline.components.model_gate.verdict import judge, roc_auc_lower_bound
from pipeline.config import Gate

# 3,130 healthy recordings and 112 faulty ones.
LABELS = np.repeat([0, 1], [3130, 112])
PREVALENCE = 112 / 3242


def measure(labels, probabilities, threshold):
    table = score_table(labels, probabilities, (probabilities >= threshold).astype(int))
    return probability_metrics(table) | decision_metrics(table)


def skilled(shift: float = 3.0):
    """Scores of normal distributions `shift` apart, as calibrated probabilities."""
    score = np.random.default_rng(1).normal(size=LABELS.size) + shift * LABELS
    odds = PREVALENCE / (1 - PREVALENCE) * np.exp(shift * score - shift**2 / 2)
    return odds / (1 + odds)


def failed(verdict):
    return {reason.metric for reason in verdict.reasons if not reason.passed}


def test_a_skilled_model_is_blessed():
    verdict = judge(measure(LABELS, skilled(), 0.5), None, Gate())
    assert verdict.blessed
    assert verdict.word == "BLESSED"


def test_the_model_that_always_answers_healthy_is_refused_for_all_its_accuracy():
    metrics = measure(LABELS, np.zeros(LABELS.size), 0.5)
    accuracy = (metrics["true_positives"] + metrics["true_negatives"]) / metrics["num_examples"]
    assert accuracy == pytest.approx(0.9655, abs=1e-4)
    verdict = judge(metrics, None, Gate())
    assert verdict.word == "REJECTED"
    # It finds nothing, ranks nothing and is further off than the prevalence: no bar is cleared.
    assert failed(verdict) == {"recall", "precision", "pr_auc", "roc_auc", "brier"}
    assert verdict.reasons[0].text == (
        "finds 0 of 112 positives with 0 alarms (always answering negative finds none)"
    )


def test_a_skilled_model_whose_threshold_is_too_high_to_find_anything_is_refused():
    verdict = judge(measure(LABELS, skilled(), 1.1), None, Gate())
    assert failed(verdict) == {"recall", "precision"}


def test_the_model_that_always_answers_the_prevalence_is_refused():
    verdict = judge(measure(LABELS, np.full(LABELS.size, PREVALENCE), 0.01), None, Gate())
    # It raises an alarm for everything, so it misses nothing.
    assert failed(verdict) == {"precision", "pr_auc", "roc_auc", "brier"}


def test_models_of_pure_noise_are_refused_nearly_always():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [313, 11])
    verdicts = []
    for _ in range(500):
        # Spread little around the prevalence, as a calibrated model of noise is: the hardest case.
        odds = 11 / 313 * np.exp(0.2 * random.normal(size=labels.size))
        probabilities = odds / (1 + odds)
        metrics = measure(labels, probabilities, np.quantile(probabilities, 0.9))
        verdicts.append(judge(metrics, None, Gate()).blessed)
    assert np.mean(verdicts) < 0.05


def test_a_model_that_is_off_the_probabilities_is_refused_however_well_it_ranks():
    verdict = judge(measure(LABELS, 0.5 + skilled() / 2, 0.75), None, Gate())
    assert failed(verdict) == {"brier"}


@pytest.mark.parametrize(("drop", "blessed"), [(0.011, True), (0.009, False)])
def test_a_model_may_be_a_little_worse_than_the_one_blessed_before(drop, blessed):
    metrics = measure(LABELS, skilled(), 0.5)
    before = metrics | {"pr_auc": metrics["pr_auc"] + 0.01}
    verdict = judge(metrics, before, Gate(max_pr_auc_drop=drop))
    assert verdict.blessed == blessed
    assert f"against {before['pr_auc']:.3f} of the model blessed before" in verdict.reasons[-1].text


@pytest.mark.parametrize("metric", ["pr_auc", "roc_auc", "brier", "precision", "prevalence"])
def test_a_metric_without_a_value_never_passes(metric):
    metrics = measure(LABELS, skilled(), 0.5) | {metric: math.nan}
    assert not judge(metrics, None, Gate()).blessed


def test_the_reasons_are_json_even_without_values():
    verdict = judge(measure(LABELS, np.zeros(LABELS.size), 0.5), None, Gate())
    text = json.dumps(verdict.reasons_json(), allow_nan=False)
    precision = next(r for r in json.loads(text) if r["metric"] == "precision")
    assert precision["value"] is None
    assert precision["text"] == "precision without a value against 0.035 of an alarm at random"


def test_the_bound_is_that_of_the_rank_sum_test():
    metrics = {
        "roc_auc": 0.7,
        "true_positives": 8,
        "false_negatives": 2,
        "true_negatives": 85,
        "false_positives": 5,
    }
    # sqrt((10 + 90 + 1) / (12 * 10 * 90)) = 0.0967; 0.7 - 1.6449 * 0.0967 = 0.5409.
    assert roc_auc_lower_bound(metrics) == pytest.approx(0.5409, abs=1e-4)
    assert math.isnan(roc_auc_lower_bound(metrics | {"true_positives": 0, "false_negatives": 0}))
