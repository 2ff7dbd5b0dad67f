import gzip
import zlib

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.errors import ServingError
from serving.runtime.arrival.unpacking import Arrival, SharedBytes, counted, unpacked

MB = 2**20


def _text(message, **limits):
    with unpacked(message, **limits) as arrival:
        return arrival._content


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_a_compressed_message_is_unpacked(compress):
    assert _text(compress(b"message" * 1000)) == b"message" * 1000


@given(name=st.text(), values=st.lists(st.floats(width=32)))
def test_a_protobuf_is_left_as_it_is(name, values):
    request = PredictRequest()
    request.model_spec.name = name
    request.inputs["x"].float_val.extend(values)
    message = request.SerializeToString()
    assert _text(message) == message


@pytest.mark.parametrize(
    "message",
    [
        gzip.compress(b"message")[:-1],
        gzip.compress(b"message") + b"more",
        b"\x1f\x8bno gzip",
        b"\x78\x9cno zlib",
        b"",
    ],
)
def test_what_is_not_whole_and_compressed_is_left_as_it_is(message):
    assert _text(message) == message


def test_a_message_that_expands_beyond_the_limit_is_refused():
    bomb = gzip.compress(bytes(3 * MB))
    assert len(_text(bomb, max_bytes=3 * MB)) == 3 * MB
    with pytest.raises(ServingError, match=f"limit of {2 * MB} bytes") as refused:
        _text(bomb, max_bytes=2 * MB)
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_requests_in_progress_share_the_bytes_beyond_their_first_ones():
    shared = SharedBytes(5 * MB)
    with shared.counted() as large:
        for _ in range(6):  # the first MB is free: 5 MB are taken
            large(MB)
        with shared.counted() as small:
            small(MB)
            with pytest.raises(ServingError, match="Try again") as refused:
                small(1)
        assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    with shared.counted() as next_one:
        next_one(6 * MB)


def _parse(content, **limits):
    shared = SharedBytes(limits.pop("shared", 2**30))
    with shared.counted() as take:
        return Arrival(content, take, **limits).parse(PredictRequest)


def _names(count):
    return PredictRequest(output_filter=[""] * count).SerializeToString()


@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_message_that_is_too_large_once_parsed_is_refused(is_compressed):
    content = _names(MB)
    assert len(content) == 2 * MB
    limits = {"is_compressed": is_compressed, "max_bytes": 100 * MB}
    with pytest.raises(ServingError, match="once it is parsed") as refused:
        _parse(content, **limits)  # 128 bytes a name
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(_parse(_names(MB // 2), **limits).output_filter) == MB // 2


def test_parsed_messages_in_progress_share_the_bytes():
    with pytest.raises(ServingError, match="Try again"):
        _parse(_names(MB), is_compressed=False, shared=100 * MB)
    assert len(_parse(_names(MB), is_compressed=False, shared=150 * MB).output_filter) == MB


def test_contents_do_not_count_beside_the_bytes_that_were_sent():
    request = PredictRequest()
    request.inputs["x"].tensor_content = bytes(4 * MB)
    content = request.SerializeToString()
    assert _parse(content, is_compressed=False, max_bytes=MB, shared=MB) == request


def test_a_compressed_message_counts_unpacked_and_parsed():
    request = PredictRequest()
    request.inputs["x"].tensor_content = bytes(4 * MB)
    content = gzip.compress(request.SerializeToString())
    # 6 MB are left to share. 4 MB are unpacked, of which 1 MB is free: 3 MB are left to parse 4 MB.
    with counted() as others, unpacked(content) as arrival:
        others(2**29 + MB - 6 * MB)
        with pytest.raises(ServingError, match="Try again"):
            arrival.parse(PredictRequest)
    with unpacked(content) as arrival:
        assert arrival.parse(PredictRequest) == request


def test_a_message_of_another_type_is_refused():
    with pytest.raises(ServingError, match="cannot be parsed as tensorflow") as refused:
        _parse(b"\xff" * 10, is_compressed=False)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
