"""`faultline explain`: why a model gave one answer, and what its columns are worth to it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.example_files import split_files
from models.exporting.export import SERVING_DEFAULT, read_signatures
from models.features import Feature, FeatureTable, Media, Signal, Time, of_kind
from models.inputs.raw_columns import columns_from_examples
from models.inputs.stacks import MISSING_INT
from models.model_spec import ModelSpec
from models.search_space import tuned_options
from models.train_options import TrainOptions
from pipeline.comparing.comparison import find_run
from pipeline.comparing.pairing import CannotPairError, Pair, find_pair
from pipeline.config import Config
from pipeline.config_loading import config_from_json
from pipeline.explaining.attribution import (
    Probability,
    as_tensors,
    integrated_gradients,
    load_probability,
    mean_baseline,
)
from pipeline.explaining.importance import Importance, permutation_importance
from pipeline.explaining.logit_parts import (
    LogitModel,
    LogitParts,
    TreePart,
    load_logit_model,
    logit_parts,
)
from pipeline.explaining.rows import (
    Row,
    RowChoice,
    TestSplit,
    find_row,
    read_split,
    row_of_file,
    row_of_other_splits,
    row_of_request,
    shown_value,
)
from pipeline.explaining.shapley import Columns, shapley_values
from pipeline.explaining.training_rows import (
    Neighbour,
    TrainingRows,
    dated,
    nearest_rows,
    sample_rows,
)
from pipeline.lineage.graph import Graph, Run, Step
from pipeline.lineage.references import pushed_name
from pipeline.lineage.runs import examples_of, run_output
from pipeline.prediction.contract import time_columns
from pipeline.tracking.run_record import model_spec, trained_with

REPEATS = 10
NUM_BACKGROUND = 100
# Training rows that are looked through for neighbours; more would take memory and minutes.
_NUM_TRAINING_ROWS = 10_000
# Options that decide the network's shape; a Tuner may have found them.
_SHAPE = ("hidden_units", "filters", "dropout")


Method = Literal["sampling", "trees", "blend"]


@dataclass(frozen=True, kw_only=True)
class ColumnPart:
    """A column's part in one answer.

    Attributes:
        column: The column.
        part: Its Shapley value, of the probability or of the logit.
        error: The standard error that sampling leaves in it.
        value: The row's value in words; empty for a missing one.
        unit: The value's physical unit, or empty.
    """

    column: str
    part: float
    error: float
    value: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class SignalPart:
    """Where in a signal its effect is.

    Attributes:
        column: The signal.
        unit: Physical unit of a sample, or empty.
        seconds: Times of the samples from the first one on.
        values: The samples; None where one is missing.
        parts: Integrated gradients of the samples, from the mean of the background to the row; the
            other columns are the row's own. In a blend, of the network's share in the logit.
    """

    column: str
    unit: str
    seconds: list[float]
    values: list[float | None]
    parts: list[float]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a model answered so for a row.

    Attributes:
        run: The run that trained the model.
        version: `NAME/VERSION` that the run pushed, or that it pushed none.
        use_case: Its use case.
        row: What the row is, for people.
        slug: The same for a file name.
        label: Its label, or None where it is not known.
        probability: The model's answer.
        background_probability: Its mean answer for the background rows.
        num_background: Background rows, drawn from train.
        method: `sampling`, Shapley values of the probability; `trees`, exact ones of the trees'
            logit; or `blend`, of the logit: exact ones of the trees, sampled ones of the network.
        parts: The columns' parts, the greatest first; they add up to the difference of the two
            probabilities, or of the two logits.
        logit: The model's logit before the correction for a sampling and the calibration; None with
            `sampling`.
        usual_logit: The logit from which the parts lead to `logit`.
        tree_parts: The trees' share in the parts by input, such as a summary of a signal, the
            greatest first.
        signals: Where in each signal its effect is; empty for trees, which see summaries.
        neighbours: The training rows that are most alike, the nearest first.
        num_searched: Training rows that were looked through for them.
        num_train: Rows of the train split.
        importances: What the columns are worth to the model; empty where test has one class only.
    """

    run: str
    version: str
    use_case: str
    row: str
    slug: str
    label: int | None
    probability: float
    background_probability: float
    num_background: int
    method: Method
    parts: list[ColumnPart]
    logit: float | None
    usual_logit: float | None
    tree_parts: list[TreePart]
    signals: list[SignalPart]
    neighbours: list[Neighbour]
    num_searched: int
    num_train: int
    importances: list[Importance]

    def to_json(self) -> dict[str, Any]:
        """Returns the explanation as JSON values."""
        return asdict(self)


