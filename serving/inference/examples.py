"""tf.Examples as the one input of Classify and Regress."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.example.example_pb2 import Example
from tensorflow_serving.apis.input_pb2 import Input


def serialised_examples(given: Input) -> list[bytes]:
    """Returns the examples of a request, each with the context's features that it lacks."""
    if given.WhichOneof("kind") == "example_list_with_context":
        both = given.example_list_with_context
        return [_with_context(example, both.context) for example in both.examples]
    return [example.SerializeToString() for example in given.example_list.examples]


def _with_context(example: Example, context: Example) -> bytes:
    # Protobuf's own merging: of a feature in both, the later one's value counts.
    merged = Example()
    for source in (context, example):
        for name, feature in source.features.feature.items():
            merged.features.feature[name].CopyFrom(feature)
    return bytes(merged.SerializeToString())


def text_array(texts: Sequence[bytes]) -> NDArray[np.object_]:
    """Returns texts as a `[n]` array of objects; NumPy's own text type cuts trailing zero bytes."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array
