"""Probabilities that mean what they say, and the threshold at which a model says "faulty"."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_ITERATIONS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True, kw_only=True)
class PlattScaling:
    """probability = sigmoid(slope * logit + intercept).

    Attributes:
        slope: Factor of the logit.
        intercept: Shift of the logit.
    """

    slope: float
    intercept: float

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns calibrated probabilities of logits, of the same shape."""
        return _sigmoid(self.slope * logits + self.intercept)


def fit_platt(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> PlattScaling:
    """Fits Platt scaling by maximum likelihood, with Platt's smoothed targets.

    The targets (n+ + 1)/(n+ + 2) and 1/(n- + 2) instead of 1 and 0 keep the fit finite where the
    classes are separated, and honest where positives are few.

    Args:
        logits: float64 `[n]`.
        labels: float64 `[n]` of 0 and 1, both present.

    Raises:
        ValueError: One class is missing.

    References:
        Platt (1999), Probabilistic outputs for support vector machines. Lin, Lin & Weng (2007), A
        note on Platt's probabilistic outputs, for Newton's method with step halving.
    """
    num_positive = float(labels.sum())
    num_negative = labels.size - num_positive
    if not num_positive or not num_negative:
        raise ValueError("Calibration needs both classes in the eval split; one is missing.")
    targets = np.where(
        labels > 0.5, (num_positive + 1) / (num_positive + 2), 1 / (num_negative + 2)
    )
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    weights = np.array([1.0, np.log((num_positive + 1) / (num_negative + 1))])
    loss = _log_loss(design @ weights, targets)
    for _ in range(_MAX_ITERATIONS):
        predicted = _sigmoid(design @ weights)
        gradient = design.T @ (predicted - targets)
        curvature = predicted * (1 - predicted)
        hessian = design.T @ (design * curvature[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient).astype(np.float64)
        scale, new_loss = _halved_step(design, targets, weights, step, loss)
        weights = weights - scale * step
        if loss - new_loss < _TOLERANCE:
            break
        loss = new_loss
    return PlattScaling(slope=float(weights[0]), intercept=float(weights[1]))


def _halved_step(
    design: NDArray[np.float64],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    step: NDArray[np.float64],
    loss: float,
) -> tuple[float, float]:
    """The largest of 1, 1/2, 1/4, … that does not raise the loss, and the loss there."""
    scale = 1.0
    while scale > 1e-8:
        new_loss = _log_loss(design @ (weights - scale * step), targets)
        if new_loss <= loss:
            return scale, new_loss
        scale /= 2
    return 0.0, loss


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # Two forms, so that neither overflows.
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def _log_loss(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0, logits) - targets * logits))


def best_f1_threshold(probabilities: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Returns the threshold with the highest F1; "faulty" means probability >= threshold.

    It lies half-way between the probability at which F1 is highest and the next lower one, so that
    rounding to float32 decides nothing. Of equal F1 the highest threshold wins: fewer alarms.

    Args:
        probabilities: float64 `[n]`.
        labels: float64 `[n]` of 0 and 1.
    """
    order = np.argsort(-probabilities, kind="stable")
    scores = probabilities[order]
    hits = np.cumsum(labels[order])
    alarms = np.arange(1, labels.size + 1)
    f1 = 2 * hits / (alarms + labels.sum())
    # A threshold cannot lie between equal scores: only the last of them counts.
    last = np.append(scores[1:] != scores[:-1], True)
    best = int(np.argmax(np.where(last, f1, -1.0)))
    below = scores[best + 1] if best + 1 < scores.size else 0.0
    return float((scores[best] + below) / 2)
