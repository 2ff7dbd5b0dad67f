"""Training, calibration and export of the model; TFX's Trainer calls `run_fn`."""

import glob
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from common.example_files import example_dataset, read_serialised
from common.internals.tf import disable_op_determinism
from models.exporting.export import EVAL_PREDICTIONS_FILE, export_model
from models.exporting.warmup import write_warmup
from models.inputs.encoding import LABEL_NAME
from models.inputs.transform_graph import TransformGraph, network_inputs
from models.model_spec import ModelSpec
from models.probabilities.calibration import fit_calibration
from models.probabilities.correction import LogitCorrection
from models.probabilities.probability import ProbabilityMap, shift_in_graph
from models.probabilities.sampling import (
    SAMPLING_KEY,
    SamplingRecord,
    SamplingShift,
    sampling_shift,
)
from models.probabilities.thresholds import choose_threshold
from models.train_options import TrainOptions
from models.training.hard_negatives import emphasis, score_examples
from models.training.losses import training_loss
from models.training.network import build_network
from models.training.search_space import tuned_options
from models.training.variation import Variation, VariedBatches, make_variation

EVAL_METRICS_FILE = "eval_metrics.json"
_SHIFT_NAME = "sampling_shift"
_READ_BATCH = 4_096
_WARMUP_ROWS = 64
_progress = logging.getLogger("faultline.progress")

Arrays = dict[str, NDArray[Any]]
Transform = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Dataset:
    """One split in memory.

    Attributes:
        inputs: The network's inputs, each `[n, …]`.
        labels: float32 `[n]` of 0 and 1.
        shift: float64 `[n]`, or one number for all: shift of the logits by the sampling of the
            train split.
        weights: float32 `[n]`, weights of the examples besides those of the classes; None: all 1.
        variation: Varied inputs of each epoch; None: `inputs` in every epoch.
    """

    inputs: Arrays
    labels: NDArray[np.float32]
    shift: NDArray[np.float64] | float = 0.0
    weights: NDArray[np.float32] | None = None
    variation: Variation | None = None


def run_fn(fn_args: Any) -> None:
    """Trains and exports; called by TFX's Trainer.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` holds a `ModelSpec` as JSON under `model_spec`
            and, where the train split is a sample, its `SamplingRecord` under `sampling`.
            `hyperparameters` is the result of a Tuner, if there was one, and `base_model` the
            folder of the last blessed model, if it is needed.
    """
    spec = ModelSpec.from_json(fn_args.custom_config["model_spec"])
    if fn_args.hyperparameters:
        tuned = tuned_options(spec.train, fn_args.hyperparameters["values"])
        spec = replace(spec, train=tuned)
    with reproducible(spec.seed):
        _train_and_export(fn_args, spec)


def _train_and_export(fn_args: Any, spec: ModelSpec) -> None:
    graph = TransformGraph(fn_args.transform_graph_path, spec)
    recorded = recorded_sampling(fn_args.custom_config)
    transform = make_transform(graph, sampling_shift(recorded))
    train = read_train(fn_args.train_files, transform, graph, spec)
    train = emphasised(train, fn_args, spec.train)
    evaluation = read_split(fn_args.eval_files, transform)
    network = build_network(graph.index_space, spec.train)
    history = train_network(
        network, train, evaluation, options=spec.train, log_dir=Path(fn_args.model_run_dir)
    )
    probability, probabilities = fit_probability(
        network, train, evaluation, spec=spec, sampling=sampling_shift(recorded)
    )
    labels = evaluation.labels.astype(np.float64)
    threshold = choose_threshold(spec.threshold, probabilities, labels)
    folder = Path(fn_args.serving_model_dir)
    export_model(
        network, graph, folder, probability=probability, threshold=threshold, recorded=recorded
    )
    write_warmup(folder, _first_records(fn_args.eval_files, _WARMUP_ROWS))
    values = asdict(history) | {"threshold": threshold, **probability.to_json()}
    _write_metrics(Path(fn_args.model_run_dir), values | _emphasis_facts(train))
    _write_predictions(Path(fn_args.model_run_dir), probabilities)


def recorded_sampling(custom_config: Mapping[str, str]) -> SamplingRecord | None:
    """Returns the recorded sampling of the train split; None if it is not sampled."""
    text = custom_config.get(SAMPLING_KEY)
    return None if text is None else SamplingRecord.from_json(text)


