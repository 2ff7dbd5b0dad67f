"""REST: accepted JSON, and the format of numbers and bytes in answers."""

import base64
import math
import re

import pytest

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row


def numbers(body: bytes) -> list[str]:
    """The numbers of a flat list of predictions, letter by letter."""
    listed = re.fullmatch(rb'\s*\{\s*"predictions":\s*\[(.*)\]\s*\}\s*', body, re.DOTALL)
    assert listed, body
    return [part.strip().decode() for part in listed[1].split(b",")]


@row("JSON: integers into floats")
@pytest.mark.parametrize("model", ["echo_float", "echo_double"])
def test_integers_are_taken_for_floats(rest, model):
    answer = rest.predict(model, {"instances": [1, -2, 3.5]})
    assert answer.json == {"predictions": [1.0, -2.0, 3.5]}


@row("JSON: no floats into integers")
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_a_float_is_no_integer(rest, dtype):
    answer = rest.predict(f"echo_{dtype}", {"instances": [1.0]})
    assert answer.status == 400
    assert answer.error.endswith(f"is not of expected type: {dtype}")


@row("JSON: small integers are checked as int32")
@pytest.mark.parametrize(
    ("model", "sent", "got"),
    # 2^8 + 44 = 300 and 2^16 + 4464 = 70,000: what is beyond the type wraps around.
    [("echo_uint8", 300, 44), ("echo_int8", 300, 44), ("echo_int16", 70_000, 4464)],
)
def test_small_integers_are_checked_as_int32_only(rest, model, sent, got):
    answer = rest.predict(model, {"instances": [sent]})
    assert (answer.status, answer.json) == (200, {"predictions": [got]})
    assert rest.predict(model, {"instances": [2**31]}).status == 400


@row("JSON: beyond float is infinite")
@pytest.mark.parametrize(("sent", "got"), [("1e39", "Infinity"), ("-1e39", "-Infinity")])
def test_values_beyond_float_are_infinite(rest, sent, got):
    answer = rest.predict("echo_float", f'{{"instances": [{sent}]}}')
    assert (answer.status, numbers(answer.body)) == (200, [got])


@row("JSON: NaN and infinities")
@pytest.mark.parametrize("model", ["echo_float", "echo_double"])
def test_nan_and_infinities_come_and_go_bare(rest, model):
    answer = rest.predict(model, '{"instances": [NaN, Infinity, -Infinity]}')
    assert (answer.status, numbers(answer.body)) == (200, ["NaN", "Infinity", "-Infinity"])


@row("JSON: Inf")
def test_inf_is_short_for_infinity(rest):
    answer = rest.predict("echo_float", '{"instances": [Inf, -Inf]}')
    assert (answer.status, answer.json["predictions"]) == (200, [math.inf, -math.inf])


@row("JSON: text after the first value")
@pytest.mark.parametrize("after", ["x", "}", ' {"instances": []}', "\x00\x01"])
def test_text_after_the_first_value_is_ignored(rest, after):
    answer = rest.predict("echo_float", '{"instances": [1.0]}' + after)
    assert (answer.status, answer.json) == (200, {"predictions": [1.0]})


@row("JSON: first of equal keys")
def test_the_first_of_equal_keys_wins(rest):
    answer = rest.predict("echo_float", '{"instances": [1.0], "instances": [2.0]}')
    assert (answer.status, answer.json) == (200, {"predictions": [1.0]})


@row("JSON: a byte order mark")
def test_a_byte_order_mark_is_skipped(rest):
    answer = rest.predict("echo_float", b'\xef\xbb\xbf{"instances": [1.0]}')
    assert (answer.status, answer.json) == (200, {"predictions": [1.0]})


@row("JSON: a feature that stands twice")
def test_the_last_of_equal_features_counts_and_each_is_checked(rest):
    path = "/v1/models/half_plus_two/versions/1:regress"
    body = '{"signature_name": "regress_x_to_y", "examples": [{"x": %s, "x": 2.0}]}'
    # 2 / 2 + 2
    assert rest.post(path, body % "6.0").json == {"results": [3.0]}
    answer = rest.post(path, body % "null")
    message = "Feature: x has element with unexpected JSON type: Null"
    assert (answer.status, answer.error) == (400, message)


@row("JSON: nesting")
@pytest.mark.parametrize("around", ["{}", '{{"instances": {}}}', '{{"inputs": {}}}'])
def test_half_a_million_brackets_are_answered(rest, around):
    answer = rest.predict("echo_float", around.format("[" * 500_000 + "]" * 500_000))
    assert answer.status == 400
    assert answer.error
    assert rest.predict("echo_float", {"instances": [1.0]}).status == 200


@row("JSON: b64 in")
def test_b64_gives_the_bytes_of_any_string(rest):
    sent = base64.b64encode(b"\x00\xff").decode()
    columns = {"f": [[0, 0]], "d": [0], "i32": [0], "i64": [0], "flag": [True]}
    answer = rest.predict("mixed", {"inputs": columns | {"text": [{"b64": sent}]}})
    assert answer.status == 200, answer.body
    assert re.search(rb'"text_bytes":\s*\[\s*\{\s*"b64":\s*"AP8="\s*\}', answer.body)


