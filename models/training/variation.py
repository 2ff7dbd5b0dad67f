"""The train split anew in every epoch: raw signals are varied, then transformed as always.

Signals are varied before the transform graph, which has a mean and a scale for each sample: what is
shifted after it is no signal that a recorder could have given.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.example_files import example_dataset
from models.features import Signal, of_kind
from models.inputs.columns import dense_column
from models.inputs.transform_graph import TransformGraph, network_inputs, raw_from_serving
from models.model_spec import ModelSpec
from models.training.augmentation import augment

_BATCH = 4_096

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Variation:
    """What an epoch is trained on.

    Attributes:
        inputs: From an epoch, from 0 on, to the network's inputs, each `[n, …]`; the same for the
            same epoch.
        seed: Seed of the order of the examples.
    """

    inputs: Callable[[int], Arrays]
    seed: int

    def rows(self, places: NDArray[np.int64]) -> "Variation":
        """Returns the variation of the examples at `places`."""

        def inputs(epoch: int) -> Arrays:
            return {name: values[places] for name, values in self.inputs(epoch).items()}

        return Variation(inputs=inputs, seed=self.seed)


def make_variation(files: Sequence[str], graph: TransformGraph, spec: ModelSpec) -> Variation:
    """Returns the variation of a split that a spec asks for.

    Args:
        files: Gzip TFRecords of tf.Examples; the inputs come in their order.
        graph: The transform graph.
        spec: The features, what to vary, and the seed.
    """
    signals = of_kind(spec.features, Signal)
    columns = _read_columns(files, graph, {name: s.num_samples for name, s in signals.items()})
    own = {name: columns[name] for name in spec.train.augmentation}

    # Nothing to convert: see `models.training.trainer.make_transform`.
    @tf.function(reduce_retracing=True, autograph=False)
    def transform(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        transformed = graph(raw_from_serving(batch, graph.raw_spec))
        return network_inputs(transformed, graph.index_space)

    def inputs(epoch: int) -> Arrays:
        rng = np.random.default_rng([spec.seed, epoch])
        varied = columns | augment(own, signals, spec.train.augmentation, rng)
        return _in_batches(transform, varied)

    return Variation(inputs=inputs, seed=spec.seed)


def _in_batches(transform: Callable[..., dict[str, tf.Tensor]], columns: Arrays) -> Arrays:
    size = len(next(iter(columns.values())))
    parts = [
        transform({k: tf.constant(v[start : start + _BATCH]) for k, v in columns.items()})
        for start in range(0, size, _BATCH)
    ]
    return {key: np.concatenate([part[key].numpy() for part in parts]) for key in parts[0]}


def _read_columns(
    files: Sequence[str], graph: TransformGraph, num_samples: dict[str, int]
) -> Arrays:
    """Raw columns `[n, size]`, a missing value as `raw_from_serving` takes it."""
    records = example_dataset(*files, batch_rows=_BATCH)
    parts = []
    for serialised in records:
        parsed = tf.io.parse_example(serialised, dict(graph.raw_spec))
        parts.append(
            {
                name: dense_column(column, num_samples.get(name, 1)).numpy()
                for name, column in parsed.items()
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class VariedBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches for Keras of a split that is another one in every epoch."""

    def __init__(
        self,
        variation: Variation,
        labels: NDArray[np.float32],
        weights: NDArray[np.float32] | None,
        batch_size: int,
    ) -> None:
        """Prepares the first epoch.

        Args:
            variation: The inputs of each epoch.
            labels: float32 `[n]`.
            weights: float32 `[n]`, or None where all count alike.
            batch_size: Examples a batch; the last may have fewer.
        """
        super().__init__()
        self._variation = variation
        self._targets = (labels,) if weights is None else (labels, weights)
        self._batch_size = batch_size
        self._start(0)

    def _start(self, epoch: int) -> None:
        self._epoch = epoch
        self._inputs = self._variation.inputs(epoch)
        rng = np.random.default_rng([self._variation.seed, epoch, 1])
        self._order = rng.permutation(len(self._targets[0]))

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        inputs = {name: values[rows] for name, values in self._inputs.items()}
        return (inputs, *(target[rows] for target in self._targets))

    def on_epoch_end(self) -> None:
        """Varies the signals for the next epoch."""
        self._start(self._epoch + 1)
