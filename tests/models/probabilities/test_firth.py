import numpy as np
import pytest
from scipy.optimize import minimize

from models.probabilities import firth
from models.probabilities.firth import firth_score, fit_firth, sigmoid


def split(seed, num_positive=5, distance=2.0):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0.0, 1.0], [60, num_positive])
    scores = rng.normal(size=labels.size) + distance * labels
    return np.stack([scores, np.ones_like(scores)], axis=1), labels


def test_an_intercept_alone_adds_half_an_example_to_each_class():
    # h = 1/n for all: 3 - 4 p + (1/2 - p) = 0, so that p = (3 + 1/2) / (4 + 1).
    [weight] = fit_firth(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]))
    assert sigmoid(np.array([weight])) == pytest.approx([0.7])


@pytest.mark.parametrize("distance", [0.0, 2.0, 20.0])
def test_the_score_is_zero_and_the_penalised_likelihood_highest(distance):
    design, labels = split(0, distance=distance)
    weights = fit_firth(design, labels)
    score, _ = firth_score(design, labels, weights)
    assert np.abs(score).max() < 1e-5

    def penalised_loss(weights):
        logits = design @ weights
        variance = sigmoid(logits) * sigmoid(-logits)
        _, log_determinant = np.linalg.slogdet(design.T @ (design * variance[:, None]))
        return np.sum(np.logaddexp(0, logits) - labels * logits) - log_determinant / 2

    searched = minimize(
        penalised_loss, weights + np.array([0.3, -0.4]), method="Nelder-Mead", tol=1e-10
    )
    assert searched.x == pytest.approx(weights, rel=1e-3, abs=1e-3)


def test_the_score_is_the_slope_of_the_penalised_likelihood():
    # Two rows, x = 1 and x = -1, weight b: both have p (1 - p) with p = sigmoid(b), so that the
    # penalty ln(2 p (1 - p)) / 2 has the slope 1/2 - p; the likelihood of y = 1 and 0, 2 (1 - p).
    score, _ = firth_score(np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]), np.array([0.8]))
    p = 1 / (1 + np.exp(-0.8))
    assert score == pytest.approx([2 * (1 - p) + (0.5 - p)])


def test_weights_of_separated_classes_are_finite_and_bounded():
    design, labels = split(1, distance=50.0)
    slope, _ = fit_firth(design, labels)
    # The gap is about 46 wide; the fit rises by some units across it.
    assert 0.05 < slope < 1


def test_the_descent_ends_where_rounding_lets_no_step_change_the_weights(monkeypatch):
    steps = []

    def counted(*given):
        steps[-1] += 1
        return firth_score(*given)

    monkeypatch.setattr(firth, "firth_score", counted)
    for seed in range(8):
        # Separated by a gap so narrow that the slope is about a thousand.
        positive = np.arange(3_000) % 20 == 0
        distances = 5e-6 + np.abs(np.random.default_rng(seed).normal(size=positive.size))
        scores = np.where(positive, distances, -distances)
        design = np.stack([(scores - scores.mean()) / scores.std(), np.ones_like(scores)], axis=1)
        steps.append(0)
        fit_firth(design, positive.astype(float))
    # Most went on to the limit of 200 steps, dozens of evaluations each.
    assert max(steps) < 100


@pytest.mark.simulation
def test_small_samples_have_no_bias_to_first_order():
    # True slope 1, intercept -2. The likelihood's estimate is 7 % too high here.
    rng = np.random.default_rng(2)
    slopes = []
    for _ in range(1_500):
        scores = rng.normal(size=100)
        labels = (rng.random(100) < sigmoid(scores - 2)).astype(float)
        slopes.append(fit_firth(np.stack([scores, np.ones(100)], axis=1), labels)[0])
    # The standard error of the mean is 0.35 / sqrt(1,500) = 0.009.
    assert np.mean(slopes) == pytest.approx(1, abs=0.03)
