"""gRPC: services, the table of cases, and the content of answers."""

import grpc
import numpy as np
import pytest

from tests.serving.contract.wires import refusal

pytestmark = pytest.mark.e2e
row = pytest.mark.contract_row
NAME = "half_plus_two"


@pytest.fixture(scope="module")
def apis():
    """The official messages; TensorFlow comes with them."""
    from types import SimpleNamespace

    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        inference_pb2,
        model_management_pb2,
        predict_pb2,
        regression_pb2,
    )

    return SimpleNamespace(
        Predict=predict_pb2.PredictRequest,
        Classify=classification_pb2.ClassificationRequest,
        Regress=regression_pb2.RegressionRequest,
        MultiInference=inference_pb2.MultiInferenceRequest,
        Metadata=get_model_metadata_pb2.GetModelMetadataRequest,
        SignatureDefMap=get_model_metadata_pb2.SignatureDefMap,
        Status=get_model_status_pb2.GetModelStatusRequest,
        Reload=model_management_pb2.ReloadConfigRequest,
    )


def tensor(values, dtype=None):
    import tensorflow as tf

    return tf.make_tensor_proto(values, dtype)


def choose(spec, *, name=NAME, version=None, label="", signature=""):
    spec.name = name
    spec.signature_name = signature
    if version is not None:
        spec.version.value = version
    if label:
        spec.version_label = label
    return spec


@pytest.fixture
def predict(apis):
    """Builds a PredictRequest: `predict({"x": [1.0]}, name=…, version=…)`."""

    def build(inputs, *, outputs=(), **spec):
        request = apis.Predict()
        choose(request.model_spec, **spec)
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tensor(value))
        request.output_filter.extend(outputs)
        return request

    return build


@pytest.fixture
def examples():
    """Puts one tf.Example a value into a request: feature `x`, float."""

    def fill(request, *values, feature="x", **spec):
        import tensorflow as tf

        choose(request.model_spec, **spec)
        for value in values:
            floats = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
            one = tf.train.Example(features=tf.train.Features(feature={feature: floats}))
            request.input.example_list.examples.append(one)
        return request

    return fill


X = {"x": [1.0, 2.0]}


@row("gRPC: Predict")
@row("gRPC: typed fields")
@row("gRPC: the answer's model_spec")
@pytest.mark.parametrize(
    ("chosen", "version", "values"),
    [
        ({}, 2, [3.5, 4.0]),
        ({"version": 1}, 1, [2.5, 3.0]),
        ({"label": "stable"}, 1, [2.5, 3.0]),
        ({"label": "release candidate"}, 2, [3.5, 4.0]),
        ({"signature": "serving_default"}, 2, [3.5, 4.0]),
    ],
)
def test_predict_answers_with_the_resolved_version(stubs, predict, chosen, version, values):
    answer = stubs.prediction.Predict(predict(X, **chosen), timeout=30)
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == (
        NAME,
        version,
        "serving_default",
    )
    y = answer.outputs["y"]
    assert (list(y.float_val), y.tensor_content) == (values, b"")
    assert [entry.size for entry in y.tensor_shape.dim] == [2]


@row("gRPC: typed fields")
def test_every_type_comes_back_in_its_field(stubs, predict):
    sent = {
        "f": np.array([[1, 2]], np.float32),
        "d": np.array([4.0]),
        "i32": np.array([8], np.int32),
        "i64": np.array([16], np.int64),
        "flag": np.array([True]),
        "text": np.array([b"a"]),
    }
    got = stubs.prediction.Predict(predict(sent, name="mixed"), timeout=30).outputs
    assert list(got["sum"].double_val) == [31.0]
    assert list(got["flipped"].bool_val) == [False]
    assert list(got["text"].string_val) == [b"a"]
    assert list(got["row"].float_val) == [1.0, 2.0]
    assert not any(entry.tensor_content for entry in got.values())


@row("gRPC: Predict")
def test_the_output_filter_leaves_out_the_rest(stubs, predict):
    request = predict({"x": [1.0]}, outputs=["same"], name="two_outputs")
    assert set(stubs.prediction.Predict(request, timeout=30).outputs) == {"same"}


@row("gRPC: Classify")
def test_classify_answers_labels_and_scores(stubs, apis, examples):
    request = examples(apis.Classify(), 1.0, signature="classify_classes", version=1)
    answer = stubs.prediction.Classify(request, timeout=30)
    (one,) = answer.result.classifications
    assert [(entry.label, entry.score) for entry in one.classes] == [("low", -2.5), ("high", 2.5)]
    assert (answer.model_spec.version.value, answer.model_spec.signature_name) == (
        1,
        "classify_classes",
    )


