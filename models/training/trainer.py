"""Training, calibration and export of the model; TFX's Trainer calls `run_fn`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

from common.internals.tf import disable_op_determinism
from measuring.events.timeline import Timeline
from models.exporting.export import (
    EVAL_PREDICTIONS_FILE,
    OUT_OF_FOLD_FILE,
    add_model_info,
    export_model,
)
from models.exporting.warmup import write_warmup
from models.framing import FRAMING_KEY, NO_FRAMING_KEY, Framing
from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.probabilities.calibration import fit_calibration
from models.probabilities.probability import ProbabilityMap
from models.probabilities.sampling import (
    SAMPLING_KEY,
    SamplingRecord,
    SamplingShift,
    sampling_shift,
)
from models.probabilities.thresholds import choose_threshold
from models.search_space import tuned_options
from models.stored_rows import RowStore
from models.timelines import read_timeline
from models.train_options import wants_trees
from models.training.cross_fitting.deciding import (
    Held,
    decide,
    fit_rule,
    predictions_table,
)
from models.training.cross_fitting.fitting import cross_fit
from models.training.data import (
    Dataset,
    emphasised,
    files_of,
    first_records,
    make_transform,
    read_eval,
    read_train,
)
from models.training.fitting import ModelData, Trained, train_model
from models.trees.inputs import TreeInputs
from models.trees.saved import write_trees

EVAL_METRICS_FILE = "eval_metrics.json"
_WARMUP_ROWS = 64


def run_fn(fn_args: Any) -> None:
    """Trains and exports; called by TFX's Trainer.

    Args:
        fn_args: TFX's `FnArgs`; `custom_config` holds a `ModelSpec` as JSON under `model_spec`
            and, where the train split is a sample, its `SamplingRecord` under `sampling`, and where
            the examples are windows of recordings, their `Framing` under `framing`.
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
    recorded = recorded_sampling(fn_args.custom_config)
    run_dir, folder = Path(fn_args.model_run_dir), Path(fn_args.serving_model_dir)
    data = read_data(fn_args, spec, sampling_shift(recorded), store=RowStore(folder=run_dir))
    if spec.cross_fit is None:
        ready = _train(data, run_dir, sampling_shift(recorded))
    else:
        ready = _cross_fit(data, run_dir)
    trained, probability, threshold = ready.trained, ready.probability, ready.threshold
    export_model(
        trained.scorer,
        data.graph,
        folder,
        probability=probability,
        threshold=threshold,
        recorded=recorded,
        framing=_framing(fn_args.custom_config),
    )
    add_model_info(folder, {"model": trained.facts} | _no_framing(fn_args.custom_config))
    if trained.booster is not None:
        write_trees(folder, trained.booster, data.tree_inputs.columns)
    write_warmup(folder, first_records(fn_args.eval_files, _WARMUP_ROWS))
    values = {**trained.facts, "threshold": threshold, **probability.to_json()}
    _write_metrics(run_dir, values | _emphasis_facts(data.train))
    _write_predictions(run_dir, ready.eval_probabilities)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ready:
    """A model that is ready for the export, and its probabilities of eval, float64 `[n]`."""

    trained: Trained
    probability: ProbabilityMap
    threshold: float
    eval_probabilities: NDArray[np.float64]


def _train(data: ModelData, run_dir: Path, sampling: SamplingShift) -> _Ready:
    """Trains on train; calibrates and chooses the threshold on eval."""
    trained = train_model(data, run_dir)
    evaluation, spec = data.evaluation, data.spec
    probability, probabilities = fit_probability(trained, evaluation, spec=spec, sampling=sampling)
    labels = evaluation.labels.astype(np.float64)
    return _Ready(
        trained=trained,
        probability=probability,
        threshold=choose_threshold(
            spec.threshold, probabilities, labels, evaluation.groups, data.timeline
        ),
        eval_probabilities=probabilities,
    )


