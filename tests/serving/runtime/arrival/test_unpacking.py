import gzip
import zlib

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.errors import ServingError
from serving.runtime.arrival.unpacking import SharedBytes, unpacked

MB = 2**20


def _text(message, **limits):
    with unpacked(message, **limits) as text:
        return text


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
