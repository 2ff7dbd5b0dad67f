"""A forest of gradient-boosted trees, read from XGBoost and evaluated in NumPy or TensorFlow."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf
    import xgboost

MAX_DEPTH = 8
# Rows times trees that `margins` evaluates at once: 8 MB for each array of indices.
_CELLS_AT_ONCE = 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class Forest:
    """Trees grown to one depth, over features that are cut into bins.

    XGBoost compares float32 values (`x < threshold` goes left), sends a missing value (NaN) in
    the split's default direction, and sends a category left unless it is in the split's set:
    negative codes and codes beyond the set's largest go left. All of this depends only on the
    bin of a value. A leaf above the common depth is repeated in all leaves below it.

    Attributes:
        edges: Ascending float32 edges of each feature's bins: the thresholds of a numeric
            feature; 0, 1, 2, … of a categorical one. A value's bin is the number of edges <= it.
        split_feature: int32 `[num_splits]`, the feature of each distinct split.
        goes_right: bool `[num_splits, num_bins]`, by the value's bin. The last bin means missing.
        nodes: int32 `[num_trees, 2^depth - 1]`, the split of each node, level by level.
        leaves: float64 `[num_trees, 2^depth]`, margins (log odds), from left to right.
        bias: The margin of the base score.

    References:
        Chen and Guestrin (2016), "XGBoost: A Scalable Tree Boosting System", KDD.
        The JSON schema of XGBoost models: https://xgboost.readthedocs.io/en/stable/tutorials/
        saving_model.html; decisions on categories: XGBoost, src/common/categorical.h.
    """

    edges: tuple[NDArray[np.float32], ...]
    split_feature: NDArray[np.int32]
    goes_right: NDArray[np.bool_]
    nodes: NDArray[np.int32]
    leaves: NDArray[np.float64]
    bias: float

    @classmethod
    def from_booster(cls, booster: "xgboost.Booster") -> "Forest":
        """Reads all trees of a booster with the objective `binary:logistic`.

        Args:
            booster: Trained with numeric (`q`) or categorical (`c`) features. To stop at
                `best_iteration`, slice it before: `booster[: booster.best_iteration + 1]`.

        Raises:
            ValueError: Another objective or kind of booster, or a tree deeper than `MAX_DEPTH`.
        """
        return _read(json.loads(bytes(booster.save_raw("json")))["learner"])

    @property
    def num_features(self) -> int:
        """Number of features."""
        return len(self.edges)

    @property
    def num_trees(self) -> int:
        """Number of trees."""
        return len(self.nodes)

    @property
    def depth(self) -> int:
        """Number of splits on each path from a root to a leaf."""
        return int(self.nodes.shape[1] + 1).bit_length() - 1

    @property
    def num_bins(self) -> int:
        """Number of bins of the feature that has the most, with the one of missing values."""
        return int(self.goes_right.shape[1])

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the margin (log odds) of each row, float64 `[n]`.

        Args:
            features: float32 `[n, num_features]`; NaN means missing; categories are codes.

        Raises:
            ValueError: The number of features is another.
        """
        self._check_width(features.shape)
        size = max(1, _CELLS_AT_ONCE // self.num_trees)
        starts = range(0, len(features), size)
        parts = [self._margins(features[start : start + size]) for start in starts]
        margins: NDArray[np.float64] = np.concatenate([np.empty(0), *parts])
        return margins

    def _margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        bins = self._bins(features)
        trees, rows = np.arange(self.num_trees)[:, None], np.arange(len(features))
        position = np.zeros((self.num_trees, len(features)), np.int64)
        for _ in range(self.depth):
            split = self.nodes[trees, position]
            bin_of = bins[self.split_feature[split], rows]
            position = 2 * position + 1 + self.goes_right[split, bin_of]
        leaves: NDArray[np.float64] = self.leaves[trees, position - self.nodes.shape[1]]
        margins: NDArray[np.float64] = self.bias + leaves.sum(axis=0)
        return margins

    def _bins(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        """int64 `[num_features, n]`."""
        bins = np.empty((self.num_features, len(features)), np.int64)
        for position, edges in enumerate(self.edges):
            bins[position] = np.searchsorted(edges, features[:, position], side="right")
        return np.where(np.isnan(features.T), self.num_bins - 1, bins)

    def in_graph(self, features: "tf.Tensor") -> "tf.Tensor":
        """Returns the margin (log odds) of each row, float64 `[batch, 1]`.

        Only TensorFlow's core operations, for eager code, `tf.function` and SavedModels alike.

        Args:
            features: float32 `[batch, num_features]`; NaN means missing; categories are codes.

        Raises:
            ValueError: The number of features is another.
        """
        from models.trees.forest_graph import margins

        self._check_width(features.shape)
        return margins(self, features)

    def _check_width(self, shape: Sequence[int | None]) -> None:
        if len(shape) != 2 or shape[1] != self.num_features:
            raise ValueError(
                f"features must be float32 [batch, {self.num_features}], got shape {tuple(shape)}."
            )


@dataclass(frozen=True)
class _Nodes:
    """The nodes of all trees, one after another; a leaf's children are itself."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    value: NDArray[np.float32]  # a split's threshold, a leaf's margin
    default_left: NDArray[np.bool_]
    roots: NDArray[np.int64]
    categories: Mapping[int, tuple[int, ...]]  # the set that goes right, by node

    @property
    def is_split(self) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = self.left != np.arange(len(self.left))
        return result


def _read(learner: Mapping[str, Any]) -> Forest:
    objective, booster = learner["objective"]["name"], learner["gradient_booster"]["name"]
    if (objective, booster) != ("binary:logistic", "gbtree"):
        raise ValueError(
            "The trees must come from objective `binary:logistic` and booster `gbtree`, "
            f"got `{objective}` and `{booster}`."
        )
    parameters = learner["learner_model_param"]
    nodes = _read_nodes(learner["gradient_booster"]["model"]["trees"])
    levels, leaves = _levels(nodes)
    edges = _edges(nodes, int(parameters["num_feature"]))
    split_of, split_feature, goes_right = _splits(nodes, edges)
    return Forest(
        edges=edges,
        split_feature=split_feature,
        goes_right=goes_right,
        nodes=np.concatenate([split_of[level] for level in levels], axis=1),
        leaves=nodes.value[leaves].astype(np.float64),
        bias=_base_margin(parameters["base_score"]),
    )


def _base_margin(base_score: str) -> float:
    """The log odds of the base score, a probability; XGBoost 3.1 and later write a list of one."""
    probability = float(base_score.strip("[]"))
    return math.log(probability) - math.log1p(-probability)


def _read_nodes(trees: Sequence[Mapping[str, Any]]) -> _Nodes:
    sizes = [len(tree["left_children"]) for tree in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)

    def joined(key: str) -> NDArray[np.int64]:
        return np.concatenate([np.asarray(tree[key], np.int64) for tree in trees])

    offset, own = np.repeat(roots, sizes), np.arange(sum(sizes))
    left, right = joined("left_children"), joined("right_children")
    return _Nodes(
        left=np.where(left < 0, own, left + offset),
        right=np.where(left < 0, own, right + offset),
        feature=joined("split_indices"),
        value=np.concatenate([np.asarray(t["split_conditions"], np.float32) for t in trees]),
        default_left=joined("default_left").astype(bool),
        roots=roots,
        categories={
            int(root) + node: tuple(tree["categories"][start : start + size])
            for root, tree in zip(roots, trees, strict=True)
            for node, start, size in zip(
                tree["categories_nodes"],
                tree["categories_segments"],
                tree["categories_sizes"],
                strict=True,
            )
        },
    )


def _levels(nodes: _Nodes) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """The nodes of each level, `[num_trees, 2^level]`, and the leaves, `[num_trees, 2^depth]`."""
    levels: list[NDArray[np.int64]] = []
    nodes_here = nodes.roots[:, None]
    is_split = nodes.is_split
    while is_split[nodes_here].any() or not levels:
        if len(levels) == MAX_DEPTH:
            raise ValueError(f"A tree is deeper than {MAX_DEPTH}. Lower `max_depth`.")
        levels.append(nodes_here)
        children = np.stack([nodes.left[nodes_here], nodes.right[nodes_here]], axis=2)
        nodes_here = children.reshape(len(nodes.roots), -1)
    return levels, nodes_here


def _edges(nodes: _Nodes, num_features: int) -> tuple[NDArray[np.float32], ...]:
    is_numeric = nodes.is_split
    num_codes = [0] * num_features
    for node, categories in nodes.categories.items():
        is_numeric[node] = False
        feature = nodes.feature[node]
        num_codes[feature] = max(num_codes[feature], max(categories, default=0) + 1)
    return tuple(
        np.arange(codes + 1, dtype=np.float32)
        if codes
        else np.unique(nodes.value[is_numeric & (nodes.feature == feature)])
        for feature, codes in enumerate(num_codes)
    )


def _splits(
    nodes: _Nodes, edges: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.bool_]]:
    """The distinct split of each node, and each split's feature and directions by bin."""
    position_of: dict[tuple[Any, ...], int] = {}
    split_of = np.zeros(len(nodes.left), np.int32)
    for node in np.flatnonzero(nodes.is_split).tolist():
        feature, default_left = int(nodes.feature[node]), bool(nodes.default_left[node])
        rule = nodes.categories.get(node, float(nodes.value[node]))
        split_of[node] = position_of.setdefault((feature, default_left, rule), len(position_of))
    num_bins = max(map(len, edges)) + 2
    goes_right = np.zeros((max(1, len(position_of)), num_bins), bool)
    for (feature, default_left, rule), position in position_of.items():
        if isinstance(rule, tuple):
            goes_right[position, np.asarray(rule, np.int64) + 1] = True
        else:
            first = int(np.searchsorted(edges[feature], np.float32(rule), side="right"))
            goes_right[position, first:] = True
        goes_right[position, -1] = not default_left
    features = [feature for feature, _, _ in position_of] or [0]
    return split_of, np.array(features, np.int32), goes_right
