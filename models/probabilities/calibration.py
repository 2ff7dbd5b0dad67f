"""Probabilities that mean what they say, and the threshold at which a model says "faulty"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.model_spec import CalibrationMethod

_MAX_ITERATIONS = 100
_TOLERANCE = 1e-10
# Isotonic regression fits a step wherever the data have one: with fewer positives its steps are
# noise. Niculescu-Mizil & Caruana (2005), Predicting good probabilities with supervised learning,
# find Platt's two numbers better below about a thousand cases in all.
MIN_ISOTONIC_POSITIVES = 200


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


@dataclass(frozen=True, kw_only=True)
class Isotonic:
    """A rising line of straight pieces through (logit, probability), level beyond its ends.

    Attributes:
        logits: Where the pieces meet, rising, at least one.
        probabilities: The probability at each.
    """

    logits: tuple[float, ...]
    probabilities_at: tuple[float, ...]

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns calibrated probabilities of logits, of the same shape."""
        return np.asarray(np.interp(logits, self.logits, self.probabilities_at), np.float64)


Calibration = PlattScaling | Isotonic
# What is known before any data: the corrected logit is taken at its word.
NO_CALIBRATION = PlattScaling(slope=1.0, intercept=0.0)


def fit_calibration(
    method: CalibrationMethod, logits: NDArray[np.float64], labels: NDArray[np.float64]
) -> Calibration:
    """Fits a calibration on examples that the network was not trained on.

    Args:
        method: `platt`, `temperature`, `isotonic` or `none`.
        logits: float64 `[n]`, corrected.
        labels: float64 `[n]` of 0 and 1.

    Raises:
        ValueError: A class is missing, or isotonic regression has too few positives.
    """
    return _FITS[method](logits, labels)


def fit_isotonic(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> Isotonic:
    """Fits the rising function of the logit that is nearest to the labels.

    Its ends are Platt's smoothed targets, so that no answer is a certain 0 or 1.

    Raises:
        ValueError: Fewer than 200 positives.

    References:
        Zadrozny & Elkan (2002), Transforming classifier scores into accurate multiclass
        probability estimates.
    """
    from sklearn.isotonic import IsotonicRegression

    _check_both_classes(labels)
    num_positive = float(labels.sum())
    if num_positive < MIN_ISOTONIC_POSITIVES:
        raise ValueError(too_few_for_isotonic(int(num_positive)))
    fitted = IsotonicRegression(
        y_min=1 / (labels.size - num_positive + 2),
        y_max=(num_positive + 1) / (num_positive + 2),
        out_of_bounds="clip",
    ).fit(logits, labels)
    return Isotonic(
        logits=tuple(map(float, fitted.X_thresholds_)),
        probabilities_at=tuple(map(float, fitted.y_thresholds_)),
    )


def too_few_for_isotonic(num_positive: int) -> str:
    """Returns in words why isotonic calibration is refused."""
    return (
        f"Isotonic calibration needs at least {MIN_ISOTONIC_POSITIVES} positive examples in eval, "
        f"which has {num_positive}: with fewer, its steps follow single examples. Set "
        "`calibration: platt`, or bring more data."
    )


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> PlattScaling:
    """Fits probability = sigmoid(logit / temperature) by maximum likelihood.

    One number instead of Platt's two: what the correction says of the prevalence stands.

    Raises:
        ValueError: One class is missing.

    References:
        Guo et al. (2017), On calibration of modern neural networks.
    """
    _check_both_classes(labels)
    return PlattScaling(slope=_fit(logits[:, None], labels, np.ones(1))[0], intercept=0.0)


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
    _check_both_classes(labels)
    num_positive = float(labels.sum())
    start = np.array([1.0, np.log((num_positive + 1) / (labels.size - num_positive + 1))])
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    slope, intercept = _fit(design, labels, start)
    return PlattScaling(slope=slope, intercept=intercept)


def _check_both_classes(labels: NDArray[np.float64]) -> None:
    if not 0 < labels.sum() < labels.size:
        raise ValueError("Calibration needs both classes in the eval split; one is missing.")


def _fit(
    design: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[float]:
    """The weights `[k]` of the columns of `design` `[n, k]` with the highest likelihood."""
    num_positive = float(labels.sum())
    num_negative = labels.size - num_positive
    targets = np.where(
        labels > 0.5, (num_positive + 1) / (num_positive + 2), 1 / (num_negative + 2)
    )
    loss = _log_loss(design @ weights, targets)
    for _ in range(_MAX_ITERATIONS):
        predicted = _sigmoid(design @ weights)
        gradient = design.T @ (predicted - targets)
        curvature = predicted * (1 - predicted)
        hessian = design.T @ (design * curvature[:, None]) + 1e-9 * np.eye(weights.size)
        step = np.linalg.solve(hessian, gradient).astype(np.float64)
        scale, new_loss = _halved_step(design, targets, weights, step, loss)
        weights = weights - scale * step
        if loss - new_loss < _TOLERANCE:
            break
        loss = new_loss
    return [float(weight) for weight in weights]


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


_FITS: Mapping[
    CalibrationMethod, Callable[[NDArray[np.float64], NDArray[np.float64]], Calibration]
] = {
    "platt": fit_platt,
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
    "none": lambda _logits, _labels: NO_CALIBRATION,
}


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # Two forms, so that neither overflows.
    small = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def _log_loss(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0, logits) - targets * logits))
