"""Predictions of the network out of fold, and its number of epochs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from models.folds import Fold
from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.probabilities.correction import LogitCorrection
from models.training.data import Dataset, make_correction
from models.training.network import build_network
from models.training.network_fit import fit_epochs, network_logits

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """Predictions of examples by networks that were not trained on them.

    Attributes:
        logits: float64 `[n]`, corrected, NaN where no fold predicts the example.
        epochs: The number of epochs with the best average precision over all folds.
    """

    logits: Floats
    epochs: int


class _HeldOutLogits(keras.callbacks.Callback):  # type: ignore[misc]
    """The corrected logits of a fold after each epoch; stops after `patience` epochs, if given."""

    def __init__(
        self, held_out: Dataset, correction: LogitCorrection, patience: int | None
    ) -> None:
        super().__init__()
        self._held_out = held_out
        self._correction = correction
        self._patience = patience
        self.logits: list[Floats] = []

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        """Adds the logits of the epoch."""
        raw = network_logits(self.model, self._held_out.network_inputs)
        self.logits.append(self._correction.apply(raw))
        if self._patience is not None:
            best = best_epochs(self.logits, self._held_out.labels)
            self.model.stop_training = epoch + 1 - best >= self._patience


def best_epochs(logits: Iterable[Floats], labels: NDArray[np.float32]) -> int:
    """Returns the number of epochs with the best average precision, the smallest of equal ones.

    Args:
        logits: The logits of each epoch, float64 `[n]`.
        labels: float32 `[n]` of 0 and 1.
    """
    return int(np.argmax([average_precision_score(labels, own) for own in logits])) + 1


def network_out_of_fold(
    data: Dataset,
    folds: Sequence[Fold],
    graph: TransformGraph,
    spec: ModelSpec,
    *,
    on_fold: Callable[[Fold, Floats], bool],
) -> NetworkScores:
    """Predicts every example by a network that was trained without its fold.

    The fold with the most training examples comes first: it stops after `train.patience` epochs
    without a better average precision, and no other fold is trained for longer. The step sizes are
    those of a training of `train.epochs`.

    Args:
        data: The examples.
        folds: Which examples are trained on and predicted.
        graph: The transform graph.
        spec: The options and the seed.
        on_fold: Called after each fold with its logits after the best epoch so far; returns whether
            to go on.

    Returns:
        The predictions; if `on_fold` ended the training, of some of the folds.
    """
    order = sorted(folds, key=lambda fold: -fold.train.size)
    by_epoch = np.zeros((0, data.labels.size))
    for fold in order:
        cap = by_epoch.shape[0] or None
        own = _train_fold(data, fold, graph, spec, cap)
        if cap is None:
            by_epoch = np.full((len(own), data.labels.size), np.nan)
        by_epoch[:, fold.held_out] = own
        best = best_epochs(own, data.labels[fold.held_out])
        if not on_fold(fold, own[best - 1]):
            break
    predicted = np.isfinite(by_epoch[0])
    epochs = best_epochs(by_epoch[:, predicted], data.labels[predicted])
    return NetworkScores(logits=by_epoch[epochs - 1], epochs=epochs)


def _train_fold(
    data: Dataset, fold: Fold, graph: TransformGraph, spec: ModelSpec, epochs: int | None
) -> list[Floats]:
    """The corrected logits of the held-out examples after each epoch."""
    own = data.rows(fold.train)
    keras.utils.set_random_seed(spec.seed)
    network = build_network(graph.index_space, spec.train)
    watcher = _HeldOutLogits(
        data.rows(fold.held_out),
        make_correction(own.labels, spec.train),
        spec.train.patience if epochs is None else None,
    )
    fit_epochs(
        network,
        own,
        options=spec.train,
        epochs=epochs or spec.train.epochs,
        decay_epochs=spec.train.epochs,
        callbacks=[watcher],
    )
    return watcher.logits
