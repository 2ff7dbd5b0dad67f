"""Performance without labels: worked out, chunks of one class, coverage, and self-grading."""

import json
import math

import numpy as np
import pytest
from scipy import special

from measuring.monitoring.estimated import (
    Estimate,
    Grades,
    estimate_performance,
    realised_performance,
)
from measuring.monitoring.priors import ScoreBins, estimate_prior

TRAINED = 0.03


def draw_chunk(rng, size, prevalence):
    labels = rng.random(size) < prevalence
    scores = rng.normal(size=size) + 3 * labels
    probabilities = special.expit(3 * scores - 4.5 + special.logit(TRAINED))
    return probabilities, probabilities > 0.3, labels


def test_an_estimate_worked_out():
    bins = ScoreBins.of(np.array([0.9, 0.5, 0.2, 0.0]), np.array([1, 1, 0, 0]))
    estimates = estimate_performance(bins, miss=10, false_alarm=2)
    # Hits 1.4 of 1.6 faults and of 2 alarms; cost (10 * 0.2 + 2 * 0.6) / 4.
    assert estimates["recall"].value == pytest.approx(0.875)
    assert estimates["precision"].value == pytest.approx(0.7)
    assert estimates["cost"].value == pytest.approx(0.8)
    assert estimates["prevalence"].value == pytest.approx(0.4)


def test_the_average_precision_is_that_of_all_drawn_labels():
    bins = ScoreBins.of(np.array([0.5, 0.5 - 1e-9]), np.array([1, 0]))
    # Labels 11, 10 and 01, each as likely: 1, 1 and 1/2.
    estimate = estimate_performance(bins, num_draws=20_000)["pr_auc"]
    assert estimate.value == pytest.approx(5 / 6, abs=0.01)
    assert (estimate.lower, estimate.upper) == (0.5, 1)


def test_realised_metrics_worked_out():
    probabilities, decisions = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0])
    realised = realised_performance(
        probabilities, decisions, np.array([1, 0, 1, 0]), miss=10, false_alarm=2
    )
    # One hit, one false alarm, one miss; precisions 1 and 2/3 at the faults.
    assert realised == {
        "recall": 0.5,
        "precision": 0.5,
        "pr_auc": pytest.approx(5 / 6),
        "cost": 3,
        "prevalence": 0.5,
    }


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_chunk_of_one_class_has_an_estimate(probability):
    bins = ScoreBins.of(np.full(50, probability), np.full(50, probability))
    estimates = estimate_performance(bins)
    assert estimates["prevalence"] == Estimate(
        value=probability, lower=probability, upper=probability
    )
    assert estimates["cost"] == Estimate(value=0, lower=0, upper=0)
    # Without a fault there is no recall, with faults alone it is 1.
    recall = estimates["recall"].value
    assert math.isnan(recall) if probability == 0 else recall == 1


def test_a_chunk_without_alarms_has_no_precision():
    estimate = estimate_performance(ScoreBins.of(np.full(9, 0.1), np.zeros(9)))["precision"]
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.lower)


def test_a_risen_prevalence_misleads_the_estimate_until_it_is_corrected():
    probabilities, decisions, labels = draw_chunk(np.random.default_rng(1), 50_000, 0.09)
    bins = ScoreBins.of(probabilities, decisions)
    truth = labels[decisions].mean()
    plain = estimate_performance(bins)["precision"]
    shift = estimate_prior(bins, TRAINED)
    corrected = estimate_performance(bins, shift=shift)["precision"]
    assert not plain.covers(truth)
    assert corrected.covers(truth)


def test_grades_count_covered_chunks_and_outlast_json():
    grades = Grades()
    good, bad = (Estimate(value=0.5, lower=low, upper=0.9) for low in (0.1, 0.8))
    names = ("recall", "precision", "pr_auc", "cost", "prevalence")
    realised = {**dict.fromkeys(names, 0.5), "recall": math.nan}
    grades.add(dict.fromkeys(names, good), realised)
    for _ in range(9):
        grades = Grades().with_state(json.loads(json.dumps(grades.to_state())))
        grades.add({**dict.fromkeys(names, good), "cost": bad}, realised)
    share, (lower, upper) = grades.coverage("precision")
    assert (share, upper) == (1, 1)
    assert lower == pytest.approx(0.025**0.1)  # exact: 10 of 10
    assert grades.coverage("cost")[0] == 0.1
    assert grades.is_failing("cost")
    assert not grades.is_failing("precision")
    assert math.isnan(grades.coverage("recall")[0])
    assert not grades.is_failing("recall")


@pytest.mark.simulation
@pytest.mark.parametrize("prevalence", [0.03, 0.01, 0.09])
def test_intervals_cover_with_and_without_a_change_of_the_prevalence(prevalence):
    rng, grades = np.random.default_rng(2), Grades()
    for _ in range(60):
        probabilities, decisions, labels = draw_chunk(rng, 1_500, prevalence)
        bins = ScoreBins.of(probabilities, decisions)
        shift = estimate_prior(bins, TRAINED)
        estimates = estimate_performance(bins, shift=shift, num_draws=300)
        grades.add(estimates, realised_performance(probabilities, decisions, labels))
    for metric in ("recall", "precision", "pr_auc", "cost"):
        # At 95 %, less than 51 of 60 have a probability of 0.1 %.
        assert grades.coverage(metric)[0] >= 51 / 60, metric