@row("gRPC: Regress")
def test_regress_answers_values(stubs, apis, examples):
    request = examples(apis.Regress(), 1.0, 2.0, signature="regress_x_to_y", version=1)
    answer = stubs.prediction.Regress(request, timeout=30)
    assert [entry.value for entry in answer.result.regressions] == [2.5, 3.0]


@row("gRPC: Regress")
def test_examples_may_share_a_context(stubs, apis, examples):
    plain = examples(apis.Regress(), 1.0).input.example_list.examples[0]
    request = apis.Regress()
    choose(request.model_spec, signature="regress_x_to_y", version=1)
    request.input.example_list_with_context.context.CopyFrom(plain)
    request.input.example_list_with_context.examples.add()
    answer = stubs.prediction.Regress(request, timeout=30)
    assert [entry.value for entry in answer.result.regressions] == [2.5]


def add_tasks(request, *tasks, version=1):
    for name, method in tasks:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        choose(task.model_spec, signature=name, version=version)
    return request


def with_input(request, examples, apis):
    request.input.CopyFrom(examples(apis.Regress(), 1.0).input)
    return request


@row("gRPC: MultiInference")
def test_multi_inference_runs_several_signatures(stubs, apis, examples):
    tasks = [("regress_x_to_y", "regress"), ("classify_x_to_y", "classify")]
    request = with_input(add_tasks(apis.MultiInference(), *tasks), examples, apis)
    first, second = stubs.prediction.MultiInference(request, timeout=30).results
    assert first.regression_result.regressions[0].value == 2.5
    assert second.classification_result.classifications[0].classes[0].score == 2.5
    assert first.model_spec.version.value == 1


@row("gRPC: a signature of any method name")
@pytest.mark.parametrize("signature", ["predict_method", "no_method"])
def test_signatures_of_any_method_name_answer(stubs, apis, predict, signature):
    request = apis.Regress()
    choose(request.model_spec, name="native", signature=signature)
    request.input.example_list.examples.add()
    answer = stubs.prediction.Regress(request, timeout=30)
    assert [entry.value for entry in answer.result.regressions] == [0.0]
    request = predict({"inputs": [b"abc"]}, name="native", signature=signature)
    answer = stubs.prediction.Predict(request, timeout=30)
    assert list(answer.outputs["outputs"].float_val) == [3.0]


@row("gRPC: a signature of any method name")
def test_classify_answers_for_a_signature_of_predict(stubs, apis):
    request = apis.Classify()
    choose(request.model_spec, name="native", signature="scores")
    request.input.example_list.examples.add()
    (one,) = stubs.prediction.Classify(request, timeout=30).result.classifications
    assert [entry.score for entry in one.classes] == [0.0]


@row("gRPC: MultiInference")
def test_signatures_with_inputs_of_their_own_share_a_run(stubs, apis):
    request = apis.MultiInference()
    for name in ("left", "right"):
        task = request.tasks.add(method_name="tensorflow/serving/regress")
        choose(task.model_spec, name="native", signature=name)
    request.input.example_list.examples.add()
    got = stubs.prediction.MultiInference(request, timeout=30).results
    assert [one.regression_result.regressions[0].value for one in got] == [0.0, 10.0]


@row("gRPC: GetModelMetadata")
def test_metadata_holds_the_signatures(stubs, apis):
    request = apis.Metadata(metadata_field=["signature_def"])
    choose(request.model_spec, version=1)
    answer = stubs.prediction.GetModelMetadata(request, timeout=30)
    assert (answer.model_spec.name, answer.model_spec.version.value) == (NAME, 1)
    definitions = apis.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(definitions)
    assert definitions.signature_def["serving_default"].inputs["x"].name == "x:0"


@row("gRPC: GetModelStatus")
def test_status_tells_every_version(stubs, apis):
    request = apis.Status()
    request.model_spec.name = NAME
    got = stubs.models.GetModelStatus(request, timeout=30).model_version_status
    assert [(entry.version, entry.state, entry.status.error_code) for entry in got] == [
        (2, 30, 0),
        (1, 30, 0),
    ]


@row("gRPC: ProfilerService")
def test_the_profiler_is_registered(stubs):
    # An empty TerminateRequest names no session: refused, but by the service.
    try:
        stubs.raw("/tensorflow.ProfilerService/Terminate")
    except grpc.RpcError as error:
        assert error.code() is not grpc.StatusCode.UNIMPLEMENTED  # noqa: PT017 - may also pass


