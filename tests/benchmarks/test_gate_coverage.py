"""The truths that the study holds the gate against, beside a large simulation."""

import numpy as np
import pytest

from benchmarks.gate_coverage import COST, PREVALENCE, Detector, Tally, labels_of
from measuring.answers import make_answers
from measuring.scores import decision_metrics, probability_metrics
from pipeline.components.evaluation.measurement import Estimate, example_costs


def test_the_truth_is_what_a_large_split_shows():
    random = np.random.default_rng(0)
    detector = Detector(3.0)
    labels = (random.random(2_000_000) < PREVALENCE).astype(int)
    score = random.normal(size=labels.size) + detector.shift * labels
    answers = make_answers(labels, {"": (detector.probability(score), score >= detector.cut)})
    probabilities, decisions = answers.of("")
    shown = probability_metrics(labels, probabilities) | decision_metrics(labels, decisions)
    shown["expected_cost"] = 1_000 * example_costs(answers, COST).mean()
    for name, value in detector.truth().items():
        assert shown[name] == pytest.approx(value, rel=0.02), name
    # A calibrated model: its mean prediction is the prevalence.
    assert shown["calibration"] == pytest.approx(1, rel=0.02)


def test_with_the_bar_at_the_truth_either_side_is_an_error():
    tally = Tally()
    for interval in ((0.4, 0.6), (0.5, 0.7), (0.55, 0.7), (0.2, 0.49)):
        tally.add(Estimate(0.5, interval), 0.5, lower_is_better=False)
    # The second begins at the truth itself: it clears a bar there.
    assert tally.cells == ["25.0%", "50.0%", "25.0%"]


def test_a_split_has_the_prevalence_of_the_signals():
    assert labels_of(112).size == 3242
