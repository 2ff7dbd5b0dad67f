"""Training of the model of a use case: the network, the trees, or both."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import xgboost
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from measuring.events.timeline import Timeline
from models.exporting.scorers import BlendPart, BlendScorer, NetworkScorer, Scorer, TreesScorer
from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.probabilities.correction import LogitCorrection
from models.train_options import TreeOptions
from models.training.choice import Choice, choose_model, train_folds
from models.training.data import (
    TREES_KEY,
    Dataset,
    check_both_classes,
    example_weights,
    make_correction,
)
from models.training.network import build_network
from models.training.network_fit import fit_epochs, network_logits, train_network
from models.trees.fitting import TreeData, grow, margins, out_of_fold
from models.trees.forest import Forest
from models.trees.inputs import TreeInputs

_progress = logging.getLogger("faultline.progress")

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelData:
    """What a model is trained on.

    Attributes:
        graph: The transform graph.
        spec: The features, the options and the seed.
        train: The train split.
        evaluation: The eval split.
        tree_inputs: The inputs of the trees.
        timeline: Where the examples that the threshold is chosen on are in time, if its rule needs
            it: those of eval, or with cross-fitting those of `train`.
    """

    graph: TransformGraph
    spec: ModelSpec
    train: Dataset
    evaluation: Dataset
    tree_inputs: TreeInputs
    timeline: Timeline | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A trained model.

    Attributes:
        scorer: The model, for the export.
        correction: Undoes its loss and class weights; it knows nothing of a sampling.
        eval_logits: float64 `[n]`, its uncorrected logits of the eval split.
        facts: Key figures, for the metadata.
        booster: The trees, if the model has some.
    """

    scorer: Scorer
    correction: LogitCorrection
    eval_logits: Floats
    facts: Mapping[str, Any]
    booster: xgboost.Booster | None = None


def train_model(data: ModelData, log_dir: Path) -> Trained:
    """Trains the model that the options ask for.

    Args:
        data: The examples.
        log_dir: Folder for TensorBoard.

    Raises:
        ValueError: A split lacks one of the classes.
    """
    check_both_classes("train", data.train.labels)
    check_both_classes("eval", data.evaluation.labels)
    kind = data.spec.train.model
    if kind == "network":
        return train_network_part(data, log_dir)
    if kind == "trees":
        return train_trees_part(data, log_dir)
    choice = choose_model(data.train, tree_data(data, data.train), data.graph, data.spec)
    return train_chosen(data, choice, log_dir)


def train_chosen(
    data: ModelData, choice: Choice, log_dir: Path, epochs: int | None = None
) -> Trained:
    """Trains the chosen model.

    Args:
        data: The examples.
        choice: The model, and the number of trees.
        log_dir: Folder for TensorBoard.
        epochs: Epochs of the network; by default it stops early on the eval split.
    """
    return _with_facts(_train_chosen(data, choice, log_dir, epochs), choice)


def _train_chosen(data: ModelData, choice: Choice, log_dir: Path, epochs: int | None) -> Trained:
    trees = choice.trees
    if choice.kind == "network":
        return train_network_part(data, log_dir, epochs)
    grown = train_trees_part(data, log_dir, trees.options, trees.rounds)
    if choice.kind == "trees":
        return grown
    network = train_network_part(data, log_dir, epochs)
    weights = {"network": choice.network_weight, "trees": 1 - choice.network_weight}
    parts = {"network": network, "trees": grown}
    logits = sum(
        weights[name] * part.correction.apply(part.eval_logits) for name, part in parts.items()
    )
    return Trained(
        scorer=BlendScorer(
            [BlendPart(p.scorer, p.correction, weights[name]) for name, p in parts.items()]
        ),
        correction=LogitCorrection(),
        eval_logits=np.asarray(logits, np.float64),
        facts={**grown.facts, **network.facts, "model": "blend", "weights": weights}
        | {"corrections": {name: asdict(part.correction) for name, part in parts.items()}}
        | _eval_facts(data, np.asarray(logits, np.float64)),
        booster=grown.booster,
    )


def _with_facts(trained: Trained, choice: Choice) -> Trained:
    return replace(trained, facts={**trained.facts, "choice": choice.to_json()})