def explain(
    graph: Graph, reference: str, choice: RowChoice, config: Config | None = None
) -> Explanation:
    """Returns why a run's model answered so for a row.

    Args:
        graph: What ML Metadata holds.
        reference: A run's id, a version, or `latest`.
        choice: The row that is meant.
        config: How a data file is read; by default as the run read its data.

    Raises:
        InputError: There is no such run, model or row.
    """
    run = find_run(graph, reference)
    try:
        pair = find_pair(graph, run, run)
    except CannotPairError as error:
        raise InputError(f"Run {run.id} cannot be explained: {error}.") from error
    spec = _spec_of(graph, run)
    inputs = read_signatures(pair.second)[SERVING_DEFAULT].inputs
    split = read_split(pair.files, inputs, pair.label)
    files = _files_of_splits(graph, run)
    row = _choose_row(choice, split, files, pair, config or _config_of(run, choice))
    training = sample_rows(files["train"], _NUM_TRAINING_ROWS, seed=spec.seed)
    background = _background(training, inputs, spec.seed)
    probability = load_probability(pair.second)
    graph_folder = _transform_graph(graph, run)
    logit_model = load_logit_model(pair.second, graph_folder, spec)
    moved = _moved(logit_model, probability, row, background, spec.seed)
    return Explanation(
        run=run.id,
        version=_version(graph, run),
        use_case=run.use_case,
        row=row.title,
        slug=row.slug,
        label=row.label,
        probability=float(_asking(probability)(row.columns)[0]),
        background_probability=float(_asking(probability)(background).mean()),
        num_background=min(NUM_BACKGROUND, len(training.records)),
        method=moved.method,
        parts=_column_parts(moved, row, spec.features),
        logit=moved.of_logit.logit if moved.of_logit else None,
        usual_logit=moved.of_logit.usual if moved.of_logit else None,
        tree_parts=moved.of_logit.of_trees if moved.of_logit else [],
        signals=_signal_parts(moved.differentiable, row, background, spec.features),
        neighbours=dated(
            nearest_rows(row.columns, training, graph_folder, spec),
            time_columns(pair.second),
        ),
        num_searched=len(training.records),
        num_train=training.num_rows,
        importances=_importances(probability, split),
    )


def _choose_row(
    choice: RowChoice,
    split: TestSplit,
    files: Mapping[str, Sequence[str]],
    pair: Pair,
    config: Config | None,
) -> Row:
    if choice.request is not None:
        return row_of_request(choice.request, pair.second)
    if choice.data is None:
        number = find_row(split, choice.row, choice.where)
        if number is not None:
            return split.row(number)
        inputs = read_signatures(pair.second)[SERVING_DEFAULT].inputs
        return row_of_other_splits(files, str(choice.where), inputs, pair.label)
    if config is None:
        raise InputError("The run has not recorded how it read its data; give its YAML, --config.")
    return row_of_file(choice, config, pair.second)


def _config_of(run: Run, choice: RowChoice) -> Config | None:
    return config_from_json(json.dumps(run.config)) if choice.data and run.config else None


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """The parts of the columns by one of the methods.

    Attributes:
        method: How they were computed.
        parts: By column.
        errors: Their standard errors.
        differentiable: The function that has gradients, if there is one.
        of_logit: The parts of the logit, for a model with trees.
    """

    method: Method
    parts: Mapping[str, float]
    errors: Mapping[str, float]
    differentiable: Probability | None
    of_logit: LogitParts | None = None


def _moved(
    model: LogitModel | None, probability: Probability, row: Row, background: Columns, seed: int
) -> _Moved:
    if model is None:
        shapley = shapley_values(_asking(probability), row.columns, background, seed=seed)
        return _Moved(
            method="sampling",
            parts=shapley.parts,
            errors=shapley.errors,
            differentiable=probability,
        )
    of_logit = logit_parts(model, row.columns, background, seed=seed)
    return _Moved(
        method="trees" if model.network is None else "blend",
        parts=of_logit.parts,
        errors=of_logit.errors,
        differentiable=None if model.network is None else model.network_logits,
        of_logit=of_logit,
    )