@row("gRPC: no SessionService, no reflection")
@pytest.mark.parametrize(
    "method",
    [
        "/tensorflow.serving.SessionService/SessionRun",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ],
)
def test_other_services_are_not_registered(stubs, method):
    with pytest.raises(grpc.RpcError) as caught:
        stubs.raw(method)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@row("gRPC: long messages are cut")
def test_a_long_message_is_cut(stubs, predict):
    code, message = refusal(stubs.prediction.Predict, predict(X, signature="s" * 3000))
    assert code == "FAILED_PRECONDITION"
    assert message.startswith('Serving signature key "sss')
    assert message.endswith("...TRUNCATED")
    assert 1024 <= len(message) <= 1024 + len("...TRUNCATED")


@row("gRPC: size of messages")
def test_messages_may_be_larger_than_grpc_s_own_limit(stubs, predict):
    # 8 MB each way; gRPC's limit is 4 MB unless it is told otherwise.
    sent = np.arange(2_000_000, dtype=np.float32)
    request = predict({"x": sent}, name="echo_float")
    answer = stubs.prediction.Predict(request, timeout=60)
    assert len(answer.outputs["y"].float_val) == 2_000_000


@row("gRPC case: no model_spec or name")
@pytest.mark.parametrize("method", ["Predict", "Classify", "Regress"])
def test_a_request_names_a_model(stubs, apis, method):
    request = getattr(apis, method)()
    call = getattr(stubs.prediction, method)
    assert refusal(call, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.signature_name = "serving_default"
    assert refusal(call, request) == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")


@row("gRPC case: unknown model, version, label")
@pytest.mark.parametrize(
    ("chosen", "code", "message"),
    [
        ({"name": "nobody"}, "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
        ({"version": 9}, "NOT_FOUND", f"Servable not found for request: Specific({NAME}, 9)"),
        ({"label": "L"}, "INVALID_ARGUMENT", "Unrecognized servable version label: L"),
        (
            {"name": "nobody", "label": "L"},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: L",
        ),
    ],
)
def test_an_unknown_model_version_or_label(stubs, predict, chosen, code, message):
    assert refusal(stubs.prediction.Predict, predict(X, **chosen)) == (code, message)


@row("gRPC case: unknown model, version, label")
def test_status_of_an_unknown_model_or_version(stubs, apis):
    request = apis.Status()
    request.model_spec.name = "nobody"
    message = "Could not find any versions of model nobody"
    assert refusal(stubs.models.GetModelStatus, request) == ("NOT_FOUND", message)
    choose(request.model_spec, version=9)
    message = f"Could not find version 9 of model {NAME}"
    assert refusal(stubs.models.GetModelStatus, request) == ("NOT_FOUND", message)


@row("gRPC case: Predict, unknown signature")
def test_predict_with_an_unknown_signature(stubs, predict):
    got = refusal(stubs.prediction.Predict, predict(X, signature="s"))
    assert got == ("FAILED_PRECONDITION", 'Serving signature key "s" not found.')


@row("gRPC case: inputs do not match")
def test_no_input_at_all(stubs, predict):
    message = (
        "input size does not match signature: 0!=1 len({}) != len({x}). "
        "Sent extra: {}. Missing but required: {x}."
    )
    assert refusal(stubs.prediction.Predict, predict({})) == ("INVALID_ARGUMENT", message)


@row("gRPC case: inputs do not match")
def test_an_input_too_many(stubs, predict):
    code, message = refusal(stubs.prediction.Predict, predict(X | {"z": [1.0]}))
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("input size does not match signature: 2!=1 len({")
    assert message.endswith("}) != len({x}). Sent extra: {z}. Missing but required: {}.")


@row("gRPC case: inputs do not match")
def test_another_name_has_a_text_of_its_own(stubs, predict):
    code, message = refusal(stubs.prediction.Predict, predict({"z": [1.0]}))
    assert code == "INVALID_ARGUMENT"
    assert not message.startswith("input size does not match")
    assert "z" in message


@row("gRPC case: output_filter")
@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (
            ["z"],
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
        ),
        (["y", "y"], "duplicate output tensor alias: y"),
    ],
)
def test_a_wrong_output_filter(stubs, predict, outputs, message):
    got = refusal(stubs.prediction.Predict, predict(X, outputs=outputs))
    assert got == ("INVALID_ARGUMENT", message)


