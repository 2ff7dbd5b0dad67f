"""JSON parsing: RapidJSON's tolerance and errors, and unlimited nesting."""

import contextlib
import json
import math
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.rest.bodies import deep_json
from serving.rest.bodies.deep_json import MalformedError, parse_deep
from serving.rest.bodies.json_parsing import parse, parse_object
from serving.rest.bodies.json_values import JsonObject, TooDeep

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    # RapidJSON's quick way with digits may miss the last bit; quarters have few digits.
    | st.integers(-(2**30), 2**30).map(lambda number: number / 4)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=20,
)


def plain(value):
    """A parsed value as Python's own module has it."""
    if isinstance(value, JsonObject):
        return {name: plain(item) for name, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(values)
def test_every_value_comes_through(value):
    assert plain(parse(json.dumps(value).encode())) == value
    assert plain(parse(json.dumps(value, ensure_ascii=False).encode())) == value


@given(values, st.sampled_from([None, 1]))
def test_both_parsers_read_the_same(value, indent):
    text = json.dumps(value, indent=indent).encode()
    assert parse_deep(text) == parse(text)


@given(
    text=st.text('[]{}:,"\\ 1-.eaNtu\n\x00', max_size=12).map(str.encode),
    before=st.sampled_from([b"", b'{"a": [', b"[{"]),
)
def test_both_parsers_refuse_the_same(text, before):
    text = before + text or b" "
    assert outcome(parse_deep, text) == outcome(parse, text)


def outcome(read, text):
    """The value or the error, as text: NaN is not equal to itself."""
    try:
        return repr(read(text))
    except MalformedError as error:
        return f"JSON Parse error: {error.text} at offset: {error.offset}"
    except ServingError as error:
        return error.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"  ", "JSON Parse error: The document is empty. at offset: 2"),
        (b"x", "JSON Parse error: Invalid value. at offset: 0"),
        (b"[1e400]", "JSON Parse error: Number too big to be stored in double. at offset: 1"),
        (b'["\\ud800"]', "JSON Parse error: The surrogate pair in string is invalid. at offset: 2"),
        (b'["\xff", x]', "JSON Parse error: Invalid value. at offset: 6"),
        (b'["\xc3\xa9", x]', "JSON Parse error: Invalid value. at offset: 7"),
    ],
)
def test_errors_have_rapidjsons_words_and_the_offset_in_bytes(text, message):
    with pytest.raises(ServingError) as caught:
        parse(text)
    assert caught.value.message == message


def test_only_an_object_is_a_request():
    with pytest.raises(ServingError) as caught:
        parse_object(b"[]")
    assert caught.value.message == "JSON Value: [] Is not object"


@pytest.mark.parametrize("after", [b" x", b"}", b"\x00", b"\xff\xfe", b"[" * 5000])
def test_text_after_the_value_is_ignored(after):
    assert parse(b'{"a": 1}' + after) == [("a", 1)]


