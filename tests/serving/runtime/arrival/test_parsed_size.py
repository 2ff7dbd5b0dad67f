import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.runtime.arrival import parsed_size
from serving.runtime.arrival.parsed_size import (
    MAX_EXPANSION,
    MEASURED_EXPANSION,
    TooManyFieldsError,
    parsed_bytes,
)
from tests.serving.runtime.arrival.growth import field, repeated, shapes, tensor

_SHAPES = shapes()
_NO_LIMIT = 2**50


def _bound(kind, content, limit=_NO_LIMIT):
    return parsed_bytes(kind.DESCRIPTOR, content, limit=limit)


@pytest.fixture(scope="module")
def growth():
    """Growth of a fresh process by the message of each shape."""
    project = Path(__file__).parents[4]
    command = [sys.executable, "-m", "tests.serving.runtime.arrival.growth"]
    run = subprocess.run(command, check=True, capture_output=True, cwd=project)
    return json.loads(run.stdout)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", _SHAPES)
def test_a_parsed_message_takes_at_most_the_bound(growth, name):
    # The memory of one page or block may be reserved already.
    kind, content = _SHAPES[name]
    assert growth[name] <= min(_bound(kind, content), len(content) * MEASURED_EXPANSION) + 2**17


@pytest.mark.parametrize("name", _SHAPES)
def test_no_message_expands_more_than_the_largest_ratio(name):
    kind, content = _SHAPES[name]
    assert _bound(kind, content) <= len(content) * MAX_EXPANSION


@pytest.mark.parametrize(
    "payload",
    [
        repeated(field(8, b"")),
        repeated(field(2, b"")),
        repeated(field(15, field(3, b""))),
        repeated(b"\x53\x54"),
        repeated(b"\xff"),
    ],
)
@pytest.mark.parametrize("number", [4, 8])
def test_contents_that_look_like_fields_take_their_size(payload, number):
    # Of a text: its parsed form, an object and TensorFlow's copy.
    assert _bound(PredictRequest, tensor(field(number, payload))) < 3 * len(payload) + 2_000


def test_reading_stops_at_the_limit():
    content = tensor(repeated(field(8, b"")))
    assert 10**6 < _bound(PredictRequest, content, limit=10**6) < 2 * 10**6


def test_fields_that_are_no_run_are_bounded(monkeypatch):
    monkeypatch.setattr(parsed_size, "MAX_FIELDS", 1_000)
    content = (b"\xa0\x06\0" + field(3, b"")) * 500
    _bound(PredictRequest, content)
    with pytest.raises(TooManyFieldsError, match="more than 1000 fields"):
        _bound(PredictRequest, content + b"\x50\0")


def test_a_run_counts_each_of_its_fields():
    single = _bound(PredictRequest, tensor(field(8, b"ab")))
    several = _bound(PredictRequest, tensor(field(8, b"ab") * 5_001))
    # 128 bytes a text, and 3 times its 4 bytes with key and length, 3 times 2 of the first.
    assert several - single == pytest.approx(5_000 * (128 + 3 * 4), rel=0.01)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_bound(content):
    assert _bound(PredictRequest, content) >= 0


@given(st.data())
def test_fields_before_an_invalid_one_count(data):
    content = field(3, b"") * data.draw(st.integers(0, 100))
    invalid = content + data.draw(st.sampled_from([b"\x1a\x05", b"\x0c", b"\x07", b"\xff" * 11]))
    with pytest.raises(DecodeError):
        PredictRequest.FromString(invalid)
    assert _bound(PredictRequest, invalid) >= _bound(PredictRequest, content)
