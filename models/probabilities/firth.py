"""Logistic regression with Firth's penalty."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MAX_ITERATIONS = 200
_TOLERANCE = 1e-14


def fit_firth(design: Floats, labels: Floats) -> Floats:
    """Returns the weights `[k]` at which Firth's penalised likelihood is highest.

    The penalty is half the logarithm of the determinant of the information X'WX, with
    W = diag(p (1 - p)): Jeffreys' prior. The score equations are

        X' (y - p + h (1/2 - p)) = 0,

    with the leverages h, the diagonal of W X (X'WX)^-1 X'. The solution is finite where the classes
    are separated, its bias is of second order, and it follows every linear change of the columns.
    Fisher scoring with step halving finds it.

    Args:
        design: float64 `[n, k]`, of full rank, its columns near unit scale.
        labels: float64 `[n]` of 0 and 1.

    References:
        Firth (1993), Bias reduction of maximum likelihood estimates. Heinze & Schemper (2002), A
        solution to the problem of separation in logistic regression.
    """
    weights = np.zeros(design.shape[1])
    loss = _penalised_loss(design, labels, weights)
    for _ in range(_MAX_ITERATIONS):
        score, step = firth_score(design, labels, weights)
        if score @ step < _TOLERANCE * max(1.0, loss):
            break
        scale = 1.0
        while (halved := _penalised_loss(design, labels, weights + scale * step)) > loss:
            scale /= 2
            if scale < _TOLERANCE:
                return weights
        moved = weights + scale * step
        # Where rounding ends the descent, all further steps are this one again.
        if np.array_equal(moved, weights):
            break
        weights, loss = moved, halved
    return weights


def firth_score(design: Floats, labels: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Returns the modified score `[k]` and the step of Fisher scoring `[k]`."""
    predicted = sigmoid(design @ weights)
    variance = predicted * (1 - predicted)
    inverse = np.linalg.inv(design.T @ (design * variance[:, None]))
    leverage = variance * np.sum((design @ inverse) * design, axis=1)
    score = design.T @ (labels - predicted + leverage * (0.5 - predicted))
    return score, inverse @ score


def sigmoid(logits: Floats) -> Floats:
    """Returns 1 / (1 + e^-z), without overflow at either end."""
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def _penalised_loss(design: Floats, labels: Floats, weights: Floats) -> float:
    logits = design @ weights
    predicted = sigmoid(logits)
    information = design.T @ (design * (predicted * (1 - predicted))[:, None])
    sign, log_determinant = np.linalg.slogdet(information)
    if sign <= 0:
        return np.inf
    loss = np.sum(np.logaddexp(0, logits) - labels * logits)
    return float(loss - log_determinant / 2)
