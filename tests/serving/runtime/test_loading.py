"""Tiny SavedModels in sessions: outputs and errors."""

import shutil
import time

import grpc
import numpy as np
import pytest

from serving.errors import ServingError
from serving.runtime import loading
from serving.runtime.deadlines import deadline_at
from serving.runtime.loading import SessionOptions, SessionRunner
from tests.serving import tiny_models


@pytest.fixture
def load():
    """Loads a version's folder; every session is closed after the test."""
    runners: list[SessionRunner] = []

    def load(path, **options) -> SessionRunner:
        runners.append(SessionRunner(str(path), SessionOptions(**options)))
        return runners[-1]

    yield load
    for runner in runners:
        runner.close()


def ask(runner: SessionRunner, **inputs):
    signature = runner.signatures["serving_default"]
    feeds = {signature.inputs[name].name: np.asarray(value) for name, value in inputs.items()}
    names = list(signature.outputs)
    outputs = runner.run(feeds, [signature.outputs[name].name for name in names])
    return dict(zip(names, outputs, strict=True))


def test_a_model_answers(load, models):
    runner = load(models / "half_plus_two" / "1")
    y = ask(runner, x=np.float32([1, 2]))["y"]
    assert y.dtype == np.float32
    assert y.tolist() == [2.5, 3.0]  # x / 2 + 2


def test_versions_of_a_model_do_not_share_variables(load, models):
    first, second = (load(models / "half_plus_two" / version) for version in "12")
    assert ask(first, x=np.float32([2]))["y"].tolist() == [3.0]
    assert ask(second, x=np.float32([2]))["y"].tolist() == [4.0]


def test_signatures_keep_their_methods(load, models):
    signatures = load(models / "half_plus_two" / "1").signatures
    assert signatures["classify_x_to_y"].method_name == "tensorflow/serving/classify"
    assert signatures["serving_default"].inputs["x"].name == "x:0"


def test_every_type_comes_through(load, models):
    outputs = ask(
        load(models / "mixed" / "1"),
        f=np.float32([[1, 2]]),
        d=np.float64([0.5]),
        i32=np.int32([3]),
        i64=np.int64([2**40]),
        flag=np.array([True]),
        text=np.array([b"a\0\xff"], object),
    )
    assert outputs["sum"].tolist() == [1 + 2 + 0.5 + 3 + 2**40]
    assert outputs["flipped"].tolist() == [False]
    assert outputs["text"].tolist() == [b"a\0\xff"]


def test_assets_are_read_from_the_version_s_own_folder(load, models, tmp_path):
    moved = shutil.copytree(models / "with_asset" / "1", tmp_path / "moved" / "1")
    runner = load(moved)
    shutil.rmtree(tmp_path)
    index = ask(runner, word=np.array([b"two", b"four"], object))["index"]
    assert index.tolist() == [2, -1]


@pytest.mark.parametrize("threads_between", [0, 2])
def test_errors_of_the_graph_have_the_runtime_s_code_and_words(load, models, threads_between):
    runner = load(models / "matrix" / "1", threads_between=threads_between)
    with pytest.raises(ServingError) as caught:
        ask(runner, x=np.float32([[1, 2]]))
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.message == (
        "Matrix size-incompatible: In[0]: [1,2], In[1]: [3,1]\n\t [[{{node y}}]]"
    )


def test_a_wrong_type_has_the_error_of_the_session(load, models):
    with pytest.raises(ServingError, match=r"Expects arg\[0\] to be float but string is provided"):
        ask(load(models / "half_plus_two" / "1"), x=np.array([b"a"], object))


