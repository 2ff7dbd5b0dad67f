"""Base64, quoting, and values in error texts."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.rest.bodies.json_parsing import parse
from serving.rest.bodies.json_values import (
    JsonObject,
    debug_text,
    decode_base64,
    quote,
    release,
    type_name,
)


@given(st.binary(), st.booleans())
def test_base64_is_decoded_with_and_without_padding(data, padded):
    text = base64.b64encode(data).decode()
    assert decode_base64(JsonObject([("b64", text if padded else text.rstrip("="))])) == data


@pytest.mark.parametrize("text", ["a", "a===", "YQ=", "YQ===", "Y!==", "YWI-", "YQ==YQ=="])
def test_invalid_base64_is_refused(text):
    with pytest.raises(ServingError, match="Unable to base64 decode"):
        decode_base64(JsonObject([("b64", text)]))


def test_another_object_is_no_base64():
    with pytest.raises(ServingError) as caught:
        decode_base64(JsonObject([("b64", 1)]))
    assert caught.value.message == (
        'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data'
    )


def test_only_necessary_escapes_are_written():
    assert quote('a"\\/\n\x1fé\x7f') == '"a\\"\\\\/\\n\\u001Fé\x7f"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"[]", "[]"),
        (b"{}", "{}"),
        (b"1.0", "1.0"),
        (b"true", "true"),
        (b'[1, {"a": null}]', '[\n    1,\n    {\n        "a": null\n    }\n]'),
    ],
)
def test_shown_values_are_indented(text, shown):
    assert debug_text(parse(text)) == shown


@pytest.mark.parametrize(
    "value", ["é" * 300, ["x" * 10**6] * 3, [1] * 10**6, JsonObject([("n" * 999, 1)])]
)
def test_long_values_are_cut(value):
    assert 256 <= len(debug_text(value).encode("utf-8", "surrogateescape")) <= 262


def test_deep_values_are_cut():
    value = parse(b"[" * 900 + b"]" * 900)
    assert len(debug_text(value)) < 270


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"null", "Null"),
        (b"true", "True"),
        (b"false", "False"),
        (b"1", "Number"),
        (b"1.5", "Number"),
        (b'""', "String"),
        (b"[]", "Array"),
        (b"{}", "Object"),
    ],
)
def test_types_have_rapidjsons_names(text, name):
    assert type_name(parse(text)) == name


def test_released_documents_are_empty():
    document = parse(b'{"instances": [[1, 2], [3]], "a": {"b": [1]}}')
    rows, inner = document.find("instances"), document.find("a").find("b")
    release(document)
    assert (rows, inner) == ([], [])
