"""TFLite models in LiteRT's interpreters, alone and in a server."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.errors import ServingError
from serving.lifecycle.model_loader import LoaderOptions, ModelLoader
from serving.runtime.batching import BatchingOptions
from serving.runtime.tflite import TfliteOptions, TfliteRunner

pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A version with a SavedModel, y = x / 2, and a TFLite model of two signatures.

    `serving_default`: x float [-1, 2] -> total float [-1] (the sum of a row) and above float
    [-1, 2] (x + 1). `texts`: text string [-1, 1] -> flat string [-1].
    """
    import tensorflow as tf

    from tests.serving import tiny_models

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
        def sums(self, x):
            return {"total": tf.reduce_sum(x, 1), "above": x + 1}

        @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.string, "text")])
        def texts(self, text):
            return {"flat": tf.reshape(text, [-1])}

    root = tmp_path_factory.mktemp("tflite")
    model = Model()
    signatures = {"serving_default": model.sums, "texts": model.texts}
    tf.saved_model.save(model, str(root / "source"), signatures=signatures)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(root / "source"), signature_keys=list(signatures)
    )
    version = root / "m" / "1"
    tiny_models.half_plus_two(version)
    (version / "model.tflite").write_bytes(converter.convert())
    return version


@pytest.fixture(scope="module")
def runner(folder):
    return TfliteRunner(str(folder), TfliteOptions(num_pools=2))


def ask(runner: TfliteRunner, signature: str, **inputs) -> dict[str, np.ndarray]:
    definition = runner.signatures[signature]
    feeds = {definition.inputs[alias].name: value for alias, value in inputs.items()}
    names = list(definition.outputs)
    outputs = runner.run(feeds, [definition.outputs[name].name for name in names])
    return dict(zip(names, outputs, strict=True))


def refused(runner: TfliteRunner, signature: str, **inputs) -> ServingError:
    with pytest.raises(ServingError) as caught:
        ask(runner, signature, **inputs)
    return caught.value


@pytest.mark.parametrize("num_rows", [1, 3])
def test_a_signature_answers_any_number_of_rows(runner, num_rows):
    x = np.arange(2 * num_rows, dtype=np.float32).reshape(num_rows, 2)
    outputs = ask(runner, "serving_default", x=x)
    assert outputs["total"].tolist() == x.sum(1).tolist()
    assert outputs["above"].tolist() == (x + 1).tolist()


def test_texts_go_in_and_come_out_as_bytes(runner):
    texts = np.array([[b"a"], [b""], ["\u00e9\u6f22".encode()]], object)
    flat = ask(runner, "texts", text=texts)["flat"]
    assert flat.dtype == object
    assert flat.tolist() == [b"a", b"", "\u00e9\u6f22".encode()]


def test_signatures_describe_their_tensors(runner):
    definition = runner.signatures["serving_default"]
    x = definition.inputs["x"]
    assert (x.dtype, [dim.size for dim in x.tensor_shape.dim]) == (1, [-1, 2])
    assert definition.method_name == "tensorflow/serving/predict"
    assert runner.signatures["texts"].inputs["text"].dtype == 7


def test_several_signatures_are_answered_together(runner):
    sums, texts = runner.signatures["serving_default"], runner.signatures["texts"]
    feeds = {
        sums.inputs["x"].name: np.float32([[1, 2]]),
        texts.inputs["text"].name: np.array([[b"a"]], object),
    }
    fetches = [texts.outputs["flat"].name, sums.outputs["total"].name]
    assert [output.tolist() for output in runner.run(feeds, fetches)] == [[b"a"], [3.0]]


def test_what_does_not_fit_is_described(runner):
    error = refused(runner, "serving_default", x=np.float32([1, 2]))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.message == "input x must have the shape [-1, 2] (-1: any size), got [2]"
    error = refused(runner, "serving_default", x=np.float64([[1, 2]]))
    assert error.message == "input x must be DT_FLOAT, got DT_DOUBLE"
    assert refused(runner, "serving_default").message == "missing inputs: x"
    with pytest.raises(ServingError, match=r"FetchOutputs node: nothing:0"):
        runner.run({}, ["nothing:0"])


def test_many_threads_share_few_interpreters(runner):
    def total(number: int) -> float:
        outputs = ask(runner, "serving_default", x=np.float32([[number, 1]]))
        return outputs["total"].item()

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(total, range(500))) == [number + 1 for number in range(500)]


def test_a_file_that_is_no_model_does_not_load(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"no model")
    with pytest.raises(ServingError, match=r"model\.tflite: ") as caught:
        TfliteRunner(str(tmp_path), TfliteOptions())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_tflite_model_is_preferred_only_where_that_is_asked_for(folder):
    preferring = LoaderOptions(tflite=TfliteOptions())
    for options, inputs in ((preferring, (-1, 2)), (LoaderOptions(), (-1,))):
        model = ModelLoader(options).load("m", 1, str(folder))
        x = model.signatures["serving_default"].inputs["x"]
        assert tuple(dim.size for dim in x.tensor_shape.dim) == inputs
        model.close()


def test_a_version_without_a_tflite_model_is_served_by_tensorflow(models):
    options = LoaderOptions(tflite=TfliteOptions())
    model = ModelLoader(options).load("half", 1, str(models / "half_plus_two" / "1"))
    definition = model.signatures["serving_default"]
    [y] = model.run({"x:0": np.float32([2])}, [definition.outputs["y"].name])
    assert y.tolist() == [3.0]
    model.close()


def test_requests_for_a_tflite_model_are_batched(folder):
    options = LoaderOptions(
        tflite=TfliteOptions(), batching=BatchingOptions(max_batch_size=4, allowed_batch_sizes=(4,))
    )
    model = ModelLoader(options).load("m", 1, str(folder))
    definition = model.signatures["serving_default"]
    feeds = {definition.inputs["x"].name: np.float32([[1, 2], [3, 4]])}
    [total] = model.run(feeds, [definition.outputs["total"].name])
    assert total.tolist() == [3.0, 7.0]
    model.close()


def test_a_server_with_the_flag_serves_a_folder_that_has_only_a_tflite_model(folder, tmp_path):
    import httpx

    from serving.options import ServerOptions
    from serving.server import ModelServer

    version = tmp_path / "m" / "1"
    version.mkdir(parents=True)
    shutil.copy(folder / "model.tflite", version)
    options = ServerOptions(
        port=0,
        rest_api_port=-1,
        model_name="m",
        model_base_path=str(version.parent),
        prefer_tflite_model=True,
        num_tflite_pools=1,
    )
    with ModelServer(options) as server:
        url = f"http://127.0.0.1:{server.rest_port}/v1/models/m:predict"
        answer = httpx.post(url, json={"instances": [[1, 2]]}, timeout=20)
        assert answer.json() == {"predictions": [{"total": 3.0, "above": [2.0, 3.0]}]}
