"""Quality of probabilities: ranking, decisions at a price, and calibration."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

Floats = NDArray[np.floating[Any]]
# A missed fault costs as much as 20 false alarms.
COST_MISS, COST_ALARM = 20.0, 1.0
# The alarm is worth its price where p * 20 >= (1 - p) * 1. Elkan (2001), The foundations of
# cost-sensitive learning.
THRESHOLD = COST_ALARM / (COST_ALARM + COST_MISS)
FIGURES = (
    *("pr_auc", "recall", "precision", "brier", "cost"),
    *("slope", "expected_over_observed", "cox_slope"),
)


def measure(labels: NDArray[np.int64], logits: Floats) -> dict[str, float]:
    """Returns the figures of one set of answers.

    Args:
        labels: int64 `[n]` of 0 and 1.
        logits: float64 `[n]`, of the probabilities.

    Returns:
        `cost` is in false alarms for each 1,000 recordings. `slope` is b of logit p = b * logit: 1
        where the probabilities are right; it sees a shift of the odds where faults are rare, so
        that most logits lie on one side of 0. `cox_slope` is b of logit p = a + b * logit, which by
        its a cannot see one, and tells of sure or unsure answers alone.

    References:
        Cox (1958), Two further applications of a model for binary regression.
    """
    probability = 1 / (1 + np.exp(-logits))
    alarm = probability >= THRESHOLD
    hits = float((alarm & (labels == 1)).sum())
    misses, alarms = float(labels.sum()) - hits, float(alarm.sum()) - hits
    return {
        "pr_auc": float(average_precision_score(labels, logits)),
        "recall": hits / float(labels.sum()),
        "precision": hits / max(1.0, float(alarm.sum())),
        "brier": float(np.mean((probability - labels) ** 2)),
        "cost": 1_000 * (COST_MISS * misses + COST_ALARM * alarms) / labels.size,
        "slope": _slope(labels, logits, intercept=False),
        "expected_over_observed": float(probability.sum() / labels.sum()),
        "cox_slope": _slope(labels, logits, intercept=True),
    }


def _slope(labels: NDArray[np.int64], logits: Floats, *, intercept: bool) -> float:
    """By Newton's method, from 0; the loss is convex."""
    design = np.stack([logits, np.ones_like(logits)][: 1 + intercept], axis=1)
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -500, 500)))
        curvature = design.T @ (design * (fitted * (1 - fitted))[:, None])
        step = np.linalg.solve(curvature, design.T @ (labels - fitted))
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0])


def intervals(
    labels: NDArray[np.int64], answers: list[Floats], *, replicates: int, seed: int
) -> dict[str, tuple[float, float, float]]:
    """Returns mean, 2.5 % and 97.5 % point of each figure, over trainings and test recordings.

    A replicate takes one of the trainings, and draws faulty and healthy recordings with
    replacement, as many of each as there are.

    Args:
        labels: int64 `[n]`.
        answers: float64 `[n]` logits of each training.
        replicates: Bootstrap replicates.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    points = [measure(labels, logits) for logits in answers]
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    drawn = []
    for _ in range(replicates):
        rows = np.concatenate([rng.choice(rows, rows.size) for rows in classes])
        drawn.append(measure(labels[rows], answers[rng.integers(len(answers))][rows]))
    results = {}
    for name in FIGURES:
        low, high = np.quantile([figures[name] for figures in drawn], [0.025, 0.975])
        mean = float(np.mean([point[name] for point in points]))
        results[name] = (mean, float(low), float(high))
    return results