def fit_probability(
    network: keras.Model,
    train: Dataset,
    evaluation: Dataset,
    *,
    spec: ModelSpec,
    sampling: SamplingShift,
) -> tuple[ProbabilityMap, NDArray[np.float64]]:
    """Returns the conversion of logits, fitted on eval, and the probabilities of eval `[n]`.

    Args:
        network: A trained network.
        train: The split that it was trained on.
        evaluation: The eval split.
        spec: Its loss, class weights and calibration.
        sampling: Shift of the logits by the sampling of the train split.
    """
    correction = make_correction(train.labels, spec.train, sampling)
    corrected = correction.apply(_logits(network, evaluation.inputs), evaluation.shift)
    labels = evaluation.labels.astype(np.float64)
    calibration = fit_calibration(spec.calibration, corrected, labels)
    probability = ProbabilityMap(correction=correction, calibration=calibration)
    return probability, calibration.probabilities(corrected)


def make_correction(
    labels: NDArray[np.float32], options: TrainOptions, sampling: SamplingShift
) -> LogitCorrection:
    """Returns the correction for the loss and the sampling that a network was trained with.

    Args:
        labels: The labels that it was trained on.
        options: Its loss and class weights.
        sampling: Shift of the logits by the sampling of the train split.
    """
    weights = class_weights(labels, options)
    return LogitCorrection(
        focal_gamma=options.focal_gamma if options.loss == "focal" else 0.0,
        class_weight=0.0 if weights is None else -math.log(weights[1] / weights[0]),
        sampling=sampling,
    )


def emphasised(train: Dataset, fn_args: Any, options: TrainOptions) -> Dataset:
    """Returns the train split, with more weight on hard negatives if the options say so."""
    if options.hard_negatives is None:
        return train
    if not fn_args.base_model:
        _progress.info("no model is blessed yet: this one is trained without hard negatives")
        return train
    scores = score_examples(Path(fn_args.base_model), _files(fn_args.train_files))
    weights = emphasis(scores, train.labels, options.hard_negatives)
    return replace(train, weights=weights)


def _emphasis_facts(train: Dataset) -> dict[str, Any]:
    if train.weights is None:
        return {}
    num_hard = int(np.sum((train.labels < 0.5) & (train.weights > 1)))
    return {"num_hard_negatives": num_hard}


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Makes training reproducible, bit for bit, on machines of one type.

    Afterwards, deterministic operations are no longer required: TensorFlow lacks some, which other
    steps in the same process, such as the evaluation, may need.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        disable_op_determinism()


def make_transform(graph: TransformGraph, sampling: SamplingShift | None = None) -> Transform:
    """Returns a function from serialised tf.Examples, string `[n]`, to the inputs and the label.

    Args:
        graph: The transform graph.
        sampling: Shift of the logits by the sampling of the train split; None adds nothing.
    """
    sampling = sampling or SamplingShift()

    # There is no Python control flow to convert, and autograph would take longer than the reading.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def transform(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(serialised, {**graph.raw_spec, **graph.label_spec})
        transformed = graph(parsed)
        label = transformed[LABEL_NAME]
        shift = tf.broadcast_to(shift_in_graph(sampling, parsed), tf.shape(label))
        extra = {LABEL_NAME: label, _SHIFT_NAME: shift}
        return network_inputs(transformed, graph.index_space) | extra

    return transform  # type: ignore[no-any-return]


def read_split(patterns: Sequence[str], transform: Transform) -> Dataset:
    """Reads tf.Examples, applies the transform graph and keeps the result in memory.

    Args:
        patterns: File patterns of gzip TFRecords.
        transform: The function that `make_transform` returned.

    Raises:
        ValueError: No examples.
    """
    records = example_dataset(*_files(patterns), batch_rows=_READ_BATCH)
    batches = [{k: v.numpy() for k, v in transform(batch).items()} for batch in records]
    if not batches:
        raise ValueError(f"No examples in {list(patterns)}.")
    # The pieces of a column are freed as soon as it is complete.
    arrays = {key: np.concatenate([b.pop(key) for b in batches]) for key in list(batches[0])}
    labels, shift = arrays.pop(LABEL_NAME)[:, 0], arrays.pop(_SHIFT_NAME)[:, 0]
    return Dataset(inputs=arrays, labels=labels, shift=shift)


