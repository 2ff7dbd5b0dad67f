"""Two functions in an exported model that explain what it saw in a file.

A served model takes the bytes of a file, which have no gradient. These functions divide it where
the file has become numbers. They are no signatures: no server calls them.
"""

from collections.abc import Mapping

import tensorflow as tf

from models.exporting.scorers import Scorer
from models.inputs.transform_graph import TransformGraph


class ExplainedLogit(tf.Module):  # type: ignore[misc]
    """From examples to transformed features, and from these to the logit."""

    def __init__(self, scorer: Scorer, graph: TransformGraph) -> None:
        """Prepares the functions of a trained model."""
        super().__init__()
        spec = tf.TensorSpec([None], tf.string, name="examples")

        @tf.function(input_signature=[spec], autograph=False)
        def transform(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return graph(tf.io.parse_example(examples, dict(graph.raw_spec)))

        outputs = transform.get_concrete_function().structured_outputs
        specs = {name: tf.TensorSpec(o.shape, o.dtype) for name, o in outputs.items()}

        @tf.function(input_signature=[specs], autograph=False)
        def logit(transformed: Mapping[str, tf.Tensor]) -> tf.Tensor:
            return scorer.in_graph(transformed)

        # float64 `[batch, 1]`, before correction and calibration.
        self.transform, self.logit = transform, logit
