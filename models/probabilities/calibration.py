"""Calibration of probabilities: Platt scaling, temperature scaling and isotonic regression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.model_spec import CalibrationMethod
from models.probabilities.firth import fit_firth, sigmoid

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
        return sigmoid(self.slope * logits + self.intercept)


@dataclass(frozen=True, kw_only=True)
class Isotonic:
    """A rising piecewise linear function of the logit, constant beyond its ends.

    Attributes:
        logits: The knots, ascending, at least one.
        probabilities: The probability at each knot.
    """

    logits: tuple[float, ...]
    probabilities_at: tuple[float, ...]

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns calibrated probabilities of logits, of the same shape."""
        return np.asarray(np.interp(logits, self.logits, self.probabilities_at), np.float64)


Calibration = PlattScaling | Isotonic
# The prior: the corrected logit is used unchanged.
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
    """Fits the monotone function of the logit that is closest to the labels.

    Its ends are Platt's smoothed targets, so that no probability is exactly 0 or 1.

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
    """Returns the message that refuses isotonic calibration."""
    return (
        f"Isotonic calibration needs at least {MIN_ISOTONIC_POSITIVES} positive examples in eval, "
        f"which has {num_positive}: with fewer, its steps follow single examples. Set "
        "`calibration: platt`, or bring more data."
    )


def fit_temperature(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> PlattScaling:
    """Fits probability = sigmoid(logit / temperature) with Firth's penalty.

    One parameter instead of Platt's two: the prevalence is that of the correction.

    Args:
        logits: float64 `[n]`.
        labels: float64 `[n]` of 0 and 1, both present.

    Raises:
        ValueError: One class is missing.

    References:
        Guo et al. (2017), On calibration of modern neural networks. `fit_firth` for the penalty.
    """
    _check_both_classes(labels)
    scale = np.abs(logits).max()
    if scale == 0:
        return NO_CALIBRATION
    slope = fit_firth(logits[:, None] / scale, labels)[0] / scale
    return PlattScaling(slope=float(slope), intercept=0.0)


def fit_platt(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> PlattScaling:
    """Fits Platt scaling: the slope with Firth's penalty, then the intercept by likelihood.

    The slope does not depend on the slope and shift of the logits, is finite where the classes are
    separated, and has little bias where positives are few. Platt's smoothed targets, (n+ + 1) /
    (n+ + 2) and 1 / (n- + 2) instead of 1 and 0, bound it too, but make a right network
    under-confident: a target of 18/19 asks the clearest fault for a logit of 2.9. Firth's intercept
    draws rare events toward 1/2; the likelihood's gives the probabilities of the examples the mean
    of their labels.

    Args:
        logits: float64 `[n]`.
        labels: float64 `[n]` of 0 and 1, both present.

    Raises:
        ValueError: One class is missing.

    References:
        Platt (1999), Probabilistic outputs for support vector machines, for the two numbers.
        `fit_firth` for the slope. Puhr et al. (2017), Firth's logistic regression with rare events:
        accurate effect estimates and predictions?, for the intercept (FLIC).
    """
    _check_both_classes(labels)
    centre, spread = logits.mean(), logits.std()
    # The network computes in float32: a smaller spread is rounding.
    if spread <= np.finfo(np.float32).eps * np.abs(logits).max():
        slope = 0.0
    else:
        standard = np.stack([(logits - centre) / spread, np.ones_like(logits)], axis=1)
        slope = float(fit_firth(standard, labels)[0] / spread)
    return PlattScaling(slope=slope, intercept=_intercept(slope * logits, labels.mean()))


def _intercept(logits: NDArray[np.float64], share: float) -> float:
    """The shift of `logits` at which the mean probability is `share`, in (0, 1)."""
    from scipy.optimize import brentq

    even = np.log(share / (1 - share))
    # At the ends every probability is below and above the share.
    low, high = even - logits.max() - 1, even - logits.min() + 1
    # SciPy's wrapper of the function is a reference cycle: a closure would keep the logits alive.
    return float(brentq(_excess, low, high, args=(logits, share)))


def _excess(shift: float, logits: NDArray[np.float64], share: float) -> float:
    return float(sigmoid(logits + shift).mean() - share)


def _check_both_classes(labels: NDArray[np.float64]) -> None:
    if not 0 < labels.sum() < labels.size:
        raise ValueError("Calibration needs both classes in the eval split; one is missing.")


_FITS: Mapping[
    CalibrationMethod, Callable[[NDArray[np.float64], NDArray[np.float64]], Calibration]
] = {
    "platt": fit_platt,
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
    "none": lambda _logits, _labels: NO_CALIBRATION,
}
