"""The columns that trees take: transformed features as numbers and codes, NaN where missing."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from models.features import (
    Bucketized,
    Categorical,
    Crossed,
    Feature,
    FeatureTable,
    HeavyTailed,
    Media,
    Monotone,
    Numeric,
    Signal,
    Time,
)
from models.inputs.encoding import (
    MISSING_INDEX,
    OUT_OF_VOCABULARY,
    encoded_name,
    summary_name,
)
from models.inputs.summaries import summary_names

_MONOTONE: Mapping[Monotone | None, int] = {None: 0, "up": 1, "down": -1}


@dataclass(frozen=True, kw_only=True)
class TreeColumn:
    """One input of the trees.

    Attributes:
        feature: The feature that it is made from.
        detail: What of it, where a feature has several: a cycle, a summary; else empty.
        is_category: Whether its values are codes of categories.
        monotone: 1 if the logit must not fall with the value, -1 if it must not rise, else 0.
        num_values: Values of a category in the vocabulary; else 0.
    """

    feature: str
    detail: str = ""
    is_category: bool = False
    monotone: int = 0
    num_values: int = 0

    @property
    def name(self) -> str:
        """The name for people."""
        return f"{self.feature}, {self.detail}" if self.detail else self.feature


def feature_types(columns: Sequence[TreeColumn]) -> list[str]:
    """Returns the types of columns as XGBoost names them."""
    return ["c" if column.is_category else "q" for column in columns]


def ranked(columns: Sequence[TreeColumn], max_set_values: int | None) -> tuple[TreeColumn, ...]:
    """Returns columns in which large categories are numbers: the ranks of their values.

    Args:
        columns: The columns.
        max_set_values: Values of a category that stays one; None: all stay.
    """
    if max_set_values is None:
        return tuple(columns)
    return tuple(
        replace(column, is_category=column.is_category and column.num_values <= max_set_values)
        for column in columns
    )


class TreeInputs:
    """Transformed features as the matrix that trees take.

    Numbers are the standardised ones, whose order is that of the raw values. Buckets keep their
    order. A category is its place among the feature's own values, from the most frequent on; a
    value outside the vocabulary gets the next code, which no tree has met. A time is its phase in
    each cycle. A signal, sound or picture is its summaries. Crossed features are left out: trees
    combine columns themselves.

    Attributes:
        columns: The columns, in order.
    """

    def __init__(self, table: FeatureTable, vocabulary: Sequence[str]) -> None:
        """Prepares the inputs.

        Args:
            table: The features table.
            vocabulary: The shared vocabulary of pairs of feature and value, in its order.
        """
        self._table = {
            name: feature for name, feature in table.items() if not isinstance(feature, Crossed)
        }
        # Of each pair of the vocabulary, its place among those of its feature.
        self._pair_places: list[int] = []
        self._num_values: Counter[str] = Counter()
        for pair in vocabulary:
            name = pair.partition("=")[0]
            self._pair_places.append(self._num_values[name])
            self._num_values[name] += 1
        self.columns = tuple(
            self._counted(column)
            for name, feature in self._table.items()
            for column in _columns(name, feature)
        )

    def in_graph(self, transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns float32 `[batch, columns]`.

        Args:
            transformed: Transformed features by their encoded names.
        """
        names: list[str] = []
        parts: list[tf.Tensor] = []
        for kinds, part in (
            (Numeric | HeavyTailed, self._numbers),
            (Categorical, self._codes),
            (Bucketized, self._buckets),
            (Time, self._phases),
            (Signal | Media, self._summaries),
        ):
            own = [name for name, feature in self._table.items() if isinstance(feature, kinds)]
            if own:
                parts.append(part(own, transformed))
                names += own
        return tf.gather(tf.concat(parts, axis=1), self._places(names), axis=1)

    def _places(self, names: Sequence[str]) -> list[int]:
        """Of each column, its place where the features come in the order of `names`."""
        rank = {name: place for place, name in enumerate(names)}
        order = np.argsort([rank[column.feature] for column in self.columns], kind="stable")
        places: list[int] = np.argsort(order).tolist()
        return places

    def _counted(self, column: TreeColumn) -> TreeColumn:
        if not column.is_category:
            return column
        return replace(column, num_values=self._num_values[encoded_name(column.feature)])

    def _numbers(self, names: Sequence[str], transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        pairs = tf.reshape(_side_by_side(names, transformed), [-1, len(names), 2])
        values, missing = tf.unstack(pairs, axis=2)
        return _unless(missing > 0.5, values)

    def _codes(self, names: Sequence[str], transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        index = _side_by_side(names, transformed)
        places = tf.constant(self._pair_places or [0], tf.float32)
        # An unknown value comes after all values of its feature.
        unknown = [float(self._num_values[encoded_name(name)]) for name in names]
        known = tf.gather(places, tf.maximum(index, 0))
        codes = tf.where(tf.equal(index, OUT_OF_VOCABULARY), unknown, known)
        return _unless(tf.equal(index, MISSING_INDEX), codes)

    def _buckets(self, names: Sequence[str], transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        buckets = _side_by_side(names, transformed)
        return _unless(tf.equal(buckets, 0), tf.cast(buckets, tf.float32))

    def _phases(self, names: Sequence[str], transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.concat([_phase(transformed[encoded_name(name)]) for name in names], axis=1)

    def _summaries(self, names: Sequence[str], transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.concat([transformed[summary_name(name)] for name in names], axis=1)


def _side_by_side(names: Sequence[str], transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    return tf.concat([transformed[encoded_name(name)] for name in names], axis=1)


def _phase(time: tf.Tensor) -> tf.Tensor:
    sines, cosines = time[:, :-1:2], time[:, 1::2]
    phase = tf.math.floormod(tf.atan2(sines, cosines) / (2 * math.pi), 1.0)
    return _unless(time[:, -1:] > 0.5, phase)


def _unless(missing: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    return tf.where(missing, tf.constant(math.nan, tf.float32), values)


def _columns(name: str, feature: Feature) -> list[TreeColumn]:
    if isinstance(feature, Signal | Media):
        return [TreeColumn(feature=name, detail=detail) for detail in summary_names(feature)]
    if isinstance(feature, Time):
        return [TreeColumn(feature=name, detail=c.replace("_", " ")) for c in feature.cycles]
    if isinstance(feature, Numeric | HeavyTailed):
        return [TreeColumn(feature=name, monotone=_MONOTONE[feature.monotone])]
    return [TreeColumn(feature=name, is_category=isinstance(feature, Categorical))]
