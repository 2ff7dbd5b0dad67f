"""The gRPC services, on an in-process gRPC server."""

import shutil

import grpc
import numpy as np
import pytest
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.errors import ServingError
from serving.grpc_services import check_folder, max_unpacked_bytes
from serving.options import ServerOptions
from serving.runtime.tensor_protos import fill_proto, from_proto
from serving.server import ModelServer

HALF = "half_plus_two"


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    config = tmp_path_factory.mktemp("config") / "models.config"
    blocks = [
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }}'
        for name in (HALF, "mixed", "two_outputs", "native")
    ]
    config.write_text(f"model_config_list {{ {' '.join(blocks)} }}")
    with ModelServer(ServerOptions(port=0, model_config_file=str(config))) as running:
        yield running


@pytest.fixture(scope="module")
def strict(models):
    """Prediction of a server that checks method names."""
    options = ServerOptions(
        port=0,
        model_name="native",
        model_base_path=str(models / "native"),
        enable_signature_method_name_check=True,
        enable_serialization_as_tensor_content=True,
    )
    with (
        ModelServer(options) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as opened,
    ):
        yield prediction_service_pb2_grpc.PredictionServiceStub(opened)


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as opened:
        yield opened


@pytest.fixture(scope="module")
def prediction(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def model_service(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def predict_request(name=HALF, signature="", **inputs) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        fill_proto(request.inputs[key], np.asarray(value))
    return request


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", 100 * 2**20),
        ("grpc.max_receive_message_length=4194304", 4 * 2**20),
        ("grpc.max_receive_message_length=-1", 100 * 2**20),
        ("grpc.max_receive_message_length=1000000000", 100 * 2**20),
    ],
)
def test_the_largest_message_bounds_an_unpacked_one_too(arguments, expected):
    assert max_unpacked_bytes(ServerOptions(grpc_channel_arguments=arguments)) == expected


def test_a_message_of_any_method_may_be_compressed(model_service):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = HALF * 200  # long enough that gRPC compresses it
    with pytest.raises(grpc.RpcError) as refused:
        model_service.GetModelStatus(request, compression=grpc.Compression.Gzip)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def with_examples(request, *values: float, name=HALF, signature=""):
    """Fills in a request for Classify, Regress or MultiInference."""
    if signature:
        request.model_spec.name = name
        request.model_spec.signature_name = signature
    for value in values:
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(value)
    return request


def task(request, method: str, signature: str, name=HALF) -> None:
    added = request.tasks.add(method_name=f"tensorflow/serving/{method}")
    added.model_spec.name = name
    added.model_spec.signature_name = signature


def refused(call, request) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request)
    return caught.value.code(), caught.value.details()


def test_predict_answers_and_says_which_version_and_signature(prediction):
    answer = prediction.Predict(predict_request(x=np.array([1, 2], np.float32)))
    # Version 2 of the model adds 3: 1 / 2 + 3 and 2 / 2 + 3.
    assert from_proto(answer.outputs["y"]).tolist() == [3.5, 4]
    assert answer.model_spec.name == HALF
    assert answer.model_spec.version.value == 2
    assert answer.model_spec.signature_name == "serving_default"
    assert list(answer.outputs["y"].float_val) == [3.5, 4]


def test_an_output_filter_chooses(prediction):
    request = predict_request(x=np.array([1], np.float32))
    request.output_filter.append("y")
    assert list(prediction.Predict(request).outputs) == ["y"]
    request.output_filter.append("y")
    code, text = refused(prediction.Predict, request)
    assert (code, text) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "duplicate output tensor alias: y",
    )
    request.output_filter[1] = "z"
    code, text = refused(prediction.Predict, request)
    assert text == (
        "output tensor alias not found in signature: z Outputs expected to be in the set {y}."
    )


