"""Training of the network, with early stopping."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from models.stored_rows import Rows, StoredRows, row_bytes, row_slices, rows_per_batch
from models.train_options import TrainOptions
from models.training.data import Dataset, Inputs, check_both_classes, example_weights
from models.training.losses import training_loss
from models.training.variation import VariedBatches

_READ_BATCH = 4_096
_ACTIVATION_BYTES = 2**27
_progress = logging.getLogger("faultline.progress")


@dataclass(frozen=True)
class TrainingHistory:
    """Result of a training.

    Attributes:
        eval_pr_auc: Best average precision on eval; its weights are the model's.
        best_epoch: Epoch of the best, from 1.
        epochs: Epochs trained.
    """

    eval_pr_auc: float
    best_epoch: int
    epochs: int


class EvalPrAuc(keras.callbacks.Callback):  # type: ignore[misc]
    """Early stopping on the exact average precision of the eval split; keeps the best weights.

    Keras's own PR-AUC metric is a sum over 200 thresholds, too coarse for a few dozen faults.
    """

    def __init__(self, evaluation: Dataset, options: TrainOptions) -> None:
        super().__init__()
        self._evaluation = evaluation
        self._options = options
        self._weights: list[NDArray[Any]] = []
        self.history = TrainingHistory(eval_pr_auc=-1.0, best_epoch=0, epochs=0)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Scores eval and keeps the best; stops after `patience` epochs without improvement."""
        scores = (
            network_logits(self.model, self._evaluation.network_inputs) + self._evaluation.shift
        )
        pr_auc = float(average_precision_score(self._evaluation.labels, scores))
        if logs is not None:
            logs["eval_pr_auc"] = pr_auc
        best = self.history
        if pr_auc > best.eval_pr_auc:
            self._weights = self.model.get_weights()
            best = TrainingHistory(eval_pr_auc=pr_auc, best_epoch=epoch + 1, epochs=epoch + 1)
        self.history = TrainingHistory(best.eval_pr_auc, best.best_epoch, epoch + 1)
        if epoch + 1 - best.best_epoch >= self._options.patience:
            self.model.stop_training = True
        _progress.info(
            "epoch %d/%d, eval PR-AUC %.3f, best %.3f",
            epoch + 1,
            self._options.epochs,
            pr_auc,
            best.eval_pr_auc,
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Restores the best weights."""
        self.model.set_weights(self._weights)


def train_network(
    network: keras.Model,
    train: Dataset,
    evaluation: Dataset,
    *,
    options: TrainOptions,
    log_dir: Path,
) -> TrainingHistory:
    """Trains in place and restores the weights of the best epoch.

    Args:
        network: A network that gives one logit.
        train: The train split.
        evaluation: The eval split, for early stopping.
        options: Epochs, batch size, step size, loss, class weights.
        log_dir: Folder for TensorBoard.

    Raises:
        ValueError: A split lacks one of the classes.
    """
    for split, dataset in {"train": train, "eval": evaluation}.items():
        check_both_classes(split, dataset.labels)
    _compile(network, train, options, options.epochs)
    watcher = EvalPrAuc(evaluation, options)
    network.fit(
        **_batches(train, options),
        epochs=options.epochs,
        # The watcher comes first: it adds eval_pr_auc to what TensorBoard logs.
        callbacks=[watcher, keras.callbacks.TensorBoard(str(log_dir), write_graph=False)],
        verbose=0,
    )
    return watcher.history


def fit_epochs(
    network: keras.Model,
    train: Dataset,
    *,
    options: TrainOptions,
    epochs: int,
    decay_epochs: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains in place for a number of epochs, without early stopping.

    Args:
        network: A network that gives one logit.
        train: The examples.
        options: Batch size, step size, loss, class weights.
        epochs: Number of epochs.
        decay_epochs: Epochs over which the step size falls to 0; by default `epochs`.
        callbacks: Keras's callbacks.
    """
    _compile(network, train, options, decay_epochs or epochs)
    network.fit(**_batches(train, options), epochs=epochs, callbacks=[*callbacks], verbose=0)


def _compile(network: keras.Model, train: Dataset, options: TrainOptions, epochs: int) -> None:
    # With decreasing steps the last epochs differ less, so that the choice of the best one by a few
    # dozen positive examples depends less on chance.
    num_steps = epochs * math.ceil(train.labels.size / options.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, num_steps)
    network.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=training_loss(options),
        jit_compile=False,
    )


