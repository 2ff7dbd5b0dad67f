"""Cross-fitting of a model, and its final training on all examples."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from common.errors import InputError
from models.folds import Fold, deal_folds
from models.training.choice import (
    ChosenTrees,
    Comparison,
    best_trees,
    clusters,
    only_trees,
)
from models.training.cross_fitting.network import NetworkScores, network_out_of_fold
from models.training.data import check_both_classes, make_correction
from models.training.fitting import (
    ModelData,
    Trained,
    train_chosen,
    train_network_part,
    train_trees_part,
    tree_data,
)

_progress = logging.getLogger("faultline.progress")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """Predictions of examples by models that were not trained on them.

    Attributes:
        logits: float64 `[n]`, corrected, NaN where no fold predicts the example.
        folds: int64 `[n]`, number of the fold that holds the example out, from 0; -1 for none.
    """

    logits: Floats
    folds: Ints


def cross_fit(data: ModelData, log_dir: Path) -> tuple[Trained, OutOfFold]:
    """Trains on all folds but one, for each fold, and then on all examples.

    The folds give the predictions, the number of epochs or trees, and the choice of the model. The
    final training repeats it on all examples.

    Args:
        data: The examples; `train` is train and eval together, with keys.
        log_dir: Folder for TensorBoard.

    Raises:
        ValueError: There is one class only.
        InputError: Faults or groups are too few for two folds.
    """
    check_both_classes("train", data.train.labels)
    check_both_classes("eval", data.evaluation.labels)
    folds = _deal(data)
    kind = data.spec.train.model
    if kind == "network":
        scores = _network(data, folds, lambda _: True)
        trained = train_network_part(data, log_dir, scores.epochs)
        logits = scores.logits
    elif kind == "trees":
        trees, logits = _trees(data, folds)
        trained = train_trees_part(data, log_dir, trees.options, trees.rounds)
    else:
        trained, logits = _chosen(data, folds, log_dir)
    predictions = OutOfFold(logits=logits, folds=_numbers(folds, data.train.labels.size))
    # The final model has seen eval: its PR-AUC there says nothing.
    facts = {name: value for name, value in trained.facts.items() if name != "eval_pr_auc"}
    facts["cross_fit"] = _facts(predictions, data.train.labels)
    return replace(trained, facts=facts), predictions


def _deal(data: ModelData) -> list[Fold]:
    train, spec = data.train, data.spec
    folds = deal_folds(spec.folds, train.keys[:], train.labels, spec.cross_fit or 0)
    if len(folds) < 2:
        raise InputError(
            f"evaluation.cross_fit {spec.cross_fit} needs at least two folds with both classes in "
            f"train and eval, which have {int(train.labels.sum())} positive examples among "
            f"{train.labels.size}. Bring more data, or remove `cross_fit`."
        )
    return folds


def _chosen(data: ModelData, folds: Sequence[Fold], log_dir: Path) -> tuple[Trained, Floats]:
    """The model that the options choose on the folds, and its logits out of fold."""
    labels, spec = data.train.labels, data.spec
    trees, tree_logits = _trees(data, folds)
    if any(column.monotone for column in data.tree_inputs.columns):
        choice = only_trees(tree_logits, labels, trees)
        return train_chosen(data, choice, log_dir), tree_logits

    def compare(network: Floats) -> Comparison:
        own = {"trees": tree_logits, "network": network}
        return Comparison.of(own, labels, clusters(data.train.keys, spec))

    def is_in_question(network: Floats) -> bool:
        return spec.train.model == "blend" or compare(network).simplest() != "trees"

    network = _network(data, folds, is_in_question)
    choice = compare(network.logits).choose(spec, trees)
    logits = {
        "trees": tree_logits,
        "network": network.logits,
        "blend": choice.network_weight * network.logits + (1 - choice.network_weight) * tree_logits,
    }
    return train_chosen(data, choice, log_dir, network.epochs), logits[choice.kind]


def _trees(data: ModelData, folds: Sequence[Fold]) -> tuple[ChosenTrees, Floats]:
    """The trees, and their corrected logits out of fold."""
    labels = data.train.labels
    options, scores = best_trees(tree_data(data, data.train), folds, data.spec)
    correction = make_correction(labels, data.spec.train, part="trees")
    logits = np.full(labels.size, np.nan)
    logits[scores.places] = correction.apply(scores.logits)
    report = _Report("trees", labels, len(folds))
    for fold in folds:
        report(fold, logits[fold.held_out])
    return ChosenTrees(options=options, rounds=scores.rounds), logits


def _network(
    data: ModelData, folds: Sequence[Fold], is_in_question: Callable[[Floats], bool]
) -> NetworkScores:
    """The network's logits out of fold; after the first fold, only while it may be chosen."""
    report = _Report("network", data.train.labels, len(folds))

    def go_on(fold: Fold, logits: Floats) -> bool:
        report(fold, logits)
        so_far = np.full(data.train.labels.size, np.nan)
        so_far[fold.held_out] = logits
        return report.number > 1 or is_in_question(so_far)

    return network_out_of_fold(data.train, folds, data.graph, data.spec, on_fold=go_on)


class _Report:
    """A progress line for each fold."""

    def __init__(self, part: str, labels: NDArray[np.float32], num_folds: int) -> None:
        self._part = part
        self._labels = labels
        self._num_folds = num_folds
        self.number = 0

    def __call__(self, fold: Fold, logits: Floats) -> None:
        self.number += 1
        own = self._labels[fold.held_out]
        _progress.info(
            "cross-fitting the %s, fold %d/%d: PR-AUC %.3f on %d examples, %d positive",
            self._part,
            self.number,
            self._num_folds,
            average_precision_score(own, logits),
            own.size,
            int(own.sum()),
        )


def _numbers(folds: Sequence[Fold], size: int) -> Ints:
    numbers = np.full(size, -1)
    for number, fold in enumerate(folds):
        numbers[fold.held_out] = number
    return numbers


def _facts(predictions: OutOfFold, labels: NDArray[np.float32]) -> dict[str, Any]:
    predicted = predictions.folds >= 0
    own = labels[predicted]
    return {
        "folds": int(predictions.folds.max()) + 1,
        "examples": int(own.size),
        "positives": int(own.sum()),
        "pr_auc": float(average_precision_score(own, predictions.logits[predicted])),
    }
