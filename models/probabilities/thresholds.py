"""Choice of the alarm threshold of a model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.threshold_rule import ThresholdRule

Floats = NDArray[np.float64]


def choose_threshold(rule: ThresholdRule, probabilities: Floats, labels: Floats) -> float:
    """Returns the threshold; "faulty" means probability >= threshold.

    It lies half-way between two scores, so that rounding to float32 decides nothing.

    Args:
        rule: How to find it.
        probabilities: float64 `[n]`, calibrated.
        labels: float64 `[n]` of 0 and 1, both present.
    """
    if rule.kind == "given":
        return rule.value
    if rule.kind == "best_f1":
        return best_f1_threshold(probabilities, labels)
    steps = _Steps.of(probabilities, labels)
    if rule.kind == "recall_at_false_alarm_rate":
        allowed = steps.false <= rule.value * (labels.size - labels.sum()) + 1e-9
        # Every step finds at least as much as the one before: the last that is allowed is best.
        return steps.threshold(int(np.flatnonzero(allowed)[-1]))
    enough = steps.found >= rule.value * labels.sum() - 1e-9
    precision = steps.found / np.maximum(steps.found + steps.false, 1)
    # Of equal precision the one that finds more.
    order = np.lexsort((steps.found, np.where(enough, precision, -1.0)))
    return steps.threshold(int(order[-1]))


def best_f1_threshold(probabilities: Floats, labels: Floats) -> float:
    """Returns the threshold with the highest F1; "faulty" means probability >= threshold.

    It lies half-way between the probability at which F1 is highest and the next lower one, so that
    rounding to float32 decides nothing. Of equal F1 the highest threshold wins: fewer alarms.

    >>> best_f1_threshold(np.array([0.125, 0.25, 0.5, 0.75]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.375

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


@dataclass(frozen=True, eq=False)
class _Steps:
    """Faults found and false alarms, from no alarm at all to an alarm for everything.

    Attributes:
        scores: Each score once, descending.
        found: `[scores + 1]` faults with one of the first 0, 1, 2, … scores.
        false: The same of healthy examples.
    """

    scores: Floats
    found: Floats
    false: Floats

    @classmethod
    def of(cls, probabilities: Floats, labels: Floats) -> "_Steps":
        scores, places = np.unique(-probabilities, return_inverse=True)
        faults = np.bincount(places, weights=labels)
        healthy = np.bincount(places, weights=1 - labels)
        return cls(
            -scores,
            np.concatenate([[0.0], np.cumsum(faults)]),
            np.concatenate([[0.0], np.cumsum(healthy)]),
        )

    def threshold(self, step: int) -> float:
        """The threshold after `step` scores."""
        if not step:
            # Above every score, even one of 1.
            return float(np.nextafter((self.scores[0] + 1) / 2, 2))
        below = self.scores[step] if step < self.scores.size else 0.0
        return float((self.scores[step - 1] + below) / 2)