@pytest.mark.parametrize(
    ("request_made", "code", "text"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (predict_request(name=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (
            predict_request(name="nobody"),
            "NOT_FOUND",
            "Servable not found for request: Latest(nobody)",
        ),
        (
            predict_request(signature="s"),
            "FAILED_PRECONDITION",
            'Serving signature key "s" not found.',
        ),
        (
            predict_request(),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). "
            "Sent extra: {}. Missing but required: {x}.",
        ),
        (
            predict_request(z=np.float32(1)),
            "INVALID_ARGUMENT",
            "input tensor alias not found in signature: z. Inputs expected to be in the set {x}.",
        ),
        (
            predict_request(x=np.array([b"a"], object)),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but string is provided",
        ),
    ],
)
def test_a_wrong_predict_request_gets_its_error(prediction, request_made, code, text):
    found, details = refused(prediction.Predict, request_made)
    assert (found.name, details) == (code, text)


def test_a_proto_that_is_no_tensor_is_named(prediction):
    request = predict_request()
    request.inputs["x"].dtype = DataType.DT_FLOAT
    request.inputs["x"].tensor_shape.dim.add().size = -5
    code, text = refused(prediction.Predict, request)
    assert (code, text) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


@pytest.mark.parametrize("letter", ["n", "\u6f22"])
def test_a_long_message_is_cut_after_1024_bytes(prediction, letter):
    code, text = refused(prediction.Predict, predict_request(name=letter * 2000))
    assert code is grpc.StatusCode.NOT_FOUND
    assert text.endswith(f"{letter}...TRUNCATED")
    kept = text.removesuffix("...TRUNCATED").encode()
    assert 1024 - len(letter.encode()) < len(kept) <= 1024


def test_classify_answers_labels_and_scores(prediction):
    request = with_examples(
        classification_pb2.ClassificationRequest(), 2.0, signature="classify_classes"
    )
    answer = prediction.Classify(request)
    [classes] = answer.result.classifications
    assert [entry.label for entry in classes.classes] == ["low", "high"]
    assert answer.model_spec.signature_name == "classify_classes"


def test_regress_answers_a_number_an_example(prediction):
    request = with_examples(regression_pb2.RegressionRequest(), 2, 4, signature="regress_x_to_y")
    assert [entry.value for entry in prediction.Regress(request).result.regressions] == [4, 5]


def test_the_context_counts_for_examples_that_lack_a_feature(prediction):
    request = with_examples(regression_pb2.RegressionRequest(), signature="regress_x_to_y")
    both = request.input.example_list_with_context
    both.context.features.feature["x"].float_list.value.append(2)
    both.examples.add()
    both.examples.add().features.feature["x"].float_list.value.append(4)
    assert [entry.value for entry in prediction.Regress(request).result.regressions] == [4, 5]


def test_classify_and_regress_report_errors(prediction):
    empty = with_examples(regression_pb2.RegressionRequest(), signature="regress_x_to_y")
    assert refused(prediction.Regress, empty)[1] == "Input is empty."
    unknown = with_examples(regression_pb2.RegressionRequest(), 1, signature="nothing")
    assert refused(prediction.Regress, unknown) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "No signature was found with the name: nothing",
    )
    other = with_examples(regression_pb2.RegressionRequest(), 1, signature="classify_classes")
    assert refused(prediction.Regress, other)[1] == "Expected one output Tensor."
    lacking = with_examples(regression_pb2.RegressionRequest(), signature="regress_x_to_y")
    lacking.input.example_list.examples.add()
    code, text = refused(prediction.Regress, lacking)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Feature: x (data type: float) is required but could not be found." in text


def on_native(request, signature: str, num_examples: int = 1):
    """Fills in empty tf.Examples, whose serialised form has no bytes."""
    request.model_spec.name = "native"
    request.model_spec.signature_name = signature
    for _ in range(num_examples):
        request.input.example_list.examples.add()
    return request


@pytest.mark.parametrize("signature", ["predict_method", "no_method"])
def test_regress_takes_a_signature_of_any_method_name(prediction, signature):
    request = on_native(regression_pb2.RegressionRequest(), signature, 2)
    values = [entry.value for entry in prediction.Regress(request).result.regressions]
    assert values == [0, 0]


def test_classify_takes_a_signature_of_any_method_name(prediction):
    request = on_native(classification_pb2.ClassificationRequest(), "scores")
    [classes] = prediction.Classify(request).result.classifications
    assert [entry.score for entry in classes.classes] == [0]


@pytest.mark.parametrize("signature", ["predict_method", "no_method"])
def test_predict_takes_a_signature_of_any_method_name(prediction, signature):
    request = predict_request("native", signature, inputs=np.array([b"abc"], object))
    assert list(prediction.Predict(request).outputs["outputs"].float_val) == [3]


