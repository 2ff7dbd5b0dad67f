"""Exact metrics of a binary classifier on one set of examples.

The areas and the Brier score are scikit-learn's, not TFMA's. TFMA counts scores between 10,000
equal thresholds and joins the points of the PR curve by hyperbolas. Calibrated probabilities of a
rare fault crowd below a few thresholds, so TFMA's areas blur in the range that matters, and with
few positive examples the hyperbola differs much from the measured step: one positive example ranked
sixth gives a step of 1/6 = 0.167 and a hyperbola of 1 - 5 ln(6/5) = 0.088. All other metrics equal
TFMA's to the last digit; a test derives both sides' areas from the same answers.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

Floats = NDArray[np.float64]


def probability_metrics(labels: NDArray[Any], probabilities: NDArray[Any]) -> dict[str, float]:
    """Returns the metrics of the probability; NaN where one has no value.

    `calibration` is the mean prediction over the prevalence: 1 for a calibrated model.

    Args:
        labels: `[n]` of 0 and 1.
        probabilities: `[n]`, of the positive class.
    """
    probabilities = probabilities.astype(np.float64)
    total, positives = len(labels), int((labels == 1).sum())
    mean, prevalence = _ratio(float(probabilities.sum()), total), _ratio(positives, total)
    return {
        "pr_auc": average_precision(labels, probabilities),
        "roc_auc": roc_auc(labels, probabilities),
        "brier": brier_score(labels, probabilities),
        "mean_prediction": mean,
        "prevalence": prevalence,
        "calibration": _ratio(mean, prevalence),
        "num_examples": float(total),
    }


def decision_metrics(labels: NDArray[Any], decisions: NDArray[Any]) -> dict[str, float]:
    """Returns the metrics of the decision; precision is NaN for a model that raises no alarm.

    Args:
        labels: `[n]` of 0 and 1.
        decisions: `[n]` of 0 and 1, the model's own.
    """
    fault, alarm = labels == 1, decisions == 1
    positives, true_positives = int(fault.sum()), int((fault & alarm).sum())
    false_positives = int(alarm.sum()) - true_positives
    false_negatives = positives - true_positives
    errors = false_positives + false_negatives
    return {
        "precision": _ratio(true_positives, true_positives + false_positives),
        "recall": _ratio(true_positives, positives),
        "f1": _ratio(2 * true_positives, 2 * true_positives + errors),
        "true_positives": float(true_positives),
        "false_positives": float(false_positives),
        "false_negatives": float(false_negatives),
        "true_negatives": float(len(labels) - positives - false_positives),
    }


def average_precision(
    labels: NDArray[Any], probabilities: Floats, weights: NDArray[Any] | None = None
) -> float:
    """Returns the area under the precision-recall steps: sum of precision times gain in recall.

    NaN without a positive example or with a probability that is not finite.

    >>> average_precision(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9]))  # (1 + 2/3) / 2
    0.8333333333333333

    Args:
        labels: `[n]` of 0 and 1.
        probabilities: float64 `[n]`, of the positive class.
        weights: `[n]` >= 0, how much each example counts; None for 1 each.

    References:
        Davis & Goadrich (2006), The relationship between precision-recall and ROC curves, ICML:
        why the points must not be joined by straight lines.
    """
    if not np.isfinite(probabilities).all() or not _weight_of(labels == 1, weights):
        return math.nan
    return float(average_precision_score(labels, probabilities, sample_weight=weights))


def roc_auc(
    labels: NDArray[Any], probabilities: Floats, weights: NDArray[Any] | None = None
) -> float:
    """Returns the chance that a positive example scores above a negative one, ties counting half.

    NaN without examples of both classes or with a probability that is not finite. Arguments as for
    `average_precision`.

    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9]))  # 3 of 4 pairs in order
    0.75

    References:
        Hanley & McNeil (1982), The meaning and use of the area under a ROC curve, Radiology 143:
        the area is the Mann-Whitney statistic.
    """
    has_both = _weight_of(labels == 1, weights) and _weight_of(labels != 1, weights)
    if not np.isfinite(probabilities).all() or not has_both:
        return math.nan
    return float(roc_auc_score(labels, probabilities, sample_weight=weights))


def brier_score(
    labels: NDArray[Any], probabilities: Floats, weights: NDArray[Any] | None = None
) -> float:
    """Returns the mean squared distance of the probability from the label.

    NaN without examples or with a probability that is not finite. Arguments as for
    `average_precision`.

    References:
        Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather
        Review 78.
    """
    if not np.isfinite(probabilities).all() or not _weight_of(np.ones(len(labels), bool), weights):
        return math.nan
    return float(brier_score_loss(labels, probabilities, sample_weight=weights, pos_label=1))


def areas_by_fault(labels: NDArray[Any], probabilities: Floats) -> dict[str, Floats]:
    """Returns what each positive example adds to both areas: their means are the areas.

    `pr_auc` is the precision of alarms down to the example's probability, `roc_auc` the share of
    negative examples below it, ties counting half.

    >>> areas = areas_by_fault(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9]))
    >>> areas["pr_auc"].round(3).tolist(), areas["roc_auc"].tolist()
    ([0.667, 1.0], [0.5, 1.0])

    Args:
        labels: `[n]` of 0 and 1.
        probabilities: float64 `[n]`, finite, of the positive class.

    Returns:
        Metric to float64 `[positives]`, in the order of the examples.
    """
    positive = probabilities[labels == 1]
    ranked = {kind: np.sort(probabilities[labels == kind]) for kind in (0, 1)}
    below, not_above = (np.searchsorted(ranked[0], positive, side) for side in ("left", "right"))
    hits = positive.size - np.searchsorted(ranked[1], positive, "left")
    negatives = ranked[0].size
    return {
        "pr_auc": hits / np.maximum(hits + negatives - below, 1),
        "roc_auc": (below + not_above) / (2 * negatives) if negatives else below + math.nan,
    }


def _weight_of(chosen: NDArray[np.bool_], weights: NDArray[Any] | None) -> float:
    return float(chosen.sum() if weights is None else weights[chosen].sum())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
