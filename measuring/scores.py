"""Metrics of a binary classifier, exact, from how often each score was given to each class.

TFMA counts scores between 10,000 equal thresholds and joins the points of the PR curve by
hyperbolas. Calibrated probabilities of a rare fault crowd below a few thresholds, so its PR-AUC and
ROC-AUC blur just where they matter, and with few positives the hyperbola differs much from the step
that was measured: of one positive in sixth place the step makes 1/6 = 0.167, the hyperbola
1 - 5 ln(6/5) = 0.088. All other metrics are TFMA's to the last digit; a test derives both sides'
areas from the same answers.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreTable:
    """What a model answered; tables of parts of the data can be merged.

    Attributes:
        scores: float64 `[n]`, each score once, ascending.
        positives: int64 `[n]`, positive examples with this score.
        negatives: int64 `[n]`, negative examples with this score.
        alarms: int64 `[2]`, negative and positive examples that the model called positive.
    """

    scores: NDArray[np.float64]
    positives: Counts
    negatives: Counts
    alarms: Counts

    @property
    def num_positives(self) -> int:
        """Positive examples."""
        return int(self.positives.sum())

    @property
    def num_negatives(self) -> int:
        """Negative examples."""
        return int(self.negatives.sum())


def score_table(
    labels: NDArray[np.int64], probabilities: NDArray[Any], decisions: NDArray[Any]
) -> ScoreTable:
    """Returns the table of some examples.

    Args:
        labels: `[n]` of 0 and 1.
        probabilities: `[n]`, of the positive class.
        decisions: `[n]` of 0 and 1, the model's own.
    """
    positive = labels == 1
    return _tabulate(
        probabilities.astype(np.float64),
        positive.astype(np.int64),
        (~positive).astype(np.int64),
        np.bincount(labels[decisions == 1], minlength=2).astype(np.int64),
    )


def merge_tables(tables: Iterable[ScoreTable]) -> ScoreTable:
    """Returns the table of all examples of `tables`; there may be none."""
    parts = list(tables)
    if len(parts) == 1:
        return parts[0]
    empty = np.zeros(0)
    return _tabulate(
        np.concatenate([empty, *(part.scores for part in parts)]),
        np.concatenate([empty, *(part.positives for part in parts)]),
        np.concatenate([empty, *(part.negatives for part in parts)]),
        np.sum([np.zeros(2, np.int64), *(part.alarms for part in parts)], axis=0),
    )


def _tabulate(
    scores: NDArray[np.float64], positives: NDArray[Any], negatives: NDArray[Any], alarms: Counts
) -> ScoreTable:
    unique, places = np.unique(scores, return_inverse=True)

    def add_up(counts: NDArray[Any]) -> Counts:
        return np.bincount(places, weights=counts, minlength=len(unique)).astype(np.int64)

    return ScoreTable(
        scores=unique, positives=add_up(positives), negatives=add_up(negatives), alarms=alarms
    )


def probability_metrics(table: ScoreTable) -> dict[str, float]:
    """Returns the metrics of the probability; NaN where one has no value.

    `calibration` is the mean prediction over the prevalence: 1 for a calibrated model.
    """
    total = table.num_positives + table.num_negatives
    counts = table.positives + table.negatives
    squares = table.positives * (1 - table.scores) ** 2 + table.negatives * table.scores**2
    mean = _ratio(float(counts @ table.scores), total)
    prevalence = _ratio(table.num_positives, total)
    return {
        "pr_auc": average_precision(table),
        "roc_auc": roc_auc(table),
        "brier": _ratio(float(squares.sum()), total),
        "mean_prediction": mean,
        "prevalence": prevalence,
        "calibration": _ratio(mean, prevalence),
        "num_examples": float(total),
    }


def decision_metrics(table: ScoreTable) -> dict[str, float]:
    """Returns the metrics of the decision; precision is NaN for a model that raises no alarm."""
    false_positives, true_positives = (int(count) for count in table.alarms)
    false_negatives = table.num_positives - true_positives
    errors = false_positives + false_negatives
    return {
        "precision": _ratio(true_positives, true_positives + false_positives),
        "recall": _ratio(true_positives, table.num_positives),
        "f1": _ratio(2 * true_positives, 2 * true_positives + errors),
        "true_positives": float(true_positives),
        "false_positives": float(false_positives),
        "false_negatives": float(false_negatives),
        "true_negatives": float(table.num_negatives - false_positives),
    }


def average_precision(table: ScoreTable) -> float:
    """Returns the area under the precision-recall steps: sum of precision times gain in recall.

    NaN without a positive example or with a score that is not finite.

    >>> labels, decisions = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    >>> average_precision(score_table(labels, np.array([0.1, 0.4, 0.3, 0.9]), decisions))
    0.8333333333333333

    References:
        Davis & Goadrich (2006), The relationship between precision-recall and ROC curves, ICML:
        why the points must not be joined by straight lines.
    """
    if not table.num_positives or not np.isfinite(table.scores).all():
        return math.nan
    positives, negatives = table.positives[::-1], table.negatives[::-1]
    found, alarms = np.cumsum(positives), np.cumsum(positives + negatives)
    return float(positives @ (found / alarms)) / table.num_positives


def roc_auc(table: ScoreTable) -> float:
    """Returns the chance that a positive example scores above a negative one, ties counting half.

    NaN without examples of both classes or with a score that is not finite.

    >>> labels, decisions = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    >>> roc_auc(score_table(labels, np.array([0.1, 0.4, 0.3, 0.9]), decisions))
    0.75

    References:
        Hanley & McNeil (1982), The meaning and use of the area under a ROC curve, Radiology 143:
        the area is the Mann-Whitney statistic.
    """
    pairs = table.num_positives * table.num_negatives
    if not pairs or not np.isfinite(table.scores).all():
        return math.nan
    below = np.cumsum(table.negatives) - table.negatives / 2
    return float(table.positives @ below) / pairs


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
