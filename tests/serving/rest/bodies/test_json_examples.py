"""tf.Examples from JSON: the type of the values decides the kind of the feature."""

import pytest
from google.protobuf import text_format
from tensorflow.core.example.example_pb2 import Example

from serving.errors import ServingError
from serving.rest.bodies.json_examples import read_examples
from serving.rest.bodies.json_parsing import parse_object


def read(text):
    return [Example.FromString(example) for example in read_examples(parse_object(text.encode()))]


def feature(text):
    """The kind and the values of the only feature of the only example."""
    [example] = read(f'{{"examples": [{{"f": {text}}}]}}')
    kind = example.features.feature["f"].WhichOneof("kind")
    return kind, list(getattr(example.features.feature["f"], kind).value) if kind else []


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("2", "int64_list", [2]),
        ("2.0", "float_list", [2.0]),
        ("[true, 0, -5]", "int64_list", [1, 0, -5]),
        ('"é"', "bytes_list", ["é".encode()]),
        ('[{"b64": "AP8="}, "a"]', "bytes_list", [b"\x00\xff", b"a"]),
        ("1e39", "float_list", [float("inf")]),
        ("[]", None, []),
    ],
)
def test_values_become_features(text, kind, values):
    assert feature(text) == (kind, values)


def test_the_context_is_in_every_example_that_lacks_it():
    examples = read('{"context": {"c": 1, "x": 1}, "examples": [{"x": 2}, {}]}')
    expected = ["c: 1, x: 2", "c: 1, x: 1"]
    shown = [
        ", ".join(
            f"{name}: {example.features.feature[name].int64_list.value[0]}"
            for name in sorted(example.features.feature)
        )
        for example in examples
    ]
    assert shown == expected, [text_format.MessageToString(example) for example in examples]


MIX = "Unexpected element type in feature: f expecting type: "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2.0]", MIX + "int64"),
        ("[1.0, 2]", MIX + "float"),
        ('["a", 2]', MIX + "bytes"),
        ('[true, "a"]', MIX + "int64"),
        ("null", "Feature: f has element with unexpected JSON type: Null"),
        ("[[1]]", "Feature: f has element with unexpected JSON type: Array"),
        ('{"a": 1}', "Feature: f has element with unexpected JSON type: Object"),
        (str(2**63), "Feature: f has uint64 element. Only int64 is supported."),
        ('{"b64": "!"}', "Unable to base64 decode"),
    ],
)
def test_an_invalid_feature_is_named(text, message):
    with pytest.raises(ServingError) as caught:
        feature(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{}", "When method is classify, key 'examples' is expected and was not found"),
        ('{"examples": 1}', "Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [[]]}', "Example must be JSON object but got JSON Array"),
        ('{"context": 1, "examples": []}', "Example must be JSON object but got JSON Number"),
    ],
)
def test_an_invalid_list_of_examples_is_refused(document, message):
    with pytest.raises(ServingError) as caught:
        read(document)
    assert caught.value.message.endswith(message)


def test_a_name_that_is_no_text_is_made_one():
    [example] = [
        Example.FromString(example)
        for example in read_examples(parse_object(b'{"examples": [{"\xff": 1}]}'))
    ]
    assert list(example.features.feature) == ["\ufffd"]
