"""tf.Examples as the input of Classify and Regress."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis.input_pb2 import Input

from serving.errors import invalid_argument

# The context counts for every example. The bytes that it adds are limited, so that a small request
# cannot exhaust the memory.
MAX_CONTEXT_BYTES = 2**24


def serialised_examples(source: Input) -> list[bytes]:
    """Returns the examples of a request, each extended by the context's features.

    Raises:
        ServingError: INVALID_ARGUMENT if the context, once per example, exceeds
            `MAX_CONTEXT_BYTES`.
    """
    if source.WhichOneof("kind") == "example_list_with_context":
        both = source.example_list_with_context
        num_bytes = both.context.ByteSize() * len(both.examples)
        if num_bytes > MAX_CONTEXT_BYTES:
            raise invalid_argument(
                f"The context takes {num_bytes} bytes for {len(both.examples)} examples; the limit "
                f"of a request is {MAX_CONTEXT_BYTES} bytes"
            )
        # Two serialised messages in a row are one, with the features of the second instead of those
        # of the same name in the first.
        context = both.context.SerializeToString()
        return [context + example.SerializeToString() for example in both.examples]
    return [example.SerializeToString() for example in source.example_list.examples]


def text_array(texts: Sequence[bytes]) -> NDArray[np.object_]:
    """Returns an object array `[n]`; NumPy's bytes type would strip trailing zero bytes."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array
