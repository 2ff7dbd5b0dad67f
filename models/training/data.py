"""The examples of a split, as the model takes them."""

import glob
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from common.example_files import BLOCK_COLUMN, example_dataset, read_groups, read_serialised
from common.guards.free_memory import return_free_memory
from models.inputs.columns import dense_column
from models.inputs.encoding import LABEL_NAME
from models.inputs.preprocessing import category_text
from models.inputs.transform_graph import TransformGraph, network_inputs
from models.model_spec import FoldRule, ModelSpec
from models.probabilities.correction import LogitCorrection
from models.probabilities.probability import shift_in_graph
from models.probabilities.sampling import SamplingShift
from models.stored_rows import (
    GrowingRows,
    Rows,
    RowStore,
    StoredRows,
    pick_rows,
    row_bytes,
    rows_per_batch,
)
from models.threshold_rule import PromisedRate
from models.train_options import Part, TrainOptions
from models.training.hard_negatives import emphasis, score_examples
from models.training.variation import Variation, make_variation
from models.trees.inputs import TreeInputs

# Input of the trees, beside those of the network.
TREES_KEY = "trees"
_SHIFT_NAME, _KEY_NAME = "sampling_shift", "fold_key"
_READ_BATCH, _PROBED_ROWS = 4_096, 16
_FACTS = (LABEL_NAME, _SHIFT_NAME, _KEY_NAME)
_NUM_HASHES = 2**62
_progress = logging.getLogger("faultline.progress")

Arrays = dict[str, NDArray[Any]]
Inputs = Mapping[str, Rows]
Transform = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Dataset:
    """One split; its inputs are in memory or, where they are large, in files.

    Attributes:
        inputs: The inputs of the network and, under `TREES_KEY`, of the trees, each `[n, …]`.
        labels: float32 `[n]` of 0 and 1.
        shift: float64 `[n]`, or one number for all: shift of the logits by the sampling of the
            train split.
        weights: float32 `[n]`, weights of the examples besides those of the classes; None: all 1.
        variation: Varied inputs of the network of each epoch; None: `inputs` in every epoch.
        groups: int64 `[n]` in 0, 1, …, equal for dependent examples, if the threshold needs them.
        keys: int64 `[n]`, by which examples are dealt to folds; `[0]` if they are not. In a file
            where the inputs are.
    """

    inputs: Inputs
    labels: NDArray[np.float32]
    shift: NDArray[np.float64] | float = 0.0
    weights: NDArray[np.float32] | None = None
    variation: Variation | None = None
    groups: NDArray[np.int64] | None = None
    keys: Rows = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def network_inputs(self) -> Inputs:
        """The inputs of the network."""
        return {name: values for name, values in self.inputs.items() if name != TREES_KEY}

    def rows(self, places: NDArray[np.int64]) -> "Dataset":
        """Returns the examples at `places`."""
        return Dataset(
            inputs={name: pick_rows(values, places) for name, values in self.inputs.items()},
            labels=self.labels[places],
            shift=self.shift[places] if isinstance(self.shift, np.ndarray) else self.shift,
            weights=None if self.weights is None else self.weights[places],
            variation=None if self.variation is None else self.variation.rows(places),
            groups=None if self.groups is None else self.groups[places],
            keys=pick_rows(self.keys, places) if self.keys.size else self.keys,
        )


def make_transform(
    graph: TransformGraph,
    sampling: SamplingShift | None = None,
    *,
    trees: TreeInputs | None = None,
    network: bool = True,
    folds: FoldRule | None = None,
) -> Transform:
    """Returns a function from serialised tf.Examples, string `[n]`, to the inputs and the label.

    Args:
        graph: The transform graph.
        sampling: Shift of the logits by the sampling of the train split; None adds nothing.
        trees: The inputs of the trees, if they are wanted.
        network: Whether the inputs of the network are wanted.
        folds: By what examples are dealt to folds, if they are.
    """
    sampling = sampling or SamplingShift()
    key_spec = _key_spec(graph, folds)

    # There is no Python control flow to convert, and autograph would take longer than the reading.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def transform(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(serialised, {**graph.raw_spec, **graph.label_spec, **key_spec})
        transformed = graph({name: parsed[name] for name in (*graph.raw_spec, *graph.label_spec)})
        label = transformed[LABEL_NAME]
        shift = tf.broadcast_to(shift_in_graph(sampling, parsed), tf.shape(label))
        outputs = {LABEL_NAME: label, _SHIFT_NAME: shift}
        if folds is not None:
            outputs[_KEY_NAME] = _fold_key(folds, serialised, parsed)
        if trees is not None:
            outputs[TREES_KEY] = trees.in_graph(transformed)
        if network:
            outputs |= network_inputs(transformed, graph.index_space)
        return outputs

    return transform  # type: ignore[no-any-return]


