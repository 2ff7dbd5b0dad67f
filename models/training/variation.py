"""The train split anew in every epoch.

Signals are varied before the transform graph, which has a mean and a scale for each sample: what is
shifted after it is no signal that a recorder could have given. Sounds and pictures are varied after
it, as spectrograms and as pixels: it need not decode them in every epoch.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.example_files import example_dataset
from models.features import Audio, Signal, of_kind
from models.inputs.columns import dense_column
from models.inputs.encoding import deviation_name
from models.inputs.transform_graph import TransformGraph, network_inputs, raw_from_serving
from models.model_spec import ModelSpec
from models.stored_rows import Rows, RowStore, pick_rows
from models.training.augmentation import augment
from models.training.media.media_augmentation import augment_media

Arrays = dict[str, NDArray[Any]]
# From a source of random draws to the inputs of an epoch, in batches.
Batches = Callable[[np.random.Generator], Iterator[Arrays]]


@dataclass(frozen=True)
class Variation:
    """What an epoch is trained on.

    Attributes:
        inputs: From an epoch, from 0 on, to the network's inputs, each `[n, …]`; the same for the
            same epoch.
        seed: Seed of the order of the examples.
    """

    inputs: Callable[[int], dict[str, Rows]]
    seed: int

    def rows(self, places: NDArray[np.int64]) -> "Variation":
        """Returns the variation of the examples at `places`."""

        def inputs(epoch: int) -> dict[str, Rows]:
            return {name: pick_rows(values, places) for name, values in self.inputs(epoch).items()}

        return Variation(inputs=inputs, seed=self.seed)


def make_variation(
    files: Sequence[str],
    graph: TransformGraph,
    spec: ModelSpec,
    *,
    inputs: Mapping[str, Rows],
    store: RowStore | None = None,
    batch_rows: int = 4_096,
) -> Variation:
    """Returns the variation of a split that a spec asks for.

    Args:
        files: Gzip TFRecords of tf.Examples; the inputs come in their order.
        graph: The transform graph.
        spec: The features, what to vary, and the seed.
        inputs: The inputs of the network without variation, in the order of the files.
        store: Where the inputs of an epoch are kept; by default as `RowStore` decides.
        batch_rows: Examples that are varied at once; the draws depend on it.
    """
    store = store or RowStore()
    varied_signals = of_kind(
        {name: spec.features[name] for name in spec.train.augmentation}, Signal
    )
    if varied_signals:
        batches = _signal_batches(files, graph, spec, batch_rows, store.limit_bytes)
    else:
        batches = _plain_batches(inputs, batch_rows)

    deviations_db = _band_deviations(files, graph, spec)

    def varied(epoch: int) -> Iterator[Arrays]:
        rng = np.random.default_rng([spec.seed, epoch])
        for batch in batches(rng):
            yield batch | augment_media(
                batch, spec.features, spec.train.augmentation, deviations_db, rng
            )

    return Variation(inputs=lambda epoch: store.collect(varied(epoch)), seed=spec.seed)


def _band_deviations(
    files: Sequence[str], graph: TransformGraph, spec: ModelSpec
) -> dict[str, NDArray[np.float32]]:
    """By varied sound, float32 `[mels]`: what the graph divides its levels in dB by."""
    sounds = of_kind({name: spec.features[name] for name in spec.train.augmentation}, Audio)
    if not sounds:
        return {}
    first = next(iter(example_dataset(*files, batch_rows=1)))
    transformed = graph(tf.io.parse_example(first, dict(graph.raw_spec)))
    return {name: transformed[deviation_name(name)].numpy()[0] for name in sounds}


def _plain_batches(inputs: Mapping[str, Rows], batch_rows: int) -> Batches:
    """The inputs of the network as they are."""
    num_rows = len(next(iter(inputs.values())))

    def batches(_: np.random.Generator) -> Iterator[Arrays]:
        for start in range(0, num_rows, batch_rows):
            rows = slice(start, start + batch_rows)
            yield {name: values[rows] for name, values in inputs.items()}

    return batches


def _signal_batches(
    files: Sequence[str],
    graph: TransformGraph,
    spec: ModelSpec,
    batch_rows: int,
    limit_bytes: int,
) -> Batches:
    """The inputs of the network with varied signals."""
    signals = of_kind(spec.features, Signal)
    raw_batches = _raw_batches(files, graph, signals, batch_rows, limit_bytes)

    # Nothing to convert: see `models.training.trainer.make_transform`.
    @tf.function(reduce_retracing=True, autograph=False)
    def transform(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        transformed = graph(raw_from_serving(batch, graph.raw_spec))
        return network_inputs(transformed, graph.index_space)

    def batches(rng: np.random.Generator) -> Iterator[Arrays]:
        for raw in raw_batches():
            columns = raw | augment(raw, signals, spec.train.augmentation, rng)
            outputs = transform({name: tf.constant(values) for name, values in columns.items()})
            yield {name: values.numpy() for name, values in outputs.items()}

    return batches


def _raw_batches(
    files: Sequence[str],
    graph: TransformGraph,
    signals: Mapping[str, Signal],
    batch_rows: int,
    limit_bytes: int,
) -> Callable[[], Iterable[Arrays]]:
    """The raw columns for each epoch: kept in memory up to a limit, beyond it read each time."""

    def read() -> Iterator[Arrays]:
        for serialised in example_dataset(*files, batch_rows=batch_rows):
            parsed = tf.io.parse_example(serialised, dict(graph.raw_spec))
            # `[rows, size]`, a missing value as `raw_from_serving` takes it.
            yield {
                name: dense_column(
                    column, signals[name].num_samples if name in signals else 1
                ).numpy()
                for name, column in parsed.items()
            }

    kept: list[Arrays] = []
    size = 0
    for batch in read():
        kept.append(batch)
        size += sum(_num_bytes(values) for values in batch.values())
        if size > limit_bytes:
            return read
    return lambda: kept


def _num_bytes(values: NDArray[Any]) -> int:
    return sum(map(len, values.flat)) if values.dtype == object else values.nbytes


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
