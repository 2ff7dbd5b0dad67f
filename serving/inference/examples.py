"""tf.Examples as the input of Classify and Regress."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import invalid_argument

# The context counts for every example. The bytes that it adds are limited, so that a small request
# cannot exhaust the memory.
MAX_CONTEXT_BYTES = 2**24


def serialised_examples(source: Any) -> list[bytes]:
    """Returns the examples of a request, each extended by the context's features.

    Args:
        source: An `Input` whose examples are parsed, or serialised as in
            `serving.protos.example_requests`.

    Raises:
        ServingError: INVALID_ARGUMENT if the context, once per example, exceeds
            `MAX_CONTEXT_BYTES`.
    """
    if source.WhichOneof("kind") == "example_list_with_context":
        both = source.example_list_with_context
        return with_context(list(map(_serialised, both.examples)), _serialised(both.context))
    return list(map(_serialised, source.example_list.examples))


def with_context(examples: list[bytes], context: bytes) -> list[bytes]:
    """Returns serialised examples, each extended by the features of a serialised context.

    Raises:
        ServingError: INVALID_ARGUMENT if the context, once per example, exceeds
            `MAX_CONTEXT_BYTES`.
    """
    num_bytes = len(context) * len(examples)
    if num_bytes > MAX_CONTEXT_BYTES:
        raise invalid_argument(
            f"The context takes {num_bytes} bytes for {len(examples)} examples; the limit "
            f"of a request is {MAX_CONTEXT_BYTES} bytes"
        )
    # Two serialised messages in a row are one, with the features of the second instead of those
    # of the same name in the first.
    return [context + example for example in examples]


def _serialised(example: Any) -> bytes:
    return example if isinstance(example, bytes) else bytes(example.SerializeToString())


def text_array(texts: Sequence[bytes]) -> NDArray[np.object_]:
    """Returns an object array `[n]`; NumPy's bytes type would strip trailing zero bytes."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return array
