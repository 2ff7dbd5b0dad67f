"""tf.Examples of a request: the context counts for each, within a bound."""

import pytest
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.errors import ServingError
from serving.inference.examples import MAX_CONTEXT_BYTES, serialised_examples
from serving.protos import example_requests

_REQUESTS = (ClassificationRequest, RegressionRequest, MultiInferenceRequest)


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


@pytest.mark.parametrize("num_examples", [0, 1, 3])
def test_examples_that_stay_serialised_are_the_same(num_examples):
    request = ClassificationRequest()
    request.input.CopyFrom(with_context(b"shared", num_examples=num_examples))
    plain = ClassificationRequest()
    for number in range(num_examples):
        example = plain.input.example_list.examples.add()
        example.features.feature["x"].int64_list.value.append(number)
    for message in (request, plain):
        opaque = example_requests.ClassificationRequest.FromString(message.SerializeToString())
        kind = message.input.WhichOneof("kind")
        assert opaque.input.WhichOneof("kind") == kind
        assert serialised_examples(opaque.input) == serialised_examples(message.input)
        assert len(getattr(opaque.input, kind or "example_list").examples) == num_examples


@pytest.mark.parametrize(
    "name", ["ClassificationRequest", "RegressionRequest", "MultiInferenceRequest"]
)
def test_requests_have_the_fields_of_tensorflow_serving(name):
    known = {kind.DESCRIPTOR.name: kind.DESCRIPTOR for kind in _REQUESTS}[name]
    ours = example_requests.CLASSES[name].DESCRIPTOR
    assert _layout(ours) == _layout(known)
    assert _layout(ours.fields_by_name["input"].message_type) == _layout(Input.DESCRIPTOR)


def _layout(message):
    return {
        field.name: (
            field.number,
            field.is_repeated,
            field.message_type and field.message_type.name,
        )
        for field in message.fields
    }