def _batches(train: Dataset, options: TrainOptions) -> dict[str, Any]:
    """The data as arguments of Keras's `fit`."""
    weights = example_weights(train, options)
    if train.variation is not None:
        batches = VariedBatches(train.variation, train.labels, weights, options.batch_size)
        return {"x": batches, "shuffle": False}
    if any(isinstance(values, StoredRows) for values in train.inputs.values()):
        columns = (train.network_inputs, train.labels)
        batches = streamed_batches(
            columns if weights is None else (*columns, weights), options.batch_size
        )
        return {"x": batches, "shuffle": False}
    return {
        "x": train.network_inputs,
        "y": train.labels,
        "sample_weight": weights,
        "batch_size": options.batch_size,
    }


def streamed_batches(columns: tuple[Any, ...], batch_size: int) -> tf.data.Dataset:
    """Returns the batches that Keras makes of arrays in memory, read from files as they are needed.

    The order is that of Keras's own shuffling, so that the weights are the same bit for bit.

    Args:
        columns: Inputs by name, labels and perhaps weights: arrays or `StoredRows`, each `[n, …]`.
        batch_size: Examples a batch; the last may have fewer.
    """
    arrays: list[Rows] = tf.nest.flatten(columns)
    size = len(arrays[0])
    # The order is the same for both types, and half as large.
    place_type = tf.int32 if size <= tf.int32.max else tf.int64
    # Several batches are read at once: a call into Python takes longer than a small batch.
    read_rows = batch_size * max(1, rows_per_batch(row_bytes(arrays), _READ_BATCH) // batch_size)

    # Of a number that is known in the graph, TensorFlow makes the range a constant of the graph and
    # copies it several times. `identity` takes the place of Keras's constant: the number of an
    # operation is a part of the seed.
    def shuffled(num: tf.Tensor) -> tf.Tensor:
        return tf.random.shuffle(tf.range(tf.identity(num), dtype=place_type))

    def read(places: tf.Tensor) -> tuple[Any, ...]:
        parts = tf.numpy_function(
            lambda own: [values[own] for values in arrays],
            [places],
            [values.dtype for values in arrays],
        )
        for part, values in zip(parts, arrays, strict=True):
            part.set_shape((None, *values.shape[1:]))
        return tf.nest.pack_sequence_as(columns, parts)  # type: ignore[no-any-return]

    sizes = tf.data.Dataset.from_tensors(tf.constant(size, place_type))
    places = sizes.map(shuffled).prefetch(1)
    places = places.flat_map(tf.data.Dataset.from_tensor_slices).batch(read_rows)
    # Where all batches are full, Keras fixes their size in the graph, which changes the last bits.
    batches = places.map(read).rebatch(batch_size, drop_remainder=size % batch_size == 0)
    num_batches = tf.data.experimental.assert_cardinality(math.ceil(size / batch_size))
    return batches.apply(num_batches).prefetch(2)


def network_logits(network: keras.Model, inputs: Inputs) -> NDArray[np.float64]:
    """Returns the logits of a network, float64 `[n]`.

    Args:
        network: A network.
        inputs: Its inputs.
    """
    most = max(1, min(_READ_BATCH, int(_ACTIVATION_BYTES // _activation_bytes(network))))
    parts = [
        network.predict_on_batch({name: values[rows] for name, values in inputs.items()})
        for rows in row_slices(inputs.values(), most)
    ]
    return np.concatenate(parts)[:, 0].astype(np.float64)


def _activation_bytes(network: keras.Model) -> float:
    """Bytes of what all layers make of one example: of a picture, hundreds of times its own."""
    shapes = [
        tensor.shape
        for layer in network.layers
        for tensor in tf.nest.flatten(layer.output)
        if None not in tensor.shape[1:]
    ]
    return max(1.0, 4.0 * sum(float(math.prod(shape[1:])) for shape in shapes))
