"""A SavedModel as a layer of a Keras network, whose export carries it along."""

from typing import Any

import keras
import tensorflow as tf

_SIGNATURE = "serving_default"


class SavedLayer(keras.layers.Layer):  # type: ignore[misc]
    """A SavedModel of one input and one output, which is not trained further.

    Not `keras.layers.TFSMLayer`: its variables are copies, and an export would lack the originals.

    Attributes:
        saved: The loaded model with its variables and tables, which an export must track.
        input_shapes: Shape of each input, with the batch.
        output_shapes: Shape of each output, with the batch.
    """

    def __init__(self, path: str, name: str) -> None:
        """Loads a model.

        Raises:
            ValueError: It has no signature `serving_default`.
        """
        super().__init__(trainable=False, name=name, dtype="float32")
        self.saved = tf.saved_model.load(path)
        if _SIGNATURE not in self.saved.signatures:
            raise ValueError(
                f"{path} has no signature `{_SIGNATURE}`; it has {sorted(self.saved.signatures)}."
            )
        self._function = self.saved.signatures[_SIGNATURE]
        inputs = self._function.structured_input_signature[1]
        outputs = self._function.structured_outputs
        self._input, self._output = next(iter(inputs)), next(iter(outputs))
        self.input_shapes = [tuple(spec.shape.as_list()) for spec in inputs.values()]
        self.output_shapes = [tuple(spec.shape.as_list()) for spec in outputs.values()]

    def call(self, inputs: Any) -> Any:
        """Returns the output of the signature."""
        return self._function(**{self._input: inputs})[self._output]


def tracked_models(network: keras.Model) -> list[Any]:
    """Returns the loaded SavedModels in a network, which an export must track."""
    return [layer.saved for layer in network.layers if isinstance(layer, SavedLayer)]
