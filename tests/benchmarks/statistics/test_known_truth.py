import numpy as np
import pytest

from benchmarks.statistics.known_truth import Truth
from models.probabilities.firth import sigmoid


def test_the_logits_are_the_true_ones_where_slope_and_shift_are_neutral():
    truth = Truth(distance=3)
    population = truth.population
    assert population.logits == pytest.approx(population.true_logits)
    assert population.healthy.sum() + population.faulty.sum() == pytest.approx(1)
    assert population.faulty.sum() == pytest.approx(0.035)
    assert population.best_slope == pytest.approx(1)


def test_a_network_that_is_too_sure_has_a_slope_below_one():
    population = Truth(distance=3, slope=0.4).population
    assert 0.4 * population.logits == pytest.approx(population.true_logits)
    assert population.best_slope == pytest.approx(0.4)
    assert population.log_loss(population.logits) > population.least_loss + 0.02


def test_a_shift_is_what_the_logits_lack():
    population = Truth(distance=3, shift=-1).population
    assert population.logits - 1 == pytest.approx(population.true_logits)


@pytest.mark.parametrize("invisible", [0.0, 0.15])
def test_the_rates_are_those_of_a_large_split(invisible):
    truth = Truth(distance=3, invisible=invisible, slope=0.5)
    logits, labels = truth.draw(np.random.default_rng(0), 20_000)
    alarms = logits >= -1.0
    recall, false, precision = truth.rates(-1.0)
    # The standard errors of recall and precision are below 0.004.
    assert alarms[labels == 1].mean() == pytest.approx(recall, abs=0.012)
    assert alarms[labels == 0].mean() == pytest.approx(false, rel=0.05)
    assert labels[alarms].mean() == pytest.approx(precision, abs=0.012)


def test_the_log_loss_is_that_of_a_large_split():
    truth = Truth(distance=3, slope=0.4)
    logits, labels = truth.draw(np.random.default_rng(1), 20_000)
    shown = -np.mean(np.log(sigmoid(np.where(labels == 1, logits, -logits))))
    population = truth.population
    # 0.0773, with a standard error of about 0.0005.
    assert population.log_loss(population.logits) == pytest.approx(shown, abs=0.002)