def test_a_missing_variable_is_found_at_the_first_run_as_there(load, models):
    runner = load(models / "missing_variable" / "1")
    with pytest.raises(ServingError, match="Could not find variable lost") as caught:
        ask(runner, x=np.float32([1]))
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_an_error_that_quotes_bytes_that_are_no_utf8_is_an_error_of_the_request(load, tmp_path):
    import tensorflow as tf

    from tests.serving import tiny_models

    def build():
        text = tf.compat.v1.placeholder(tf.string, [None], "text")
        number = tf.strings.to_number(text)
        return {"serving_default": tiny_models.signature({"text": text}, {"number": number})}

    runner = load(tiny_models.write(tmp_path / "numbers" / "1", build))
    assert ask(runner, text=np.array([b"1.5"], object))["number"].tolist() == [1.5]
    with pytest.raises(ServingError, match="could not correctly convert string") as caught:
        ask(runner, text=np.array([b"\xff\xfe"], object))
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("feeds", "fetches", "message"),
    [
        (["nothing:0"], ["y:0"], "FeedInputs: unable to find feed output nothing:0"),
        (["x:0"], ["nothing:0"], "FetchOutputs node nothing:0: not found"),
    ],
)
def test_a_tensor_that_is_not_in_the_graph_is_named(load, models, feeds, fetches, message):
    runner = load(models / "half_plus_two" / "1")
    with pytest.raises(ServingError, match=message) as caught:
        runner.run({name: np.float32([1]) for name in feeds}, fetches)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_other_tags_are_not_found(load, models):
    text = "Could not find meta graph def matching supplied tags: { gpu serve }"
    with pytest.raises(ServingError, match=text) as caught:
        load(models / "half_plus_two" / "1", tags=("serve", "gpu"))
    assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_a_file_that_is_no_model_does_not_load(load, tmp_path):
    from tests.serving import tiny_models

    with pytest.raises(ServingError, match=r"Can't parse .*saved_model\.pb as binary proto"):
        load(tiny_models.broken(tmp_path / "broken" / "1"))


def test_a_model_without_its_variables_fails_at_its_first_run_as_there(load, models, tmp_path):
    copy = shutil.copytree(models / "half_plus_two" / "1", tmp_path / "1")
    shutil.rmtree(copy / "variables")
    runner = load(copy)
    with pytest.raises(ServingError, match="Could not find variable") as caught:
        ask(runner, x=np.float32([1]))
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_a_model_with_a_part_of_its_variables_does_not_load(load, models, tmp_path):
    copy = shutil.copytree(models / "half_plus_two" / "1", tmp_path / "1")
    [data] = copy.glob("variables/variables.data-*")
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ServingError) as caught:
        load(copy)
    assert caught.value.code in {grpc.StatusCode.DATA_LOSS, grpc.StatusCode.OUT_OF_RANGE}


def seconds_until_the_deadline_ends(runner: SessionRunner, x: float) -> float:
    started_s = time.monotonic()
    with (
        deadline_at(started_s + 0.3),
        pytest.raises(ServingError, match="Timed out waiting for notification") as caught,
    ):
        ask(runner, x=np.float32([x]))
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    return time.monotonic() - started_s


def test_a_run_that_waits_for_ever_ends_at_the_deadline(load, tmp_path):
    runner = load(tiny_models.hanging(tmp_path / "1"))
    for _ in range(3):
        assert ask(runner, x=np.float32([1]))["y"].tolist() == [1.0]
    # The version is known to be fast, so the run is in the caller's thread.
    assert seconds_until_the_deadline_ends(runner, -1) < 3
    assert ask(runner, x=np.float32([1]))["y"].tolist() == [1.0]


def test_a_long_computation_ends_at_the_deadline(load, tmp_path):
    runner = load(tiny_models.slow(tmp_path / "1", num_rounds=100_000_000))
    assert seconds_until_the_deadline_ends(runner, 1) < 3


def test_a_run_past_its_deadline_does_not_start(load, models):
    runner = load(models / "half_plus_two" / "1")
    with deadline_at(time.monotonic() - 1), pytest.raises(ServingError, match="Timed out"):
        ask(runner, x=np.float32([1]))


@pytest.mark.parametrize(
    ("options", "within", "between"),
    [
        ({}, 3, 5),
        ({"threads_within": 2}, 2, 5),
        ({"threads_between": 4}, 3, 4),
    ],
)
def test_the_session_s_config_holds_unless_an_option_says_otherwise(
    monkeypatch, options, within, between
):
    from tensorflow.core.protobuf.config_pb2 import ConfigProto

    given = ConfigProto(
        intra_op_parallelism_threads=3, inter_op_parallelism_threads=5, log_device_placement=True
    )
    used = []

    def record(_path, _tags, config):
        used.append(ConfigProto.FromString(config))
        raise ServingError(grpc.StatusCode.CANCELLED, "recorded")

    monkeypatch.setattr(loading.Session, "from_saved_model", record)
    with pytest.raises(ServingError, match="recorded"):
        SessionRunner("x", SessionOptions(config=given.SerializeToString(), **options))
    [config] = used
    assert config.intra_op_parallelism_threads == within
    assert config.inter_op_parallelism_threads == between
    assert config.log_device_placement
