"""tf.Examples of a request: the context counts for each, within a bound."""

import pytest
from tensorflow_serving.apis.input_pb2 import Input

from serving.errors import ServingError
from serving.inference.examples import MAX_CONTEXT_BYTES, serialised_examples


def with_context(context: bytes, *, num_examples: int) -> Input:
    source = Input()
    both = source.example_list_with_context
    both.context.features.feature["text"].bytes_list.value.append(context)
    for _ in range(num_examples):
        both.examples.add()
    return source


def test_a_context_that_many_examples_repeat_is_refused():
    # 2,000 examples of 2 bytes and a context of 10 kB are 24 kB, and 20 MB once each has its own.
    source = with_context(b"x" * 10_000, num_examples=2_000)
    assert source.ByteSize() < 20_000
    with pytest.raises(ServingError, match=f"for 2000 examples; .* is {MAX_CONTEXT_BYTES} bytes"):
        serialised_examples(source)


def test_a_context_within_the_bound_is_in_every_example():
    examples = serialised_examples(with_context(b"x" * 10_000, num_examples=1_000))
    assert len(examples) == 1_000
    assert all(b"x" * 10_000 in example for example in examples)