def test_a_byte_order_mark_is_skipped_but_counts_in_offsets():
    assert plain(parse(b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}
    # The mark is 3 bytes; the x is at byte 6 of the text behind it.
    with pytest.raises(ServingError, match=r"Invalid value\. at offset: 9$"):
        parse(b'\xef\xbb\xbf{"a": x}')
    with pytest.raises(ServingError, match=r"The document is empty\. at offset: 3$"):
        parse(b"\xef\xbb\xbf")


def test_the_first_of_equal_names_counts():
    parsed = parse_object(b'{"a": 1, "b": 2, "a": 3}')
    assert parsed.find("a") == 1
    assert parsed.to_dict() == {"a": 1, "b": 2}


def test_nan_and_infinities_are_numbers():
    parsed = parse(b"[NaN, Inf, -Infinity]")
    assert math.isnan(parsed[0])
    assert parsed[1:] == [math.inf, -math.inf]


def test_ints_beyond_64_bits_are_floats():
    parsed = parse(b"[18446744073709551615, 18446744073709551616]")
    assert [type(item) for item in parsed] == [int, float]


def test_bytes_that_are_no_text_are_kept():
    parsed = parse('{"é\xff": ["a", "b"]}'.encode("latin-1").replace(b'"b"', b'"\xfe\xc3\xa9"'))
    [(name, texts)] = parsed
    assert name.encode("utf-8", "surrogateescape") == b"\xe9\xff"
    assert texts[1].encode("utf-8", "surrogateescape") == b"\xfe\xc3\xa9"


@pytest.mark.parametrize("size", [10, 2**16 - 8, 2**17])
def test_large_bodies_are_read_in_chunks_with_the_same_result(size):
    text = b'["' + "é".encode() * size + b'", 1.5] x'
    assert parse(text) == ["é" * size, 1.5]


@pytest.mark.parametrize(
    ("opening", "inner", "closing", "levels"),
    [
        (b"[", b"", b"]", 500_000),
        # The reader takes these level by level. A reader that recursed would stop far earlier.
        (b'{"a":', b"1", b"}", 100_000),
        (b'[{"a": [', b"1", b"]}]", 50_000),
        (b"[ ", b'"x"', b" ]", 100_000),
    ],
)
def test_hundreds_of_thousands_of_levels_are_read(opening, inner, closing, levels):
    value = parse(b'{"z": ' + opening * levels + inner + closing * levels + b', "a": 1}')
    assert value.find("a") == 1
    assert isinstance(value.find("z"), list)


def test_values_too_deep_for_a_tensor_are_dropped():
    value = parse(b"[" * 2000 + b"1" + b"]" * 2000)
    depth = 0
    while type(value) is list:
        [value] = value
        depth += 1
    assert (depth, type(value), list(value)) == (300, TooDeep, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 2000 + b"1" + b"]" * 1999 + b"}", "or ']' after an array element. at offset: 4000"),
        (b"[" * 2000, "Invalid value. at offset: 2000"),
        (b"[" * 2000 + b'"\\x"', "Invalid escape character in string. at offset: 2001"),
        (b'{"a":' * 2000 + b"1]", "or '}' after an object member. at offset: 10001"),
        (b'{"a":' * 2000 + b"{1", "Missing a name for object member. at offset: 10001"),
    ],
)
def test_errors_are_found_at_any_depth(text, message):
    with pytest.raises(ServingError) as caught:
        parse(text)
    assert caught.value.message.endswith(message)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":' * 400_000 + b"1" + b"}" * 400_000,
        b'[{"a": [' * 200_000 + b"]}]" * 200_000,
        b'{"instances": [' + b"[" * 2000 + b"]" * 2000 + b", []" * 300_000 + b"]}",
        b"[" * 2000 + b"1, " * 400_000,
    ],
    ids=["members", "mixed", "many beside", "many inside"],
)
def test_megabytes_of_deep_nesting_are_not_read_value_by_value(text, monkeypatch):
    monkeypatch.setattr(deep_json, "MAX_DEEP_VALUES", 5_000)
    calls = Counter()
    sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
    try:
        with contextlib.suppress(ServingError):
            parse(text)
    finally:
        sys.setprofile(None)
    # Value by value it would be more than a million calls of functions, which take seconds.
    assert calls["call"] < 50_000


def test_closings_that_do_not_match_their_openings_are_an_error():
    deep = b'[{"a":' * 1_000
    assert outcome(parse, deep + b"1" + b"}]" * 900 + b"]}" + b"}]" * 99) == (
        # 6,001 bytes up to the value, and 1,800 right closings.
        "JSON Parse error: Missing a comma or '}' after an object member. at offset: 7801"
    )


def test_many_values_beside_deep_nesting_are_refused_with_the_bound():
    with pytest.raises(ServingError, match="More than 50000 values, some nested more than"):
        parse(b"[" * 2000 + b"1, " * 60_000)
