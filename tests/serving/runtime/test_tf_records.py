"""Intact and damaged TFRecord files."""

import grpc
import pytest
import tensorflow as tf

from serving.errors import ServingError
from serving.runtime.tf_records import read_records

RECORDS = [b"", b"one", b"x" * 10_000]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in RECORDS:
            writer.write(record)
    return path


def test_records_are_read_in_order(file):
    assert list(read_records(str(file))) == RECORDS


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "empty").touch()
    assert list(read_records(str(tmp_path / "empty"))) == []


@pytest.mark.parametrize("cut", [1, 3, 10_000, 10_015])
def test_a_truncated_file_is_an_error(file, cut):
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(ServingError, match="truncated record at 35 in") as caught:
        list(read_records(str(file)))
    assert caught.value.code is grpc.StatusCode.DATA_LOSS


@pytest.mark.parametrize("position", [16, 24, 28, 31, 34])
def test_a_changed_byte_is_an_error(file, position):
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    with pytest.raises(ServingError, match="corrupted record at 16 in") as caught:
        list(read_records(str(file)))
    assert caught.value.code is grpc.StatusCode.DATA_LOSS


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ServingError, match="missing") as caught:
        list(read_records(str(tmp_path / "missing")))
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