@row("JSON: b64 in")
def test_b64_must_be_the_only_key(rest):
    answer = rest.predict("echo_string", {"inputs": [{"b64": "YQ==", "c": 1}]})
    assert answer.status == 400


@row("JSON: b64 out")
def test_bytes_go_out_raw_unless_the_name_says_bytes(rest):
    answer = rest.predict("echo_string", {"instances": [{"b64": "//4="}]})
    assert answer.status == 200
    assert b'"\xff\xfe"' in answer.body


@row("JSON: b64 out")
def test_an_output_named_bytes_is_b64(rest):
    element = {"f": [0, 0], "d": 0, "i32": 0, "i64": 0, "flag": True, "text": "é"}
    got = rest.predict("mixed", {"instances": [element]}).json["predictions"][0]
    assert (got["text"], got["text_bytes"]) == ("é", {"b64": "w6k="})


@row("JSON: floats out")
@pytest.mark.parametrize(
    ("model", "sent", "got"),
    [
        ("echo_float", "0.1", "0.1"),
        ("echo_float", "0.333333333333", "0.333333343"),
        ("echo_float", "123456792", "123456792.0"),
        ("echo_float", "2", "2.0"),
        ("echo_float", "-0.5", "-0.5"),
        ("echo_float", "0", "0.0"),
        ("echo_float", "1e-7", "1e-07"),
        ("echo_double", "0.1", "0.1"),
        ("echo_double", "0.33333333333333331", "0.33333333333333331"),
        ("echo_double", "1234567", "1234567.0"),
        ("echo_double", "3", "3.0"),
    ],
)
def test_floats_are_as_short_as_they_can_be_read_back(rest, model, sent, got):
    answer = rest.predict(model, f'{{"instances": [{sent}]}}')
    assert numbers(answer.body) == [got]


@row("JSON: floats out")
def test_integers_have_no_point(rest):
    answer = rest.predict("echo_int64", {"instances": [2, -(2**63), 2**63 - 1]})
    assert numbers(answer.body) == ["2", str(-(2**63)), str(2**63 - 1)]


@row("JSON: example features")
@pytest.mark.parametrize(
    ("signature", "feature", "value", "result"),
    [
        ("of_ints", "n", "2", 2.0),
        ("of_ints", "n", "true", 1.0),
        ("of_ints", "n", "[2]", 2.0),
        ("of_floats", "f", "2.0", 2.0),
        ("of_ints", "n", "2.0", None),
        ("of_floats", "f", "2", None),
    ],
)
def test_the_json_type_of_a_feature_is_its_kind(rest, signature, feature, value, result):
    body = f'{{"signature_name": "{signature}", "examples": [{{"{feature}": {value}}}]}}'
    answer = rest.post("/v1/models/features:regress", body)
    if result is None:
        assert answer.status == 400
        assert "Data types don't match" in answer.error
    else:
        assert (answer.status, answer.json) == (200, {"results": [result]})


@row("JSON: half, bfloat16, complex")
@pytest.mark.parametrize("dtype", ["half", "bfloat16", "complex"])
@pytest.mark.parametrize("body", [{"instances": [1.0]}, {"inputs": [1.0]}])
def test_some_types_have_no_json(rest, dtype, body):
    assert rest.predict(f"echo_{dtype}", body).status == 501


@row("JSON: long values are cut in messages")
@pytest.mark.parametrize("body", [{"instances": "y" * 5000}, ["y" * 5000]])
def test_a_long_value_is_cut_near_256_bytes(rest, body):
    answer = rest.predict("echo_float", body)
    assert answer.status == 400
    assert 200 <= answer.error.count("y") <= 300


@row("OPTIONS")
@pytest.mark.parametrize("origin", ["http://example.org", "https://example.org:8080"])
def test_options_with_an_origin_is_200(rest, origin):
    path = "/v1/models/half_plus_two:predict"
    assert rest.call("OPTIONS", path, None, {"Origin": origin}).status == 200


@row("OPTIONS")
@pytest.mark.parametrize("headers", [{}, {"Origin": "example.org"}])
def test_options_without_an_origin_is_400(rest, headers):
    answer = rest.call("OPTIONS", "/v1/models/half_plus_two:predict", None, headers)
    assert (answer.status, answer.body) == (400, b"")


@row("CORS: only with the flag")
def test_there_are_no_cors_headers_without_the_flag(rest):
    for method, body in (("OPTIONS", None), ("POST", {"instances": [1.0]})):
        answer = rest.call(
            method, "/v1/models/echo_float:predict", body, {"Origin": "http://example.org"}
        )
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@row("design: an error that quotes bytes which are no text")
def test_an_error_that_quotes_bytes_is_400(rest):
    answer = rest.predict("to_number", {"instances": [{"b64": "//4="}]})
    assert answer.status == 400