def train_network_part(data: ModelData, log_dir: Path, epochs: int | None = None) -> Trained:
    """Trains the network.

    Args:
        data: The examples.
        log_dir: Folder for TensorBoard.
        epochs: Number of epochs, with the step sizes of a training of all epochs; by default it
            stops early on the eval split.
    """
    options = data.spec.train
    # The weights are the same whatever was trained before.
    keras.utils.set_random_seed(data.spec.seed)
    network = build_network(data.graph.index_space, options)
    facts: dict[str, Any] = {"model": "network"}
    if epochs is None:
        history = train_network(
            network, data.train, data.evaluation, options=options, log_dir=log_dir
        )
        facts |= asdict(history)
    else:
        curves = keras.callbacks.TensorBoard(str(log_dir), write_graph=False)
        fit_epochs(
            network,
            data.train,
            options=options,
            epochs=epochs,
            decay_epochs=options.epochs,
            callbacks=[curves],
        )
        facts["epochs"] = epochs
    return Trained(
        scorer=NetworkScorer(network, data.graph.index_space),
        correction=make_correction(data.train.labels, options),
        eval_logits=network_logits(network, data.evaluation.network_inputs),
        facts=facts,
    )


def train_trees_part(
    data: ModelData,
    log_dir: Path,
    options: TreeOptions | None = None,
    rounds: int | None = None,
) -> Trained:
    """Grows the trees.

    Args:
        data: The examples.
        log_dir: Folder for TensorBoard.
        options: Options of the trees; by default those of the spec.
        rounds: The number of rounds; by default it is chosen as the options say.
    """
    options = options or data.spec.train.trees
    train, watched = tree_data(data, data.train), None
    if rounds is None and options.stopping == "out_of_fold":
        rounds = _rounds_out_of_fold(data, train, options)
    elif rounds is None and options.stopping == "eval":
        watched = tree_data(data, data.evaluation)
    with _Curves(log_dir) as curves:
        booster, _ = grow(
            train,
            options,
            rounds=rounds or options.rounds,
            seed=data.spec.seed,
            watched=watched,
            on_round=curves.add,
        )
    if watched is not None:
        booster = booster[: booster.best_iteration + 1]
    forest = Forest.from_booster(booster)
    logits = margins(booster, tree_data(data, data.evaluation))
    facts = {
        "model": "trees",
        "trees": asdict(options),
        "rounds": booster.num_boosted_rounds(),
        "num_trees": forest.num_trees,
        "xgboost": xgboost.__version__,
    }
    _progress.info("%d trees of depth %d", forest.num_trees, options.max_depth)
    return Trained(
        scorer=TreesScorer(forest, data.tree_inputs),
        correction=make_correction(data.train.labels, data.spec.train, part="trees"),
        eval_logits=logits,
        facts=facts | _eval_facts(data, logits),
        booster=booster,
    )


def tree_data(data: ModelData, split: Dataset) -> TreeData:
    """Returns a split as the trees take it.

    Args:
        data: The inputs of the trees and the options.
        split: One of its splits.
    """
    weights = example_weights(split, data.spec.train, "trees") if split is data.train else None
    return TreeData(split.inputs[TREES_KEY], split.labels, weights, data.tree_inputs.columns)


def _rounds_out_of_fold(data: ModelData, train: TreeData, options: TreeOptions) -> int:
    folds = train_folds(data.train, data.spec)
    return out_of_fold(train, folds, options, seed=data.spec.seed).rounds


def _eval_facts(data: ModelData, logits: Floats) -> dict[str, Any]:
    scores = logits + data.evaluation.shift
    return {"eval_pr_auc": float(average_precision_score(data.evaluation.labels, scores))}


class _Curves:
    """Log loss of each round, for TensorBoard."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._writers: dict[str, Any] = {}

    def __enter__(self) -> "_Curves":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def add(self, number: int, losses: Mapping[str, float]) -> None:
        for split, loss in losses.items():
            if split not in self._writers:
                folder = self._log_dir / "trees" / split
                self._writers[split] = tf.summary.create_file_writer(str(folder))
            with self._writers[split].as_default(step=number):
                tf.summary.scalar("log_loss", loss)
