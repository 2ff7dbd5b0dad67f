"""Calibration on few faults keeps what docs/rare_events.md says of it."""

import numpy as np
import pytest

from benchmarks.statistics.calibration import (
    METHODS,
    Case,
    Figures,
    measure,
    smoothed_platt,
    smoothed_temperature,
)
from benchmarks.statistics.known_truth import Truth
from models.probabilities.calibration import fit_platt, fit_temperature

pytestmark = pytest.mark.simulation

NUM_SETS = 300


def figures(fit, *, num_faults=17, num_sets=NUM_SETS, **truth) -> Figures:
    case = Case(name="", truth=Truth(**truth), num_faults=num_faults)
    return measure(case, fit, num_sets=num_sets)


@pytest.mark.parametrize("distance", [3, 4.5])
@pytest.mark.parametrize("slope", [1, 0.4])
@pytest.mark.parametrize("fit", [fit_platt, fit_temperature])
def test_seventeen_faults_give_a_slope_near_one_and_a_small_excess(distance, slope, fit):
    now = figures(fit, distance=distance, slope=slope)
    assert 0.85 <= np.median(now.slope) <= 1.35
    assert now.excess.mean() < 20e-4


def test_smoothed_targets_make_a_right_network_under_confident():
    before = figures(smoothed_platt, distance=4.5)
    # 2.0 and 60e-4, here and in the study.
    assert np.median(before.slope) > 1.8
    assert before.excess.mean() > 50e-4


@pytest.mark.parametrize(
    "truth",
    [
        {"distance": 3, "num_faults": 5},
        {"distance": 3, "num_faults": 50},
        {"distance": 3, "num_faults": 200, "num_sets": 100},
        {"distance": 3, "shift": -1},
        {"distance": 3, "prevalence": 0.2},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("fit", "before"), [(fit_platt, smoothed_platt), (fit_temperature, smoothed_temperature)]
)
def test_the_log_loss_is_not_above_that_of_smoothed_targets(truth, fit, before):
    # The same sets, so that the difference is known far better than either.
    gain = figures(before, **truth).excess - figures(fit, **truth).excess
    assert gain.mean() > -2 * gain.std() / gain.size**0.5


def test_of_a_wrong_form_the_log_loss_is_at_most_a_tenth_worse():
    truth = {"distance": 5, "invisible": 0.15}
    now, before = (figures(fit, **truth).excess.mean() for fit in (fit_platt, smoothed_platt))
    assert now < 1.1 * before


def test_without_calibration_a_wrong_slope_costs_more():
    right, wrong = (figures(METHODS["none"], distance=3, slope=slope).cost for slope in (1, 0.4))
    # 109 and 163 false alarms per 1,000 examples; every set has the same answers.
    assert np.ptp(right) == np.ptp(wrong) == 0
    assert wrong[0] > 1.4 * right[0]