def _spec_of(graph: Graph, run: Run) -> ModelSpec:
    """The model's specification, with the shape of the network that a Tuner found."""
    trainer = next(step for step in run.steps if step.node == "Trainer" and step.succeeded)
    spec = ModelSpec.from_json(json.dumps(model_spec(trainer)))
    return replace(spec, train=_tuned(graph, trainer, spec))


def _tuned(graph: Graph, trainer: Step, spec: ModelSpec) -> TrainOptions:
    trained = trained_with(graph, trainer)
    return tuned_options(spec.train, {name: trained[name] for name in _SHAPE if name in trained})


def _version(graph: Graph, run: Run) -> str:
    pushed = run_output(graph, run, "PushedModel")
    return pushed_name(pushed) if pushed else "none: the run ended before the push"


def _files_of_splits(graph: Graph, run: Run) -> dict[str, list[str]]:
    """The files of the splits that the model was made from."""
    examples = examples_of(graph, run)
    files = {
        split: split_files(examples.uri, split) if examples else [] for split in ("eval", "train")
    }
    if not files["train"]:
        raise InputError(f"Run {run.id} cannot be explained: its train examples are gone.")
    return files


def _transform_graph(graph: Graph, run: Run) -> Path:
    transformed = run_output(graph, run, "TransformGraph")
    if transformed is None or not Path(transformed.uri).is_dir():
        raise InputError(f"Run {run.id} cannot be explained: its transform graph is gone.")
    return Path(transformed.uri)


def _background(
    training: TrainingRows, inputs: Mapping[str, Any], seed: int
) -> dict[str, NDArray[Any]]:
    """Columns of some training rows, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(training.records))[:NUM_BACKGROUND]
    records = [training.records[place] for place in sorted(order.tolist())]
    return columns_from_examples(records, inputs)


def _asking(probability: Probability) -> Callable[[Columns], NDArray[np.float64]]:
    return lambda columns: probability(as_tensors(columns)).numpy().astype(np.float64)


def _column_parts(moved: _Moved, row: Row, features: FeatureTable) -> list[ColumnPart]:
    parts = [
        ColumnPart(
            column=name,
            part=part,
            error=moved.errors[name],
            value=_value_text(row.columns[name][0], features.get(name)),
            unit="" if isinstance(features.get(name), Signal) else _unit(features, name),
        )
        for name, part in moved.parts.items()
    ]
    return sorted(parts, key=lambda one: (-abs(one.part), one.column))


def _unit(features: FeatureTable, name: str) -> str:
    return str(getattr(features.get(name), "unit", ""))


def _value_text(value: Any, feature: Feature | None) -> str:
    """A value in words; empty for a missing one."""
    if isinstance(value, bytes):
        is_file = isinstance(feature, Media) and value
        return f"a file of {len(value):,} bytes" if is_file else shown_value(value)
    if np.ndim(value):
        missing = int((~np.isfinite(value)).sum())
        return f"{len(value)} samples" + (f", {missing} missing" if missing else "")
    if np.issubdtype(type(value), np.integer):
        if value == MISSING_INT:
            return ""
        if isinstance(feature, Time):
            return np.datetime_as_string(np.datetime64(int(value), "s")) + "Z"
        return str(value)
    return f"{value:.6g}" if np.isfinite(value) else ""


def _signal_parts(
    probability: Probability | None, row: Row, background: Columns, features: FeatureTable
) -> list[SignalPart]:
    """Where in the signals their effect is, all of them moving together."""
    signals = of_kind(features, Signal)
    if not signals or probability is None:
        return []
    baseline = mean_baseline({name: background[name] for name in signals})
    attribution = integrated_gradients(probability, row.columns, baseline)
    return [
        SignalPart(
            column=name,
            unit=signal.unit,
            seconds=(np.arange(signal.num_samples) / _rate_hz(signal, row)).tolist(),
            values=[
                float(value) if np.isfinite(value) else None
                for value in row.columns[name][0].astype(float)
            ],
            parts=attribution.parts[name].tolist(),
        )
        for name, signal in signals.items()
    ]


def _rate_hz(signal: Signal, row: Row) -> float:
    """The row's own sampling rate where the data have it, else the nominal one."""
    text = row.others.get(signal.rate_column or "", "")
    try:
        rate = float(text)
    except ValueError:
        return signal.rate_hz
    return rate if rate > 0 else signal.rate_hz


def _importances(probability: Probability, split: TestSplit) -> list[Importance]:
    if len(np.unique(split.labels)) < 2:
        return []
    ask = _asking(probability)
    return permutation_importance(ask, split.columns, split.labels, repeats=REPEATS)