def _cross_fit(data: ModelData, run_dir: Path) -> _Ready:
    """Trains on train and eval; calibrates and chooses the threshold out of fold."""
    trained, predictions = cross_fit(data, run_dir)
    held = Held.of(predictions, data.train, data.spec, data.timeline)
    rule = fit_rule(held, data.spec)
    probabilities, decisions = decide(held, data.spec, rule)
    num_train = data.train.labels.size - data.evaluation.labels.size
    run_dir.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        predictions_table(held, probabilities, decisions, num_train=num_train),
        run_dir / OUT_OF_FOLD_FILE,
    )
    corrected = trained.correction.apply(trained.eval_logits)
    return _Ready(
        trained=trained,
        probability=ProbabilityMap(correction=trained.correction, calibration=rule.calibration),
        threshold=rule.threshold,
        eval_probabilities=rule.calibration.probabilities(corrected),
    )


def read_data(
    fn_args: Any, spec: ModelSpec, sampling: SamplingShift, *, store: RowStore
) -> ModelData:
    """Reads what a model is trained on; with cross-fitting, that is train and eval together.

    Args:
        fn_args: TFX's `FnArgs`, as for `run_fn`.
        spec: The features and the options.
        sampling: Shift of the logits by the sampling of the train split.
        store: Where the inputs of the model are kept.
    """
    graph = TransformGraph(fn_args.transform_graph_path, spec)
    tree_inputs = TreeInputs(spec.features, graph.vocabulary)
    with_trees = wants_trees(spec.train)
    trained_on = [*fn_args.train_files, *(fn_args.eval_files if spec.cross_fit else [])]
    transform = make_transform(
        graph,
        sampling,
        trees=tree_inputs if with_trees else None,
        network=spec.train.model != "trees",
        folds=spec.folds if with_trees or spec.cross_fit else None,
    )
    train = read_train(trained_on, transform, graph, spec, store=store)
    return ModelData(
        graph=graph,
        spec=spec,
        train=emphasised(train, trained_on, fn_args.base_model, spec.train),
        evaluation=read_eval(fn_args.eval_files, transform, spec, store=store),
        tree_inputs=tree_inputs,
        timeline=_timeline(trained_on if spec.cross_fit else fn_args.eval_files, spec),
    )


def _timeline(patterns: Sequence[str], spec: ModelSpec) -> Timeline | None:
    """Where the examples that the threshold is chosen on are in time, if its rule needs it."""
    is_needed = spec.threshold.kind == "false_alarms_per_day"
    return read_timeline(*files_of(patterns)) if is_needed else None


def recorded_sampling(custom_config: Mapping[str, str]) -> SamplingRecord | None:
    """Returns the recorded sampling of the train split; None if it is not sampled."""
    text = custom_config.get(SAMPLING_KEY)
    return None if text is None else SamplingRecord.from_json(text)


def _framing(custom_config: Mapping[str, str]) -> Framing | None:
    """How whole recordings are cut into windows; None if the examples are no windows."""
    text = custom_config.get(FRAMING_KEY)
    return None if text is None else Framing.from_json(text)


def _no_framing(custom_config: Mapping[str, str]) -> dict[str, Any]:
    """Why a model of windows takes no whole recordings, for its `model_info.json`."""
    reason = custom_config.get(NO_FRAMING_KEY)
    return {} if reason is None else {NO_FRAMING_KEY: reason}


def fit_probability(
    trained: Trained, evaluation: Dataset, *, spec: ModelSpec, sampling: SamplingShift
) -> tuple[ProbabilityMap, NDArray[np.float64]]:
    """Returns the conversion of logits, fitted on eval, and the probabilities of eval `[n]`.

    Args:
        trained: A trained model.
        evaluation: The eval split.
        spec: Its calibration.
        sampling: Shift of the logits by the sampling of the train split.
    """
    correction = replace(trained.correction, sampling=sampling)
    corrected = correction.apply(trained.eval_logits, evaluation.shift)
    labels = evaluation.labels.astype(np.float64)
    calibration = fit_calibration(spec.calibration, corrected, labels)
    probability = ProbabilityMap(correction=correction, calibration=calibration)
    return probability, calibration.probabilities(corrected)


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


def _write_metrics(folder: Path, values: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(values, indent=2) + "\n"
    (folder / EVAL_METRICS_FILE).write_text(text, encoding="utf-8")


def _write_predictions(folder: Path, probabilities: NDArray[np.float64]) -> None:
    """Writes the Trainer's own answers on the eval split, in the order of its files."""
    pq.write_table(pa.table({"probability": probabilities}), folder / EVAL_PREDICTIONS_FILE)
