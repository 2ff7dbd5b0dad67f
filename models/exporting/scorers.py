"""Models that give one logit, alike in NumPy, for training, and in a graph, for serving."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.exporting.saved_layer import tracked_models
from models.inputs.encoding import IndexSpace
from models.inputs.transform_graph import network_inputs
from models.probabilities.correction import LogitCorrection
from models.probabilities.probability import unfocused
from models.trees.forest import Forest
from models.trees.inputs import TreeInputs

Floats = NDArray[np.float64]


class Scorer(Protocol):
    """A trained model that gives one logit.

    Attributes:
        variables: Variables, and saved models with theirs, that belong to an export.
    """

    variables: list[Any]

    def in_graph(self, transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns the logits of transformed features, float64 `[batch, 1]`."""
        ...


class NetworkScorer:
    """The network."""

    def __init__(self, network: keras.Model, space: IndexSpace) -> None:
        """Wraps a trained network.

        Keras 3 variables do not survive `tf.saved_model.save` on TensorFlow Serving's Session path
        ("Could not find variable"), but the `tf.Variable` in each of them does.
        """
        self.variables = [variable.value for variable in network.variables]
        self.variables += tracked_models(network)
        # A plain function: a tf.Module must not track the Keras model itself.
        self._network: Callable[..., tf.Tensor] = lambda inputs: network(inputs, training=False)
        self._space = space

    def in_graph(self, transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See `Scorer`."""
        return tf.cast(self._network(network_inputs(transformed, self._space)), tf.float64)


class TreesScorer:
    """Gradient-boosted trees."""

    def __init__(self, forest: Forest, inputs: TreeInputs) -> None:
        """Wraps grown trees and their inputs."""
        self.variables: list[Any] = []
        self._forest = forest
        self._inputs = inputs

    def in_graph(self, transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See `Scorer`."""
        return self._forest.in_graph(self._inputs.in_graph(transformed))


@dataclass(frozen=True)
class BlendPart:
    """A part of a blend.

    Attributes:
        scorer: The model.
        correction: Undoes its loss and class weights.
        weight: Weight of its corrected logit.
    """

    scorer: Scorer
    correction: LogitCorrection
    weight: float


class BlendScorer:
    """A weighted mean of corrected logits."""

    def __init__(self, parts: Sequence[BlendPart]) -> None:
        """Joins trained models."""
        self.variables = [variable for part in parts for variable in part.scorer.variables]
        self._parts = tuple(parts)

    def in_graph(self, transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """See `Scorer`."""
        logits: list[Any] = [
            part.weight * unfocused(part.scorer.in_graph(transformed), part.correction)
            for part in self._parts
        ]
        return tf.add_n(logits)
