"""tf.Examples as the input of Classify and Regress."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.example.example_pb2 import Example
from tensorflow_serving.apis.input_pb2 import Input


def serialised_examples(source: Input) -> list[bytes]:
    """Returns the examples of a request, each extended by the context's features."""
    if source.WhichOneof("kind") == "example_list_with_context":
        both = source.example_list_with_context
        return [_with_context(example, both.context) for example in both.examples]
    return [example.SerializeToString() for example in source.example_list.examples]


def _with_context(example: Example, context: Example) -> bytes:
    # As in protobuf's merge, a feature of the example replaces that of the context.
    merged = Example()
    for source in (context, example):
        for name, feature in source.features.feature.items():
            merged.features.feature[name].CopyFrom(feature)
    return bytes(merged.SerializeToString())


def text_array(texts: Sequence[bytes]) -> NDArray[np.object_]:
    """Returns an object array `[n]`; NumPy's bytes type would strip trailing zero bytes."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array
