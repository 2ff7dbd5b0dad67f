"""Calibration and threshold from predictions out of fold, and decisions for the gate."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from measuring.events.timeline import Timeline
from models.model_spec import ModelSpec
from models.probabilities.calibration import (
    MIN_ISOTONIC_POSITIVES,
    Calibration,
    fit_calibration,
)
from models.probabilities.thresholds import choose_threshold
from models.training.cross_fitting.fitting import OutOfFold
from models.training.data import Dataset

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """The examples that a fold predicts.

    Attributes:
        places: int64 `[n]`, their places among all examples.
        logits: float64 `[n]`, corrected, out of fold.
        labels: float64 `[n]` of 0 and 1.
        folds: int64 `[n]`, the number of their fold.
        groups: int64 `[n]` in 0, 1, …, equal for dependent examples; None if all are independent.
        timeline: Where they are in time, n, if the rule of the threshold needs it.
    """

    places: Ints
    logits: Floats
    labels: Floats
    folds: Ints
    groups: Ints | None
    timeline: Timeline | None = None

    @classmethod
    def of(
        cls,
        predictions: OutOfFold,
        examples: Dataset,
        spec: ModelSpec,
        timeline: Timeline | None = None,
    ) -> "Held":
        """Returns the examples of train and eval that a fold predicts."""
        places = np.flatnonzero(predictions.folds >= 0)
        groups = None
        if spec.folds.group:
            _, groups = np.unique(examples.keys[places], return_inverse=True)
        return cls(
            places=places,
            logits=predictions.logits[places],
            labels=examples.labels[places].astype(np.float64),
            folds=predictions.folds[places],
            groups=groups,
            timeline=None if timeline is None else timeline.rows(places),
        )

    def rows(self, chosen: NDArray[np.bool_]) -> "Held":
        """Returns some of the examples."""
        groups = None
        if self.groups is not None:
            _, groups = np.unique(self.groups[chosen], return_inverse=True)
        return Held(
            places=self.places[chosen],
            logits=self.logits[chosen],
            labels=self.labels[chosen],
            folds=self.folds[chosen],
            groups=groups,
            timeline=None if self.timeline is None else self.timeline.rows(chosen),
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How corrected logits become decisions.

    Attributes:
        calibration: From logits to probabilities.
        threshold: The decision threshold, a calibrated probability.
    """

    calibration: Calibration
    threshold: float


def fit_rule(held: Held, spec: ModelSpec) -> Rule:
    """Fits the calibration and chooses the threshold on predictions out of fold.

    Args:
        held: The predictions.
        spec: The calibration and the rule of the threshold.

    Raises:
        InputError: There are too few examples for what the rule of the threshold promises.
    """
    calibration = fit_calibration(spec.calibration, held.logits, held.labels)
    probabilities = calibration.probabilities(held.logits)
    threshold = choose_threshold(
        spec.threshold, probabilities, held.labels, held.groups, held.timeline
    )
    return Rule(calibration=calibration, threshold=threshold)


def decide(held: Held, spec: ModelSpec, rule: Rule) -> tuple[Floats, Ints]:
    """Returns probabilities and decisions, `[n]` each, that no example's own label has decided.

    The calibration and the threshold of a fold are fitted on the predictions of the other folds.
    Where these are too few, they are those of all folds.

    Args:
        held: The predictions.
        spec: The calibration and the rule of the threshold.
        rule: Calibration and threshold of all folds.
    """
    probabilities = np.empty(held.logits.size)
    decisions = np.empty(held.logits.size, np.int64)
    for number in np.unique(held.folds):
        own = held.folds == number
        fitted = _without_fold(held.rows(~own), spec, rule)
        probabilities[own] = fitted.calibration.probabilities(held.logits[own])
        decisions[own] = probabilities[own] >= fitted.threshold
    return probabilities, decisions


def _without_fold(others: Held, spec: ModelSpec, rule: Rule) -> Rule:
    if spec.calibration == "isotonic" and others.labels.sum() < MIN_ISOTONIC_POSITIVES:
        return rule
    try:
        return fit_rule(others, spec)
    except InputError:
        # The promise of the threshold needs more examples; that of all folds keeps it.
        return rule


def predictions_table(
    held: Held, probabilities: Floats, decisions: Ints, *, num_train: int
) -> pa.Table:
    """Returns the predictions out of fold as a table.

    Its columns: `split`; `row`, the place of the example in the files of its split, from 0;
    `label`; `probability`; `decision`; `fold`.

    Args:
        held: The predictions.
        probabilities: What `decide` returned.
        decisions: The same.
        num_train: Examples of the train split, which come before those of eval.
    """
    is_train = held.places < num_train
    return pa.table(
        {
            "split": np.where(is_train, "train", "eval"),
            "row": np.where(is_train, held.places, held.places - num_train),
            "label": held.labels.astype(np.int8),
            "probability": probabilities,
            "decision": decisions.astype(np.int8),
            "fold": held.folds,
        }
    )