def read_train(
    patterns: Sequence[str], transform: Transform, graph: TransformGraph, spec: ModelSpec
) -> Dataset:
    """Reads the train split, with the variation of its signals if the options set one.

    Args:
        patterns: File patterns of gzip TFRecords.
        transform: The function that `make_transform` returned.
        graph: The transform graph.
        spec: The features, the options and the seed.

    Raises:
        ValueError: No examples.
    """
    train = read_split(patterns, transform)
    if not spec.train.augmentation:
        return train
    return replace(train, variation=make_variation(_files(patterns), graph, spec))


def _files(patterns: Sequence[str]) -> list[str]:
    return sorted(file for pattern in patterns for file in glob.glob(pattern))  # noqa: PTH207


def _first_records(patterns: Sequence[str], count: int) -> list[bytes]:
    return list(next(read_serialised(*_files(patterns), batch_rows=count), ()))


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
        scores = _logits(self.model, self._evaluation.inputs) + self._evaluation.shift
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
        _check_both_classes(split, dataset.labels)
    # With decreasing steps the last epochs differ less, so that the choice of the best one by a few
    # dozen positive examples depends less on chance.
    num_steps = options.epochs * math.ceil(train.labels.size / options.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(options.learning_rate, num_steps)
    network.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=training_loss(options),
        jit_compile=False,
    )
    watcher = EvalPrAuc(evaluation, options)
    network.fit(
        **_batches(train, options),
        epochs=options.epochs,
        # The watcher comes first: it adds eval_pr_auc to what TensorBoard logs.
        callbacks=[watcher, keras.callbacks.TensorBoard(str(log_dir), write_graph=False)],
        verbose=0,
    )
    return watcher.history


def _batches(train: Dataset, options: TrainOptions) -> dict[str, Any]:
    """The data as arguments of Keras's `fit`."""
    weights = example_weights(train, options)
    if train.variation is not None:
        batches = VariedBatches(train.variation, train.labels, weights, options.batch_size)
        return {"x": batches, "shuffle": False}
    return {
        "x": train.inputs,
        "y": train.labels,
        "sample_weight": weights,
        "batch_size": options.batch_size,
    }


def _check_both_classes(split: str, labels: NDArray[np.float32]) -> None:
    num_positive = int(labels.sum())
    if not 0 < num_positive < labels.size:
        raise ValueError(
            f"The {split} split has {num_positive} positive examples among {labels.size}; training "
            "needs both classes in it. Give more data, or another `split`."
        )


def class_weights(labels: NDArray[np.float32], options: TrainOptions) -> Mapping[int, float] | None:
    """Returns the weight of each class in the loss, or None if all examples weigh the same.

    `balanced` gives class c the weight n / (2 n_c), so that both classes add up to n / 2.
    """
    if options.class_weight == "none":
        return None
    num_positive = float(labels.sum())
    return {
        0: labels.size / (2 * (labels.size - num_positive)),
        1: labels.size / (2 * num_positive),
    }


def example_weights(train: Dataset, options: TrainOptions) -> NDArray[np.float32] | None:
    """Returns the weights of the examples in the loss, float32 `[n]`, or None if all are equal.

    Args:
        train: The train split.
        options: The class weights.
    """
    by_class = class_weights(train.labels, options)
    if by_class is None:
        return train.weights
    weights = np.where(train.labels > 0.5, np.float32(by_class[1]), np.float32(by_class[0]))
    return weights if train.weights is None else weights * train.weights


def _logits(network: keras.Model, inputs: Arrays) -> NDArray[np.float64]:
    """float64 `[n]` logits."""
    size = len(next(iter(inputs.values())))
    parts = [
        network.predict_on_batch({k: v[start : start + _READ_BATCH] for k, v in inputs.items()})
        for start in range(0, size, _READ_BATCH)
    ]
    return np.concatenate(parts)[:, 0].astype(np.float64)


def _write_metrics(folder: Path, values: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(values, indent=2) + "\n"
    (folder / EVAL_METRICS_FILE).write_text(text, encoding="utf-8")


def _write_predictions(folder: Path, probabilities: NDArray[np.float64]) -> None:
    """Writes the Trainer's own answers on the eval split, in the order of its files."""
    pq.write_table(pa.table({"probability": probabilities}), folder / EVAL_PREDICTIONS_FILE)
