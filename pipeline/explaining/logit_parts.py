"""Parts of the logit of a model with trees: exact for the trees, by sampling for the network.

References:
    Lundberg et al. (2020), From local explanations to global understanding with explainable AI for
    trees, Nature Machine Intelligence 2: TreeSHAP, which XGBoost implements.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import xgboost
from numpy.typing import NDArray

from models.exporting.export import MODEL_INFO_FILE
from models.exporting.scorers import NetworkScorer
from models.features import FeatureTable, Media, Signal
from models.inputs.summaries import summary_units
from models.inputs.transform_graph import TransformGraph, raw_from_serving
from models.model_spec import ModelSpec
from models.probabilities.correction import LogitCorrection
from models.probabilities.probability import unfocused
from models.training.network import build_network
from models.trees.inputs import TreeColumn, TreeInputs
from models.trees.saved import read_trees
from pipeline.explaining.attribution import Probability, as_tensors
from pipeline.explaining.shapley import Columns, shapley_values

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TreePart:
    """The part of one input of the trees in the logit of a row.

    Attributes:
        feature: The feature that the input is made from.
        detail: What of it, such as a summary of a signal; empty for the value itself.
        part: Its Shapley value, times the weight of the trees in a blend.
        value: The input's value where it is a summary in the signal's own unit, else None.
        unit: Physical unit of the value, or empty.
    """

    feature: str
    detail: str
    part: float
    value: float | None
    unit: str


@dataclass(frozen=True, kw_only=True)
class LogitParts:
    """What moved the logit of a row away from the usual logit.

    Attributes:
        logit: The model's logit, before the correction for a sampling and the calibration.
        usual: The mean logit: of the training rows by the trees, of the background by the network.
        parts: By column; they add up to the difference of the two.
        errors: By column, the standard error that sampling leaves in the network's part.
        of_trees: By input of the trees, their share in `parts`, the greatest first.
    """

    logit: float
    usual: float
    parts: dict[str, float]
    errors: dict[str, float]
    of_trees: list[TreePart]


@dataclass(frozen=True, eq=False)
class LogitModel:
    """A model with trees, taken apart.

    Attributes:
        graph: The transform graph.
        booster: The trees.
        columns: Their inputs.
        features: The features table.
        corrections: Undoes loss and class weights, by part: `trees` and, in a blend, `network`.
        weights: Weight of the corrected logit, by part.
        network: The network of a blend.
    """

    graph: TransformGraph
    booster: xgboost.Booster
    columns: Sequence[TreeColumn]
    features: FeatureTable
    corrections: Mapping[str, LogitCorrection]
    weights: Mapping[str, float]
    network: keras.Model | None

    def network_logits(self, columns: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the network's share in the logit, float64 `[n]`.

        Args:
            columns: As clients send them.
        """
        scorer = NetworkScorer(self.network, self.graph.index_space)
        transformed = self.graph(raw_from_serving(columns, self.graph.raw_spec))
        corrected = unfocused(scorer.in_graph(transformed), self.corrections["network"])
        return self.weights["network"] * corrected[:, 0]

    def tree_features(self, columns: Columns) -> NDArray[np.float32]:
        """Returns the inputs of the trees, float32 `[n, inputs]`."""
        raw = raw_from_serving(as_tensors(columns), self.graph.raw_spec)
        inputs = TreeInputs(self.features, self.graph.vocabulary)
        return np.asarray(inputs.in_graph(self.graph(raw)).numpy(), np.float32)


def load_logit_model(folder: Path, graph_folder: Path, spec: ModelSpec) -> LogitModel | None:
    """Returns an exported model taken apart; None if it has no trees.

    Args:
        folder: The SavedModel.
        graph_folder: The TransformGraph artifact of the model.
        spec: Its specification, with the tuned options.
    """
    trees = read_trees(folder)
    if trees is None:
        return None
    info = json.loads((folder / MODEL_INFO_FILE).read_text(encoding="utf-8"))
    facts = info["model"]
    graph = TransformGraph(graph_folder, spec)
    corrections = facts.get("corrections", {"trees": info["correction"]})
    is_blend = facts["model"] == "blend"
    return LogitModel(
        graph=graph,
        booster=trees[0],
        columns=trees[1],
        features=spec.features,
        corrections={name: _correction(values) for name, values in corrections.items()},
        weights=facts.get("weights", {"trees": 1.0}),
        network=read_network(folder, graph, spec) if is_blend else None,
    )


def _correction(values: Mapping[str, Any]) -> LogitCorrection:
    """A correction without that of the sampling, which depends on the row."""
    return LogitCorrection(focal_gamma=values["focal_gamma"], class_weight=values["class_weight"])


def read_network(folder: Path, graph: TransformGraph, spec: ModelSpec) -> keras.Model:
    """Returns the network of an exported model.

    Args:
        folder: The SavedModel, whose variables are the network's, in their order.
        graph: The transform graph.
        spec: Its specification, with the tuned options.
    """
    network = build_network(graph.index_space, spec.train)
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for number, variable in enumerate(network.variables):
        key = f"_variables/{number}/.ATTRIBUTES/VARIABLE_VALUE"
        variable.assign(reader.get_tensor(key))
    return network


def logit_parts(model: LogitModel, row: Columns, background: Columns, *, seed: int) -> LogitParts:
    """Returns the parts of the columns of a row in the model's logit.

    Args:
        model: The model.
        row: Columns of one row, as clients send them.
        background: The same columns of some training rows, for the network.
        seed: Seed of the sampling.
    """
    usual, of_trees = tree_parts(model, row)
    parts, errors = dict.fromkeys(row, 0.0), dict.fromkeys(row, 0.0)
    for one in of_trees:
        parts[one.feature] += one.part
    logit = usual + sum(parts.values())
    if model.network is not None:
        network = shapley_values(_asking(model.network_logits), row, background, seed=seed)
        usual += network.background_probability
        logit += network.probability
        parts = {name: part + network.parts[name] for name, part in parts.items()}
        errors = network.errors
    return LogitParts(logit=logit, usual=usual, parts=parts, errors=errors, of_trees=of_trees)


def _asking(network: Probability) -> Any:
    return lambda columns: network(as_tensors(columns)).numpy()


def tree_parts(model: LogitModel, row: Columns) -> tuple[float, list[TreePart]]:
    """Returns the trees' usual logit and the parts of their inputs, corrected and weighted.

    Args:
        model: The model.
        row: Columns of one row.
    """
    features = model.tree_features(row)
    matrix = xgboost.DMatrix(
        features,
        feature_types=model.booster.feature_types,
        enable_categorical=True,
        nthread=1,
    )
    [shares] = model.booster.predict(matrix, pred_contribs=True).astype(np.float64)
    weight = model.weights["trees"]
    usual = weight * (float(shares[-1]) + model.corrections["trees"].class_weight)
    parts = [
        _tree_part(column, weight * share, value, model.features)
        for column, share, value in zip(model.columns, shares[:-1], features[0], strict=True)
    ]
    return usual, sorted(parts, key=lambda one: -abs(one.part))


def _tree_part(
    column: TreeColumn, part: float, value: np.float32, features: FeatureTable
) -> TreePart:
    feature = features[column.feature]
    units = summary_units(feature) if isinstance(feature, Signal | Media) else None
    return TreePart(
        feature=column.feature,
        detail=column.detail,
        part=float(part),
        value=float(value) if units is not None and np.isfinite(value) else None,
        unit="" if units is None else units[column.detail],
    )