def _key_spec(graph: TransformGraph, folds: FoldRule | None) -> Mapping[str, Any]:
    if folds is None or folds.column is None:
        return {}
    if folds.column == BLOCK_COLUMN:
        return {BLOCK_COLUMN: tf.io.FixedLenFeature([1], tf.int64)}
    return {folds.column: graph.column_spec(folds.column)}


def _fold_key(folds: FoldRule, serialised: tf.Tensor, parsed: Mapping[str, Any]) -> tf.Tensor:
    """int64 `[n]`: the hash of the example or of its group, its block, or its time."""
    if folds.column is None:
        return tf.strings.to_hash_bucket_fast(serialised, _NUM_HASHES)
    column = parsed[folds.column]
    if folds.strategy == "group":
        return tf.strings.to_hash_bucket_fast(category_text(column), _NUM_HASHES)[:, 0]
    return tf.cast(dense_column(column), tf.int64)[:, 0]


def read_split(
    patterns: Sequence[str],
    transform: Transform,
    *,
    store: RowStore | None = None,
    with_keys: bool = True,
) -> Dataset:
    """Reads tf.Examples, applies the transform graph and keeps the result.

    Args:
        patterns: File patterns of gzip TFRecords.
        transform: The function that `make_transform` returned.
        store: Where the inputs are kept; by default as `RowStore` decides.
        with_keys: Whether the keys that `transform` returns are kept.

    Raises:
        ValueError: No examples.
    """
    names = [name for name in _FACTS if with_keys or name != _KEY_NAME]
    facts: dict[str, GrowingRows] = defaultdict(GrowingRows)

    def inputs() -> Iterator[Arrays]:
        for batch in _transformed(patterns, transform):
            for name in (name for name in names if name in batch):
                facts[name].append(batch[name])
            yield {name: values for name, values in batch.items() if name not in _FACTS}

    store = store or RowStore()
    columns = store.collect(inputs())
    if not facts:
        raise ValueError(f"No examples in {list(patterns)}.")
    arrays = {name: facts.pop(name).array() for name in list(facts)}
    shift = arrays[_SHIFT_NAME][:, 0]
    keys: Rows = arrays.pop(_KEY_NAME, np.zeros(0, np.int64))
    if keys.size and any(isinstance(values, StoredRows) for values in columns.values()):
        keys = store.in_file(keys[:])
    return_free_memory()
    return Dataset(
        inputs=columns,
        labels=arrays[LABEL_NAME][:, 0],
        shift=shift if shift.any() else 0.0,
        keys=keys,
    )


def _transformed(patterns: Sequence[str], transform: Transform) -> Iterator[Arrays]:
    """Batches of what the transform returns, each of a limited number of bytes."""
    files = files_of(patterns)
    batch_rows = _PROBED_ROWS
    for serialised in example_dataset(*files, batch_rows=_PROBED_ROWS).take(1):
        num_bytes = sum(len(record) for record in serialised.numpy())
        num_bytes += sum(values.numpy().nbytes for values in transform(serialised).values())
        batch_rows = rows_per_batch(num_bytes / len(serialised), _READ_BATCH)
    for serialised in example_dataset(*files, batch_rows=batch_rows):
        yield {name: values.numpy() for name, values in transform(serialised).items()}


def read_eval(
    patterns: Sequence[str],
    transform: Transform,
    spec: ModelSpec,
    *,
    store: RowStore | None = None,
) -> Dataset:
    """Reads the eval split, with the groups of its examples if the threshold promises a rate.

    It has no keys: no folds are dealt of it.

    Args:
        patterns: File patterns of gzip TFRecords.
        transform: The function that `make_transform` returned.
        spec: The rule of the threshold and the column of the groups.
        store: Where the inputs are kept; by default as `RowStore` decides.

    Raises:
        ValueError: No examples.
    """
    evaluation = read_split(patterns, transform, store=store, with_keys=False)
    _report_stored("eval", evaluation)
    if spec.folds.group is None or spec.threshold.kind not in get_args(PromisedRate):
        return evaluation
    return replace(evaluation, groups=read_groups(*files_of(patterns), column=spec.folds.group))