def test_predict_takes_a_signature_without_inputs(prediction):
    answer = prediction.Predict(predict_request("native", "no_input"))
    assert list(answer.outputs["y"].float_val) == [1, 2]


def test_signatures_with_different_inputs_are_answered_together(prediction):
    request = inference_pb2.MultiInferenceRequest()
    task(request, "regress", "left", "native")
    task(request, "regress", "right", "native")
    task(request, "classify", "scores", "native")
    request.input.example_list.examples.add()
    left, right, scores = prediction.MultiInference(request).results
    assert left.regression_result.regressions[0].value == 0
    assert right.regression_result.regressions[0].value == 10
    assert scores.classification_result.classifications[0].classes[0].score == 0


def test_each_task_names_the_same_model(prediction):
    request = with_examples(inference_pb2.MultiInferenceRequest(), 2)
    task(request, "regress", "regress_x_to_y")
    task(request, "regress", "regress_x_to_y2", "")
    text = "Found ModelSpec with an empty model name."
    assert refused(prediction.MultiInference, request) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    request.tasks[1].model_spec.name = "native"
    text = "All ModelSpecs in a MultiInferenceRequest must access the same model name."
    assert refused(prediction.MultiInference, request)[1] == text


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("uneven", "Tensors class and score should match in dim_size(1). Got 1 vs. 2"),
        ("flat", "Expected Tensor shape: [batch_size num_classes] but got [1]"),
    ],
)
def test_classes_of_a_wrong_shape_are_described_as_tensorflow_does(prediction, signature, text):
    request = on_native(classification_pb2.ClassificationRequest(), signature)
    assert refused(prediction.Classify, request) == (grpc.StatusCode.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        (
            "wide",
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            "[1,2]",
        ),
        ("whole", "Expected output Tensor of DT_FLOAT.  Got: DT_INT32"),
    ],
)
def test_a_value_of_a_wrong_shape_or_type_is_described(prediction, signature, text):
    request = on_native(regression_pb2.RegressionRequest(), signature)
    assert refused(prediction.Regress, request) == (grpc.StatusCode.INVALID_ARGUMENT, text)


def test_method_names_are_checked_with_the_flag(strict):
    methods = "tensorflow/serving/predict, tensorflow/serving/classify, tensorflow/serving/regress"
    assert refused(strict.Predict, predict_request("native", "no_method")) == (
        grpc.StatusCode.INTERNAL,
        f"Expected prediction signature method_name to be one of {{{methods}}}. Was: ",
    )
    word = "Expected {} signature method_name to be tensorflow/serving/{}. Was: {}"
    request = on_native(regression_pb2.RegressionRequest(), "no_method")
    text = word.format("regression", "regress", "")
    assert refused(strict.Regress, request) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    text = word.format("classification", "classify", "tensorflow/serving/predict")
    request = on_native(classification_pb2.ClassificationRequest(), "scores")
    assert refused(strict.Classify, request) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    request = inference_pb2.MultiInferenceRequest()
    task(request, "classify", "scores", "native")
    assert refused(strict.MultiInference, request)[1] == text
    request = on_native(regression_pb2.RegressionRequest(), "left")
    assert [entry.value for entry in strict.Regress(request).result.regressions] == [0]


def test_outputs_are_tensor_content_with_the_flag(strict):
    request = predict_request("native", "left", inputs=np.array([b"abc"], object))
    output = strict.Predict(request).outputs["outputs"]
    assert (list(output.float_val), output.tensor_content) == ([], np.float32(3).tobytes())
    assert from_proto(output).tolist() == [3]


