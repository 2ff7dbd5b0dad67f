"""Requests and answers in the forms of platforms that call functions."""

import io

import pytest

from serving.errors import ServingError
from serving.function.events import (
    Answer,
    EventError,
    document,
    event_response,
    request_of_environ,
    request_of_event,
)

VERSION_2 = {
    "version": "2.0",
    "rawPath": "/v1/models/pump:predict",
    "rawQueryString": "",
    "headers": {"content-type": "application/json"},
    "requestContext": {"http": {"method": "POST", "path": "/v1/models/pump:predict"}},
    "body": '{"instances": [1]}',
    "isBase64Encoded": False,
}
VERSION_1 = {
    "httpMethod": "GET",
    "path": "/v1/models/pump",
    "headers": {"X-Request-Id": "7"},
    "queryStringParameters": None,
    "body": None,
    "isBase64Encoded": False,
}


def test_an_event_of_format_2_is_a_request():
    request = request_of_event(VERSION_2)
    assert (request.method, request.target) == ("POST", "/v1/models/pump:predict")
    assert request.body == b'{"instances": [1]}'
    assert request.headers == {"content-type": "application/json"}


def test_an_event_of_format_1_is_a_request():
    request = request_of_event(VERSION_1)
    assert (request.method, request.target, request.body) == ("GET", "/v1/models/pump", b"")
    assert request.headers == {"x-request-id": "7"}


@pytest.mark.parametrize(
    ("stage", "path", "target"),
    [
        ("prod", "/prod/v1/models/pump:predict", "/v1/models/pump:predict"),
        ("prod", "/prod/", "/"),
        ("v1", "/v1/v1/models/pump", "/v1/models/pump"),
        ("v1", "/v1/models/pump", "/v1/models/pump"),
        ("prod", "/production/v1/models/pump", "/production/v1/models/pump"),
        ("$default", "/v1/models/pump", "/v1/models/pump"),
    ],
)
def test_a_named_stage_of_an_http_api_is_no_part_of_the_target(stage, path, target):
    context = {"stage": stage, "http": {"method": "POST", "path": path}}
    event = {**VERSION_2, "rawPath": path, "requestContext": context}
    assert request_of_event(event).target == target


def test_a_load_balancer_may_send_each_header_as_a_list():
    lists = {"Content-Encoding": ["gzip"], "Accept": ["a", "b"]}
    event = {**VERSION_1, "headers": None, "multiValueHeaders": lists}
    assert request_of_event(event).headers == {"content-encoding": "gzip", "accept": "a, b"}


def test_queries_are_part_of_the_target():
    assert request_of_event({**VERSION_2, "rawQueryString": "a=1&b"}).target.endswith("?a=1&b")
    single = {**VERSION_1, "queryStringParameters": {"a": "1 2"}}
    assert request_of_event(single).target == "/v1/models/pump?a=1+2"
    several = {**single, "multiValueQueryStringParameters": {"a": ["1", "2"]}}
    assert request_of_event(several).target == "/v1/models/pump?a=1&a=2"


def test_a_body_may_be_base64():
    event = {**VERSION_2, "body": "eyJpbnN0YW5jZXMiOiBbMV19", "isBase64Encoded": True}
    assert request_of_event(event).body == b'{"instances": [1]}'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"body": "{]", "isBase64Encoded": True}, "The body of the event is not base64: "),
        ({"body": {"instances": [1]}}, "The body of the event is not a text"),
    ],
)
def test_a_body_that_is_not_what_the_event_says_is_an_error(changes, message):
    with pytest.raises(ServingError, match=message):
        request_of_event({**VERSION_2, **changes})


@pytest.mark.parametrize(
    "event", [{"instances": [1]}, {}, {"requestContext": None, "rawPath": "/"}, [1], None]
)
def test_any_other_event_is_no_request(event):
    assert request_of_event(event) is None


def test_an_answer_that_is_no_text_is_base64():
    answer = Answer(status=200, headers={"content-type": "application/json"}, body=b"\xff")
    assert event_response(answer) == {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": "/w==",
        "isBase64Encoded": True,
    }


def test_numbers_that_json_does_not_have_are_texts_in_a_document():
    answer = Answer(status=200, headers={}, body=b'{"predictions": [NaN, -Infinity, 1.5]}')
    assert document(answer) == {"predictions": ["NaN", "-Infinity", 1.5]}


def test_the_document_of_a_failure_is_an_error_with_its_words():
    answer = Answer(status=400, headers={}, body=b'{"error": "Missing key"}')
    with pytest.raises(EventError, match=r"^Missing key$") as caught:
        document(answer)
    assert caught.value.status == 400


def environ(**variables):
    body = variables.pop("body", b"")
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/v1/models/pump:predict",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": "gzip",
        "wsgi.input": io.BytesIO(body + b"the next request"),
        **variables,
    }


def test_a_wsgi_request_is_read_up_to_its_length():
    request = request_of_environ(environ(body=b"{}"))
    assert (request.method, request.target) == ("POST", "/v1/models/pump:predict")
    assert request.body == b"{}"
    assert request.headers == {"content-encoding": "gzip"}


def test_a_chunked_wsgi_request_is_read_to_its_end():
    chunked = environ(CONTENT_LENGTH="", **{"wsgi.input_terminated": True})
    assert request_of_environ(chunked).body == b"the next request"


def test_the_target_of_a_wsgi_request_is_as_it_was_sent():
    assert request_of_environ(environ(RAW_URI="/v1/models/a%2Fb?x")).target == "/v1/models/a%2Fb?x"
    # Without the server's help, the path is encoded again.
    decoded = environ(PATH_INFO="/v1/models/p\xc3\xbc m", QUERY_STRING="x=1")
    assert request_of_environ(decoded).target == "/v1/models/p%C3%BC%20m?x=1"