@row("gRPC case: bad TensorProto")
def test_a_tensor_that_cannot_be_read(stubs, predict):
    request = predict(X)
    request.inputs["x"].Clear()
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=3)
    request.inputs["x"].tensor_content = b"12345"  # three floats are 12 bytes
    got = refusal(stubs.prediction.Predict, request)
    assert got == ("INVALID_ARGUMENT", "tensor parsing error: x")


@row("gRPC case: wrong dtype")
def test_a_tensor_of_another_type(stubs, predict):
    got = refusal(stubs.prediction.Predict, predict({"x": ["1.0"]}))
    assert got == ("INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided")


EXAMPLE_CALLS = [("Classify", "classify_x_to_y"), ("Regress", "regress_x_to_y")]


@row("gRPC case: Classify and Regress, input")
@pytest.mark.parametrize(("method", "signature"), EXAMPLE_CALLS)
def test_no_examples(stubs, apis, method, signature):
    request = getattr(apis, method)()
    choose(request.model_spec, signature=signature)
    got = refusal(getattr(stubs.prediction, method), request)
    assert got == ("INVALID_ARGUMENT", "Input is empty.")


@row("gRPC case: Classify and Regress, input")
@pytest.mark.parametrize("method", ["Classify", "Regress"])
def test_a_signature_of_two_inputs(stubs, apis, examples, method):
    request = examples(
        getattr(apis, method)(), 1.0, name="two_example_inputs", signature=method.lower()
    )
    got = refusal(getattr(stubs.prediction, method), request)
    assert got == ("INVALID_ARGUMENT", "Expected one input Tensor.")


@row("gRPC case: Classify and Regress, missing feature")
@pytest.mark.parametrize(("method", "signature"), EXAMPLE_CALLS)
def test_a_feature_that_is_not_there(stubs, apis, examples, method, signature):
    request = examples(getattr(apis, method)(), 1.0, feature="other", signature=signature)
    code, message = refusal(getattr(stubs.prediction, method), request)
    start = "Name: <unknown>, Feature: x (data type: float) is required but could not be found."
    assert code == "INVALID_ARGUMENT"
    assert message.startswith(start)


@row("gRPC case: MultiInference")
@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        (
            [("regress_x_to_y", "regress"), ("regress_x_to_y", "regress")],
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        (
            [("s", "regress")],
            "INVALID_ARGUMENT",
            "Requested signature not found in model graph: s",
        ),
        (
            [("serving_default", "predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_wrong_tasks(stubs, apis, examples, tasks, code, message):
    request = with_input(add_tasks(apis.MultiInference(), *tasks), examples, apis)
    assert refusal(stubs.prediction.MultiInference, request) == (code, message)


@row("gRPC case: metadata")
def test_metadata_needs_a_known_field(stubs, apis):
    request = apis.Metadata()
    choose(request.model_spec)
    message = "GetModelMetadataRequest must specify at least one metadata_field"
    call = stubs.prediction.GetModelMetadata
    assert refusal(call, request) == ("INVALID_ARGUMENT", message)
    request.metadata_field.append("f")
    assert refusal(call, request) == ("INVALID_ARGUMENT", "Metadata field f is not supported")


@row("gRPC case: reload")
def test_reload_takes_a_list_of_models_only(stubs, apis):
    message = (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. "
        "Only ModelConfigList is currently supported"
    )
    got = refusal(stubs.models.HandleReloadConfigRequest, apis.Reload())
    assert got == ("INVALID_ARGUMENT", message)


@row("design: an error that quotes bytes which are no text")
def test_an_error_that_quotes_bytes(stubs, predict):
    request = predict({"text": np.array([b"\xff\xfe"])}, name="to_number")
    assert refusal(stubs.prediction.Predict, request)[0] == "INVALID_ARGUMENT"


@row("health: on")
@pytest.mark.parametrize("service", ["ModelService", "PredictionService"])
def test_health_knows_both_services(stubs, service):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    check = health_pb2_grpc.HealthStub(stubs.channel).Check
    answer = check(health_pb2.HealthCheckRequest(service=service), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@row("health: Watch")
@pytest.mark.parametrize(("service", "state"), [("ModelService", 1), ("nobody", 3)])
def test_watch_sends_the_state_at_once(stubs, service, state):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    watch = health_pb2_grpc.HealthStub(stubs.channel).Watch
    states = watch(health_pb2.HealthCheckRequest(service=service), timeout=30)
    assert next(states).status == state  # SERVING, SERVICE_UNKNOWN
    states.cancel()
