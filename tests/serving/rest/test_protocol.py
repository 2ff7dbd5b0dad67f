"""Request framing: where each request ends, whatever its headers say."""

import re
import socket

import pytest

from tests.serving.processes import models_flag, running

pytestmark = pytest.mark.e2e

BODY = b'{"instances": [2.0]}'
CHUNKED = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)  # without the line that ends it
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
SMUGGLED = b"GET /v1/models/half/metadata HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    flag = models_flag(tmp_path_factory.mktemp("config"), half=models / "half_plus_two")
    with running(flag) as server:
        yield server


def head(*headers: bytes, path: bytes = b"/v1/models/half:predict", version: bytes = b"1.1"):
    lines = [b"POST %s HTTP/%s" % (path, version), b"Host: x", *headers]
    return b"\r\n".join(line.removesuffix(b"\r\n") for line in lines) + b"\r\n\r\n"


LENGTH = b"Content-Length: %d" % len(BODY)
CODING = b"Transfer-Encoding: chunked"


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


@pytest.mark.parametrize(
    "parts",
    [
        (head(H2C, LENGTH) + BODY,),
        (head(H2C, LENGTH), BODY),
        (head(H2C, LENGTH)[:50], head(H2C, LENGTH)[50:], BODY[:5], BODY[5:]),
        (head(H2C, CODING) + CHUNKED + b"\r\n",),
        (head(H2C, CODING), CHUNKED[:7], CHUNKED[7:], b"\r\n"),
        (head(b"Connection: Upgrade", b"Upgrade: websocket", LENGTH) + BODY,),
        (head(b"Upgrade: h2c", LENGTH) + BODY,),
    ],
    ids=["at once", "two parts", "many parts", "chunked", "chunked parts", "websocket", "alone"],
)
def test_an_upgrade_is_ignored_and_the_body_read(server, parts):
    answer = server.talk(*parts)
    assert statuses(answer) == [200]
    assert b'"predictions": [4.0' in answer


def test_what_follows_an_upgrade_is_the_next_request_and_its_body_none(server):
    body = head(H2C, b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED
    assert statuses(server.talk(body)) == [400]
    twice = head(H2C, LENGTH) + BODY
    assert statuses(server.talk(twice + twice + SMUGGLED)) == [200, 200, 200]
    bare = b"GET /v1/models/half HTTP/1.1\r\nHost: x\r\n" + H2C + b"\r\n"
    assert statuses(server.talk(bare + SMUGGLED)) == [200, 200]


@pytest.mark.parametrize(
    "request_sent",
    [
        head(LENGTH, CODING) + CHUNKED + b"\r\n",
        head(CODING, LENGTH) + CHUNKED + b"\r\n",
        head(LENGTH, LENGTH) + BODY,
        head(LENGTH, b"Content-Length: 3") + BODY,
        head(b"Content-Length: +20") + BODY,
        head(b"Content-Length: 20, 20") + BODY,
        head(b"Content-Length: 0x14") + BODY,
        head(b"Content-Length: -1") + BODY,
        head(b"Content-Length:") + BODY,
        head(b"Content-Length : 20") + BODY,
        head(b"Content-Length:\r\n 20") + BODY,
        head(b"Transfer-Encoding: gzip, chunked") + CHUNKED + b"\r\n",
        head(b"Transfer-Encoding: gzip", CODING) + CHUNKED + b"\r\n",
        head(b"Transfer-Encoding: chunked, identity") + CHUNKED + b"\r\n",
        head(b"Transfer-Encoding: identity", LENGTH) + BODY,
        head(b"Transfer-Encoding: xchunked") + CHUNKED + b"\r\n",
        head(b"Transfer-Encoding: \x0bchunked") + CHUNKED + b"\r\n",
        head(b"Transfer-Encoding:\r\n chunked") + CHUNKED + b"\r\n",
        head(CODING, version=b"1.0") + CHUNKED + b"\r\n",
        head(LENGTH, version=b"2.0") + BODY,
        head(LENGTH, version=b"1.2") + BODY,
        head(LENGTH).replace(b"\r\n", b"\n") + BODY,
        head(b"X: a\nContent-Length: 3", LENGTH) + BODY,
        head(b"X: a\rContent-Length: 3", LENGTH) + BODY,
        head(b"X: a\r\n b", LENGTH) + BODY,
        head(b"X: a\0b", LENGTH) + BODY,
        head(CODING) + CHUNKED.replace(b"\r\n", b"\n") + b"\n",
        head(CODING) + b"-1\r\n" + BODY,
        head(CODING) + b"0x14\r\n" + BODY,
        head(CODING) + b"FFFFFFFFFFFFFFFFFF\r\n" + BODY,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/models/half\r\n\r\n",
    ],
)
def test_ambiguous_framing_is_refused_and_ends_the_connection(server, request_sent):
    assert statuses(server.talk(request_sent + SMUGGLED)) == [400]
    assert server.predict("half", 2)[0] == 200


def test_a_chunked_body_may_have_extensions_and_trailers(server):
    chunks = b"%x;name=value\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    trailers = b"Content-Encoding: gzip\r\nExpect: 100-continue\r\nX: y\r\n\r\n"
    answers = server.talk(head(CODING, b"Trailer: X") + chunks + trailers + SMUGGLED)
    # As headers, the trailers would have made the body gzip.
    assert statuses(answers) == [200, 200]
    assert b'"predictions": [4.0' in answers


@pytest.mark.parametrize(
    ("start", "unit"),
    [
        (CHUNKED + b"X: ", b"y" * 2**16),
        (CHUNKED, b"y" * 2**16),
        (CHUNKED, b"X: y\r\n" * 2**13),
        (b"1;x=", b"y" * 2**16),
    ],
    ids=["a trailer", "a name of a trailer", "trailers", "an extension"],
)
def test_lines_of_a_chunked_body_without_an_end_close_the_connection(server, start, unit):
    # The parser would keep them in memory, and copy them with each piece that arrives.
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=30) as connection:
        connection.sendall(head(CODING) + start)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            [connection.sendall(unit) for _ in range(2**9)]  # up to 32 MiB


def test_a_client_that_expects_100_is_told_to_continue(server):
    answers = server.talk(head(b"Expect: 100-continue", LENGTH), BODY)
    assert statuses(answers) == [100, 200]


def test_a_refusal_before_an_expected_body_ends_the_connection(server):
    # The client may leave the body out, so that the server could not tell what follows.
    bad = head(b"Expect: 100-continue", b"Content-Length: 50", path=b"/v1/models/half:nothing")
    answers = server.talk(bad + SMUGGLED)
    assert statuses(answers) == [400]
    assert b"connection: close" in answers
    too_long = head(b"Expect: 100-continue", b"Content-Length: 999999999")
    assert statuses(server.talk(too_long + SMUGGLED)) == [413]


def test_garbage_after_a_request_does_not_replace_its_answer(server):
    answers = server.talk(head(LENGTH) + BODY + b"\0\1\2 garbage\r\n\r\n")
    assert statuses(answers) == [200]
    assert b'"predictions": [4.0' in answers