def read_train(
    patterns: Sequence[str],
    transform: Transform,
    graph: TransformGraph,
    spec: ModelSpec,
    *,
    store: RowStore | None = None,
) -> Dataset:
    """Reads the train split, with the variation of its signals if the options set one.

    Args:
        patterns: File patterns of gzip TFRecords.
        transform: The function that `make_transform` returned.
        graph: The transform graph.
        spec: The features, the options and the seed.
        store: Where the inputs are kept; by default as `RowStore` decides.

    Raises:
        ValueError: No examples.
    """
    train = read_split(patterns, transform, store=store)
    _report_stored("train", train)
    if not spec.train.augmentation or spec.train.model == "trees":
        return train
    inputs = train.network_inputs
    variation = make_variation(
        files_of(patterns),
        graph,
        spec,
        inputs=inputs,
        store=store,
        batch_rows=rows_per_batch(row_bytes(inputs.values()), _READ_BATCH),
    )
    return replace(train, variation=variation)


def _report_stored(split: str, dataset: Dataset) -> None:
    num_bytes = sum(v.nbytes for v in dataset.inputs.values() if isinstance(v, StoredRows))
    if num_bytes:
        _progress.info(
            "%s streams from a file: %s examples, %s MB, more than is kept in memory",
            split,
            f"{dataset.labels.size:,}",
            f"{num_bytes / 1e6:,.0f}",
        )


def emphasised(
    train: Dataset, patterns: Sequence[str], base_model: str | None, options: TrainOptions
) -> Dataset:
    """Returns the examples, with more weight on hard negatives if the options say so.

    Args:
        train: The examples that are trained on.
        patterns: File patterns of gzip TFRecords with them.
        base_model: Folder of the last blessed model, if there is one.
        options: The options of hard negatives.
    """
    if options.hard_negatives is None:
        return train
    if not base_model:
        _progress.info("no model is blessed yet: this one is trained without hard negatives")
        return train
    scores = score_examples(Path(base_model), files_of(patterns))
    weights = emphasis(scores, train.labels, options.hard_negatives)
    return replace(train, weights=weights)


def files_of(patterns: Sequence[str]) -> list[str]:
    """Returns the files of patterns, sorted within each pattern."""
    return [file for pattern in patterns for file in sorted(glob.glob(pattern))]  # noqa: PTH207


def first_records(patterns: Sequence[str], count: int) -> list[bytes]:
    """Returns the first tf.Examples of a split, at most `count`."""
    return list(next(read_serialised(*files_of(patterns), batch_rows=count), ()))


def check_both_classes(split: str, labels: NDArray[np.float32]) -> None:
    """Checks that a split has both classes.

    Raises:
        ValueError: It lacks one.
    """
    num_positive = int(labels.sum())
    if not 0 < num_positive < labels.size:
        raise ValueError(
            f"The {split} split has {num_positive} positive examples among {labels.size}; training "
            "needs both classes in it. Give more data, or another `split`."
        )


def class_weights(
    labels: NDArray[np.float32], options: TrainOptions, part: Part = "network"
) -> Mapping[int, float] | None:
    """Returns the weight of each class in the loss, or None if all examples weigh the same.

    `balanced` gives class c the weight n / (2 n_c), so that both classes add up to n / 2.
    """
    if options.weighting(part) == "none":
        return None
    num_positive = float(labels.sum())
    return {
        0: labels.size / (2 * (labels.size - num_positive)),
        1: labels.size / (2 * num_positive),
    }


def example_weights(
    train: Dataset, options: TrainOptions, part: Part = "network"
) -> NDArray[np.float32] | None:
    """Returns the weights of the examples in the loss, float32 `[n]`, or None if all are equal.

    Args:
        train: The train split.
        options: The class weights.
        part: The part of the model.
    """
    by_class = class_weights(train.labels, options, part)
    if by_class is None:
        return train.weights
    weights = np.where(train.labels > 0.5, np.float32(by_class[1]), np.float32(by_class[0]))
    return weights if train.weights is None else weights * train.weights


def make_correction(
    labels: NDArray[np.float32],
    options: TrainOptions,
    sampling: SamplingShift | None = None,
    part: Part = "network",
) -> LogitCorrection:
    """Returns the correction for the loss and the sampling that a model was trained with.

    Args:
        labels: The labels that it was trained on.
        options: Its loss and class weights.
        sampling: Shift of the logits by the sampling of the train split.
        part: The part of the model.
    """
    weights = class_weights(labels, options, part)
    focal = part == "network" and options.loss == "focal"
    return LogitCorrection(
        focal_gamma=options.focal_gamma if focal else 0.0,
        class_weight=0.0 if weights is None else -math.log(weights[1] / weights[0]),
        sampling=sampling or SamplingShift(),
    )
