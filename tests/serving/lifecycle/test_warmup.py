"""Replay of warm-up requests before a version serves."""

import shutil

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.errors import ServingError
from serving.lifecycle.model_loader import LoaderOptions, ModelLoader
from serving.runtime.batching import BatchingOptions


@pytest.fixture
def folder(models, tmp_path):
    """A version of half_plus_two that a test may write into."""
    copy = shutil.copytree(models / "half_plus_two" / "1", tmp_path / "half" / "1")
    (copy / "assets.extra").mkdir()
    return copy


def predict_log(values) -> PredictionLog:
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(values))
    return log


def classify_log() -> PredictionLog:
    log = PredictionLog()
    log.classify_log.request.model_spec.signature_name = "classify_x_to_y"
    example = log.classify_log.request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2.0)
    return log


def write(folder, *records: bytes) -> None:
    with tf.io.TFRecordWriter(str(folder / "assets.extra/tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record)


def load(folder, monkeypatch, **options) -> list[dict]:
    """Loads the version; returns what its graph was fed meanwhile."""
    from serving.runtime import loading

    fed: list[dict] = []
    run = loading.SessionRunner.run

    def noting(self, feeds, fetches):
        fed.append(dict(feeds))
        return run(self, feeds, fetches)

    monkeypatch.setattr(loading.SessionRunner, "run", noting)
    ModelLoader(LoaderOptions(**options)).load("half", 1, str(folder)).close()
    return fed


def test_each_request_is_replayed_in_order(folder, monkeypatch):
    logs = [predict_log([np.float32(1)]), classify_log(), predict_log([np.float32(3)])]
    write(folder, *(log.SerializeToString() for log in logs))
    fed = load(folder, monkeypatch)
    assert [list(feeds) for feeds in fed] == [["x:0"], ["tf_example:0"], ["x:0"]]
    assert [fed[0]["x:0"].tolist(), fed[2]["x:0"].tolist()] == [[1.0], [3.0]]


def test_requests_are_replayed_as_often_as_asked_also_with_batching(folder, monkeypatch):
    write(folder, predict_log([np.float32(1)]).SerializeToString())
    fed = load(folder, monkeypatch, num_warm_up_iterations=3, batching=BatchingOptions())
    assert len(fed) == 3


def test_without_requests_or_where_not_wanted_nothing_is_replayed(folder, monkeypatch):
    assert load(folder, monkeypatch) == []
    write(folder, predict_log([np.float32(1)]).SerializeToString())
    assert load(folder, monkeypatch, num_warm_up_iterations=0) == []


def test_a_request_that_fails_fails_the_load(folder, monkeypatch):
    write(folder, predict_log([b"text"]).SerializeToString())
    with pytest.raises(ServingError, match="to be float but string is provided") as caught:
        load(folder, monkeypatch)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("record", "code", "message"),
    [
        (b"\xff", grpc.StatusCode.INVALID_ARGUMENT, "Failed to parse warmup record from"),
        (b"", grpc.StatusCode.UNIMPLEMENTED, "Unsupported log_type for warmup: None"),
    ],
)
def test_a_record_that_is_no_request_fails_the_load(folder, monkeypatch, record, code, message):
    write(folder, record)
    with pytest.raises(ServingError, match=message) as caught:
        load(folder, monkeypatch)
    assert caught.value.code is code


def test_a_file_that_was_cut_off_fails_the_load(folder, monkeypatch):
    write(folder, predict_log([np.float32(1)]).SerializeToString())
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ServingError, match="truncated record") as caught:
        load(folder, monkeypatch)
    assert caught.value.code is grpc.StatusCode.DATA_LOSS


def test_more_than_a_thousand_requests_fail_the_load(folder, monkeypatch):
    write(folder, *[predict_log([np.float32(1)]).SerializeToString()] * 1001)
    with pytest.raises(ServingError, match=r"exceeds the maximum \(1000\) at .*requests"):
        load(folder, monkeypatch)
