"""tf.Examples from JSON: the type of the values decides the kind of the feature."""

import math

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


def test_of_a_feature_that_stands_twice_each_is_checked_and_the_last_counts():
    [example] = read('{"examples": [{"f": [1, 2], "g": 0, "f": 3.5}]}')
    assert list(example.features.feature["f"].float_list.value) == [3.5]
    with pytest.raises(ServingError, match="Feature: f has element with unexpected JSON type"):
        read('{"examples": [{"f": null, "f": 3.5}]}')


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("null", None, []),
        ("[null, null]", None, []),
        ("[1, null]", "int64_list", [1, -(2**63)]),
        ('["a", null]', "bytes_list", [b"a", b""]),
    ],
)
def test_null_may_be_a_missing_value(text, kind, values):
    document = parse_object(f'{{"examples": [{{"f": {text}}}]}}'.encode())
    [serialised] = read_examples(document, is_lenient=True)
    feature = Example.FromString(serialised).features.feature["f"]
    assert feature.WhichOneof("kind") == kind
    assert (list(getattr(feature, kind).value) if kind else []) == values


def test_null_among_floats_may_be_nan():
    document = parse_object(b'{"examples": [{"f": [null, 2.5]}]}')
    [serialised] = read_examples(document, is_lenient=True)
    values = Example.FromString(serialised).features.feature["f"].float_list.value
    assert math.isnan(values[0])
    assert values[1] == 2.5


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
        (str(2**63), "Feature: f has uint64_t element. Only int64_t is supported."),
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
