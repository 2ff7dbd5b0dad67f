"""Small losses add up against the last model alone, and do not against the anchor."""

import numpy as np
import pytest

from benchmarks.statistics.gate import comparisons, ratchet
from measuring.scores import probability_metrics

pytestmark = pytest.mark.simulation

_PROCESS = ratchet.Process(num_faults=150, fall=0.01)


def retrain(rule_number):
    _, judge, has_anchor = ratchet.RULES[rule_number]
    return ratchet.retrain(np.random.default_rng(1), _PROCESS, judge, has_anchor=has_anchor)


def test_the_models_of_a_process_have_its_qualities_and_correlated_scores():
    areas, shifts = _PROCESS.shifts(np.random.default_rng(0))
    assert areas == pytest.approx(0.85 - 0.01 * np.arange(21))
    pair = {"candidate": shifts[20], "baseline": shifts[0]}
    answers = ratchet.draw(np.random.default_rng(0), pair, 20_000)
    for model, area in (("candidate", areas[20]), ("baseline", areas[0])):
        shown = probability_metrics(answers.labels, answers.of(model)[0])["pr_auc"]
        assert shown == pytest.approx(area, abs=0.006)
    healthy = answers.labels == 0
    scores = [np.log(p) - np.log1p(-p) for p in answers.probabilities[healthy].T]
    assert np.corrcoef(scores)[0, 1] == pytest.approx(0.95, abs=0.005)


def test_against_the_last_model_alone_small_losses_added_up():
    served, num_blessed = retrain(0)
    assert served < 0.75
    assert num_blessed >= 10


def test_the_anchor_stops_small_losses():
    served, _ = retrain(1)
    # The goal: 20 losses of 0.01 end within 0.06 of the first model.
    assert served >= 0.79


def test_before_a_change_was_unknown_below_eleven_faults():
    random = np.random.default_rng(0)
    few, enough = (
        comparisons.change_before(comparisons.lossy_pair(random, faults, 0.0))[0]
        for faults in (10, 11)
    )
    assert few == -1
    assert enough > -1