def test_several_signatures_are_answered_together(prediction):
    request = with_examples(inference_pb2.MultiInferenceRequest(), 2)
    task(request, "regress", "regress_x_to_y")
    task(request, "classify", "classify_x_to_y")
    regressed, classified = prediction.MultiInference(request).results
    assert [entry.value for entry in regressed.regression_result.regressions] == [4]
    assert classified.classification_result.classifications[0].classes[0].score == 4
    assert classified.model_spec.signature_name == "classify_x_to_y"


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([], "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            [("regress", "regress_x_to_y"), ("regress", "regress_x_to_y")],
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        ([("regress", "s")], "INVALID_ARGUMENT", "Requested signature not found in model graph: s"),
        (
            [("predict", "serving_default")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_wrong_tasks_get_their_error(prediction, tasks, code, text):
    request = with_examples(inference_pb2.MultiInferenceRequest(), 2)
    for method, signature in tasks:
        task(request, method, signature)
    found, details = refused(prediction.MultiInference, request)
    assert (found.name, details) == (code, text)


def test_metadata_holds_the_signatures(prediction):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = HALF
    answer = prediction.GetModelMetadata(request)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    assert "serving_default" in found.signature_def
    assert answer.model_spec.version.value == 2
    request.metadata_field[0] = "graph"
    assert (
        refused(prediction.GetModelMetadata, request)[1] == "Metadata field graph is not supported"
    )
    del request.metadata_field[:]
    text = "GetModelMetadataRequest must specify at least one metadata_field"
    assert refused(prediction.GetModelMetadata, request)[1] == text


def test_the_state_of_a_model(model_service):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = HALF
    [status] = model_service.GetModelStatus(request).model_version_status
    assert (status.version, status.state) == (2, 30)
    request.model_spec.version.value = 9
    assert refused(model_service.GetModelStatus, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find version 9 of model half_plus_two",
    )


def test_a_reload_without_a_list_of_models_is_refused(model_service):
    request = model_management_pb2.ReloadConfigRequest()
    code, text = refused(model_service.HandleReloadConfigRequest, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith("ServerModelConfig type not supported by HandleReloadConfigRequest.")


def reload_request(models, *names: str) -> model_management_pb2.ReloadConfigRequest:
    request = model_management_pb2.ReloadConfigRequest()
    for name in names:
        request.config.model_config_list.config.add(
            name=name, base_path=str(models / name), model_platform="tensorflow"
        )
    return request


def test_a_reload_answers_the_increase_of_the_metrics_it_names(models, model_service):
    request = reload_request(models, HALF, "mixed", "two_outputs", "native")
    count = "/tensorflow/serving/request_count"
    request.metric_names.extend([count, "/tensorflow/core/unknown", count])
    answer = model_service.HandleReloadConfigRequest(request)
    assert [(metric.name, metric.int64_value_increase) for metric in answer.metric] == [
        (count, 0),
        ("/tensorflow/core/unknown", 0),
    ]


def test_reloads_may_be_bounded_to_a_folder(models, tmp_path):
    base = tmp_path / "allowed"
    shutil.copytree(models / HALF, base / HALF)
    (base / "link").symlink_to(models / "mixed")
    options = ServerOptions(
        port=0, model_name=HALF, model_base_path=str(base / HALF), allow_reload_from=str(base)
    )
    with (
        ModelServer(options) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as opened,
    ):
        call = model_service_pb2_grpc.ModelServiceStub(opened).HandleReloadConfigRequest
        outside = (models / "mixed", base / "link", base / ".." / "mixed", f"file://{base}/{HALF}")
        for path in outside:
            request = reload_request(base, HALF)
            request.config.model_config_list.config.add(
                name="mixed", base_path=str(path), model_platform="tensorflow"
            )
            code, text = refused(call, request)
            assert code is grpc.StatusCode.PERMISSION_DENIED
            assert text.startswith(f"Model mixed: the base path {path} is not in the folder of ")
        call(reload_request(base, HALF))


@pytest.mark.parametrize(
    ("base_path", "allowed", "is_inside"),
    [
        ("gs://models/half", "gs://models/", True),
        ("gs://models", "gs://models", True),
        ("gs://models-of-others/half", "gs://models", False),
        ("gs://models/../half", "gs://models", False),
        ("/models/half", "gs://models", False),
        ("/models/half", "/", True),
        ("/modelss/half", "/models", False),
    ],
)
def test_a_folder_bounds_paths_and_uris(base_path, allowed, is_inside):
    if is_inside:
        check_folder("m", base_path, allowed)
        return
    with pytest.raises(ServingError, match="Model m: the base path"):
        check_folder("m", base_path, allowed)


def test_an_invalid_message_is_refused_at_once(channel):
    for method in ("PredictionService/Predict", "ModelService/GetModelStatus"):
        call = channel.unary_unary(f"/tensorflow.serving.{method}")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\x0f\xff", timeout=5)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "cannot be parsed as tensorflow.serving." in caught.value.details()
