"""Scores of a network whose true probabilities are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from models.probabilities.firth import sigmoid

Floats = NDArray[np.float64]
_STEP = 0.0025


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Scores N(0, 1) of healthy and N(distance, 1) of visible faulty examples, and their logits.

    Attributes:
        distance: Distance of the classes in standard deviations.
        prevalence: Share of faults.
        invisible: Share of the faults that score as healthy examples do.
        slope: Slope of the true logits on those of the network: below 1, the network is too sure.
        shift: True logits minus those of the network, at equal slopes.
    """

    distance: float
    prevalence: float = 0.035
    invisible: float = 0.0
    slope: float = 1.0
    shift: float = 0.0

    def logits(self, scores: Floats) -> Floats:
        """Returns the network's logits; it is unaware of invisible faults."""
        odds = np.log(self.prevalence / (1 - self.prevalence))
        exact = odds + self.distance * scores - self.distance**2 / 2
        return np.asarray((exact - self.shift) / self.slope, np.float64)

    def draw(self, rng: np.random.Generator, num_faults: int) -> tuple[Floats, Floats]:
        """Returns the network's logits `[n]` and labels `[n]` of a split with so many faults."""
        num_healthy = round(num_faults * (1 - self.prevalence) / self.prevalence)
        labels = np.repeat([0.0, 1.0], [num_healthy, num_faults])
        visible = rng.random(labels.size) >= self.invisible
        scores = rng.normal(size=labels.size) + self.distance * (labels * visible)
        return self.logits(scores), labels

    def rates(self, cut: float) -> tuple[float, float, float]:
        """Returns recall, false alarm rate and precision of alarms from a logit on.

        Args:
            cut: The network's logit from which on there is an alarm.
        """
        odds = np.log(self.prevalence / (1 - self.prevalence))
        exact = self.slope * cut + self.shift
        score = (exact - odds + self.distance**2 / 2) / self.distance
        false = float(norm.sf(score))
        recall = (1 - self.invisible) * float(norm.sf(score - self.distance))
        recall += self.invisible * false
        found = self.prevalence * recall
        return recall, false, found / (found + (1 - self.prevalence) * false)

    @property
    def population(self) -> "Population":
        """All examples."""
        scores = np.arange(-8, 8 + self.distance, _STEP)
        visible, plain = norm.pdf(scores - self.distance), norm.pdf(scores)
        faulty = (1 - self.invisible) * visible + self.invisible * plain
        return Population(
            logits=self.logits(scores),
            healthy=(1 - self.prevalence) * plain * _STEP,
            faulty=self.prevalence * faulty * _STEP,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Population:
    """Masses of all examples over the network's logit.

    Attributes:
        logits: float64 `[n]`, the network's logits, rising.
        healthy: float64 `[n]`, mass of healthy examples at each.
        faulty: float64 `[n]`, mass of faults at each; all masses add up to 1.
    """

    logits: Floats
    healthy: Floats
    faulty: Floats

    @property
    def true_logits(self) -> Floats:
        """float64 `[n]`, what the logits should be."""
        return np.asarray(np.log(self.faulty) - np.log(self.healthy), np.float64)

    @property
    def least_loss(self) -> float:
        """The log loss of the true probabilities, per example."""
        return self.log_loss(self.true_logits)

    def log_loss(self, logits: Floats) -> float:
        """Returns the log loss, per example, of an answer `[n]` at each of `self.logits`."""
        losses = self.faulty * np.logaddexp(0, -logits) + self.healthy * np.logaddexp(0, logits)
        return float(losses.sum())

    @property
    def best_slope(self) -> float:
        """The slope of the best line from the network's logits to true ones."""

        def loss(line: Floats) -> tuple[float, Floats]:
            answers = line[0] * self.logits + line[1]
            errors = (self.faulty + self.healthy) * sigmoid(answers) - self.faulty
            return self.log_loss(answers), np.array([errors @ self.logits, errors.sum()])

        fit = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-9})
        return float(fit.x[0])
