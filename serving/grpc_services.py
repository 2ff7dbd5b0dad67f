"""The gRPC services PredictionService and ModelService."""

import contextlib
import functools
import logging
import math
import os
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from tensorflow_serving.apis.model_pb2 import ModelSpec

from common.logs import answering
from serving.errors import ServingError, invalid_argument
from serving.headers import KEY_HEADER
from serving.inference.classify import classify
from serving.inference.examples import serialised_examples
from serving.inference.multi_inference import multi_inference
from serving.inference.predict import (
    DEFAULT_SIGNATURE,
    check_inputs,
    choose_outputs,
    find_signature,
    run,
)
from serving.inference.regress import regress
from serving.metrics import Asked, Metrics, log_answer
from serving.options import ServerOptions
from serving.protos.example_requests import (
    ClassificationRequest,
    MultiInferenceRequest,
    RegressionRequest,
)
from serving.recording.exchanges import Exchange, tags_of_metadata
from serving.runtime.admission import Admission
from serving.runtime.arrival.grpc_threads import RequestThreads
from serving.runtime.arrival.unpacking import MAX_UNPACKED_BYTES, Arrival, unpacked
from serving.runtime.deadlines import deadline_at
from serving.runtime.tensor_protos import fill_content, fill_proto, from_protos
from serving.servable import ModelManager, Servable, Servables

if TYPE_CHECKING:
    from serving.recording.recorder import Recorder

logger = logging.getLogger(__name__)

# Threads are created on demand. A call gets one when its request is complete.
_NUM_THREADS = 1000
_MAX_MESSAGE_BYTES = 1024
_NO_DEADLINE_S = 1e9  # gRPC stands for no deadline by hundreds of years
# Calls that never wait for a model have threads of their own, and so have reloads.
_NUM_BESIDE = 8
_NUM_RELOADS = 64
_TRUNCATED = "...TRUNCATED"


def answer_predict(
    servable: Servable, request: predict_pb2.PredictRequest, *, as_content: bool = False
) -> predict_pb2.PredictResponse:
    """Returns the response of a servable to a Predict request.

    Args:
        servable: A loaded version.
        request: The request.
        as_content: Whether the outputs are in `tensor_content` instead of typed fields.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = find_signature(servable, name)
    check_inputs(signature, request.inputs)
    inputs = from_protos(request.inputs)
    outputs = run(servable, signature, inputs, choose_outputs(signature, request.output_filter))
    response = predict_pb2.PredictResponse()
    _fill_spec(response.model_spec, servable, name)
    fill = fill_content if as_content else fill_proto
    for key, array in outputs.items():
        fill(response.outputs[key], array)
    return response


def answer_classify(
    servable: Servable, request: classification_pb2.ClassificationRequest
) -> classification_pb2.ClassificationResponse:
    """Returns the response of a servable to a Classify request.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    name = request.model_spec.signature_name
    result = classify(servable, name, serialised_examples(request.input))
    response = classification_pb2.ClassificationResponse(result=result)
    _fill_spec(response.model_spec, servable, name or DEFAULT_SIGNATURE)
    return response


def answer_regress(
    servable: Servable, request: regression_pb2.RegressionRequest
) -> regression_pb2.RegressionResponse:
    """Returns the response of a servable to a Regress request.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    name = request.model_spec.signature_name
    result = regress(servable, name, serialised_examples(request.input))
    response = regression_pb2.RegressionResponse(result=result)
    _fill_spec(response.model_spec, servable, name or DEFAULT_SIGNATURE)
    return response


def answer_multi_inference(
    servable: Servable, request: inference_pb2.MultiInferenceRequest
) -> inference_pb2.MultiInferenceResponse:
    """Returns the response of a servable to a MultiInference request.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    return multi_inference(servable, request.tasks, serialised_examples(request.input))


def _answer_metadata(
    servable: Servable,
    request: get_model_metadata_pb2.GetModelMetadataRequest,  # noqa: ARG001 - same signature for all
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    _fill_spec(response.model_spec, servable, "")
    definitions = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in servable.signatures.items():
        definitions.signature_def[name].CopyFrom(signature)
    response.metadata["signature_def"].Pack(definitions)
    return response


def _check_metadata_fields(request: get_model_metadata_pb2.GetModelMetadataRequest) -> None:
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid_argument(f"Metadata field {field} is not supported")


def _fill_spec(spec: ModelSpec, servable: Servable, signature: str) -> None:
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def acquire(servables: Servables, spec: ModelSpec) -> AbstractContextManager[Servable]:
    """Returns the servable that a request names.

    Raises:
        ServingError: INVALID_ARGUMENT without a name; see also `Servables.acquire`.
    """
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    return servables.acquire(
        spec.name,
        version=spec.version.value if choice == "version" else None,
        label=spec.version_label if choice == "version_label" else None,
    )


def _own_spec(request: Any) -> ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec: ModelSpec = request.model_spec
    return spec


def _first_spec(request: inference_pb2.MultiInferenceRequest) -> ModelSpec:
    """The first task's ModelSpec; all tasks must name the same model."""
    if not request.tasks:
        raise invalid_argument("Missing ModelSpec")
    return _own_spec(request.tasks[0])


@dataclass(frozen=True)
class _Method:
    """One method of PredictionService.

    Attributes:
        api: Name of the method.
        request: Type of the request.
        answer: Returns the response of a servable.
        response: Type of the response; an empty one accompanies an error.
        spec: Returns the ModelSpec of a request.
        runs: Whether the method runs the model.
        check: Checks a request before its servable is looked up.
        count: Returns the number of tf.Examples in a request; None if requests have none.
    """

    api: str
    request: type[Any]
    answer: Callable[[Servable, Any], Any]
    response: type[Any]
    spec: Callable[[Any], ModelSpec] = _own_spec
    runs: bool = True
    check: Callable[[Any], None] | None = None
    count: Callable[[Any], int] | None = None


def _num_examples(request: Any) -> int:
    source = request.input
    return len(source.example_list.examples) or len(source.example_list_with_context.examples)


_METHODS = (
    _Method("Predict", predict_pb2.PredictRequest, answer_predict, predict_pb2.PredictResponse),
    _Method(
        "Classify",
        ClassificationRequest,
        answer_classify,
        classification_pb2.ClassificationResponse,
        count=_num_examples,
    ),
    _Method(
        "Regress",
        RegressionRequest,
        answer_regress,
        regression_pb2.RegressionResponse,
        count=_num_examples,
    ),
    _Method(
        "MultiInference",
        MultiInferenceRequest,
        answer_multi_inference,
        inference_pb2.MultiInferenceResponse,
        spec=_first_spec,
        count=_num_examples,
    ),
    _Method(
        "GetModelMetadata",
        get_model_metadata_pb2.GetModelMetadataRequest,
        _answer_metadata,
        get_model_metadata_pb2.GetModelMetadataResponse,
        runs=False,
        check=_check_metadata_fields,
    ),
)


# Handlers take what is not parsed yet: grpcio 1.85 never answers a request that its deserializer
# refuses, and a thread waits for it until the client gives up.
Handle = Callable[[Arrival, grpc.ServicerContext], Any]
BytesHandle = Callable[[bytes, grpc.ServicerContext], Any]


class _PredictionService:
    """Answers the methods listed in `_METHODS`."""

    def __init__(
        self,
        servables: Servables,
        metrics: Metrics,
        admission: Admission,
        recorder: "Recorder | None",
        *,
        as_content: bool,
    ) -> None:
        self._servables = servables
        self._metrics = metrics
        self._admission = admission
        self._recorder = recorder
        self._as_content = as_content

    def handlers(self) -> dict[str, Handle]:
        """Returns the handler of each method."""
        handlers = {method.api: self._handler(method) for method in _METHODS}
        if self._as_content:
            answer = functools.partial(answer_predict, as_content=True)
            handlers["Predict"] = self._handler(replace(_METHODS[0], answer=answer))
        return handlers

    def _handler(self, method: _Method) -> Handle:
        def handle(arrival: Arrival, context: grpc.ServicerContext) -> Any:
            if not method.runs:
                return self._answer(method, arrival, context, None)
            recorder = self._recorder
            key_header = KEY_HEADER if recorder is None else recorder.options.key_header
            tags = tags_of_metadata(context.invocation_metadata(), key_header)
            exchange = None if recorder is None else recorder.begin(tags, arrival.size)
            if exchange is not None:
                exchange.is_predict = method.api == "Predict"
            with answering(tags.request_id if exchange is None else exchange.request_id):
                response = self._answer(method, arrival, context, exchange)
            headers = tags.headers if exchange is None else exchange.headers
            if headers:
                with contextlib.suppress(grpc.RpcError):  # the client is gone
                    context.send_initial_metadata(headers)
            return response

        return handle

    def _answer(
        self,
        method: _Method,
        arrival: Arrival,
        context: grpc.ServicerContext,
        exchange: Exchange | None,
    ) -> Any:
        """Returns the response to a request, and fills and records its exchange."""
        started = time.perf_counter()
        asked, status = Asked(), "OK"
        try:
            request, spec = _read(method, arrival)
            if exchange is not None:
                exchange.model = spec.name
            with (
                deadline_at(deadline_of(context)),
                self._admission.admit(spec.name),
                acquire(self._servables, spec) as servable,
            ):
                asked = _asked(servable, spec)
                if exchange is not None:
                    servable = exchange.watch(servable, spec.signature_name)  # noqa: PLW2901
                if method.count is not None:
                    self._metrics.observe_examples(asked.model, method.count(request))
                run_started = time.perf_counter()
                response = method.answer(servable, request)
                seconds = time.perf_counter() - run_started
            if method.runs:
                self._metrics.observe_runtime(asked, api=method.api, seconds=seconds)
        except Exception as error:  # noqa: BLE001 - a request ends in an answer or a status
            status = refuse(context, error)
            response = method.response()
        seconds = time.perf_counter() - started
        self._metrics.observe_request(
            asked, api=method.api, wire="GRPC", status=status, seconds=seconds
        )
        if method.runs:
            log_answer(asked, api=method.api, wire="GRPC", status=status, seconds=seconds)
        if exchange is not None and self._recorder is not None:
            self._recorder.end(exchange, status, seconds)
        return response


def _read(method: _Method, arrival: Arrival) -> tuple[Any, ModelSpec]:
    request = arrival.parse(method.request, f"tensorflow.serving.{method.request.DESCRIPTOR.name}")
    spec = method.spec(request)
    if method.check is not None:
        method.check(request)
    return request, spec


def _asked(servable: Servable, spec: ModelSpec) -> Asked:
    signature = spec.signature_name or DEFAULT_SIGNATURE
    name = signature if signature in servable.signatures else ""
    return Asked(servable.name, servable.version, name)


class _ModelService:
    """Answers ModelService: the states of the models, and reloads of the config."""

    def __init__(self, manager: ModelManager, metrics: Metrics, *, reload_folder: str) -> None:
        self._manager = manager
        self._metrics = metrics
        self._reload_folder = reload_folder

    def handlers(self) -> dict[str, Handle]:
        """Returns the handler of each method."""
        return {
            "GetModelStatus": self._status,
            "HandleReloadConfigRequest": self._reload,
        }

    def _status(self, arrival: Arrival, context: grpc.ServicerContext) -> Any:
        try:
            request = arrival.parse(get_model_status_pb2.GetModelStatusRequest)
            spec = _own_spec(request)
            if not spec.name:
                raise invalid_argument("ModelSpec has no name specified.")
            choice = spec.WhichOneof("version_choice")
            return self._manager.status(
                spec.name,
                version=spec.version.value if choice == "version" else None,
                label=spec.version_label if choice == "version_label" else None,
            )
        except Exception as error:  # noqa: BLE001 - as above
            refuse(context, error)
            return get_model_status_pb2.GetModelStatusResponse()

    def _reload(self, arrival: Arrival, context: grpc.ServicerContext) -> Any:
        response = model_management_pb2.ReloadConfigResponse()
        try:
            request = arrival.parse(model_management_pb2.ReloadConfigRequest)
            if request.config.WhichOneof("config") != "model_config_list":
                raise invalid_argument(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                    "ModelConfigList is currently supported"
                )
            names = list(dict.fromkeys(request.metric_names))
            before = [self._metrics.total(name) for name in names]
            if self._reload_folder:
                for model in request.config.model_config_list.config:
                    check_folder(model.name, model.base_path, self._reload_folder)
            with deadline_at(deadline_of(context)):
                self._manager.reload(request.config)
            for name, value in zip(names, before, strict=True):
                increase = self._metrics.total(name) - value
                response.metric.add(name=name, int64_value_increase=increase)
        except Exception as error:  # noqa: BLE001 - as above
            refuse(context, error)
        return response


def check_folder(name: str, base_path: str, allowed: str) -> None:
    """Checks that a base path is in the folder from which reloads may load models.

    Links are followed, so that a link in the folder leads nowhere else.

    Args:
        name: Name of the model.
        base_path: Its base path.
        allowed: The folder, or the start of a URI.

    Raises:
        ServingError: PERMISSION_DENIED if not.
    """
    is_uri = "://" in allowed
    path = base_path if is_uri else os.path.realpath(base_path)
    folder = allowed.rstrip("/") if is_uri else os.path.realpath(allowed).rstrip("/")
    is_inside = path == folder or path.startswith(f"{folder}/")
    leaves = is_uri and ".." in base_path.split("/")
    if not is_inside or leaves or ("://" in base_path) != is_uri:
        raise ServingError(
            grpc.StatusCode.PERMISSION_DENIED,
            f"Model {name}: the base path {base_path} is not in the folder of "
            f"--allow_reload_from, {allowed}",
        )


def refuse(context: grpc.ServicerContext, error: Exception) -> str:
    """Sets the status of a failed request, and returns its name."""
    if not isinstance(error, ServingError):
        logger.error("A request failed unexpectedly", exc_info=error)
        error = ServingError(grpc.StatusCode.INTERNAL, f"{type(error).__name__} in the server")
    context.set_code(error.code)
    context.set_details(_cut(error.message))
    # The frames of an error hold the request, and may be held until the collector runs.
    traceback.clear_frames(error.__traceback__)
    return str(error.code.name)


def deadline_of(context: grpc.ServicerContext) -> float:
    """Returns the deadline of a call by `time.monotonic`; infinity if it has none."""
    seconds = context.time_remaining()
    is_none = seconds is None or seconds > _NO_DEADLINE_S
    return math.inf if is_none else time.monotonic() + seconds


def _cut(message: str) -> str:
    """Cuts a message to the size of a gRPC trailer, between two characters."""
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= _MAX_MESSAGE_BYTES:
        return message
    return encoded[:_MAX_MESSAGE_BYTES].decode("utf-8", "ignore") + _TRUNCATED


def add_services(
    server: grpc.Server,
    options: ServerOptions,
    *,
    servables: Servables,
    manager: ModelManager,
    metrics: Metrics,
    recorder: "Recorder | None" = None,
) -> Admission:
    """Adds PredictionService and ModelService to a server.

    Args:
        server: A server that is not started yet, with `num_threads` threads.
        options: The flags of the server.
        servables: The versions that answer.
        manager: The states of the models, and their config.
        metrics: Counts the requests.
        recorder: Records them; None records none.

    Returns:
        The admission of the calls that run models.
    """
    admission = Admission(num_threads(options), options.grpc_max_threads)
    as_content = options.enable_serialization_as_tensor_content
    prediction = _PredictionService(servables, metrics, admission, recorder, as_content=as_content)
    models = _ModelService(manager, metrics, reload_folder=options.allow_reload_from).handlers()
    beside = threads_beside()
    reloads = RequestThreads(_NUM_RELOADS, thread_name_prefix="grpc-reload")
    max_bytes = max_unpacked_bytes(options)
    handlers = {**prediction.handlers(), **models}
    by_name = {name: unpacking(handle, max_bytes) for name, handle in handlers.items()}
    for name, pool in (
        ("GetModelMetadata", beside),
        ("GetModelStatus", beside),
        ("HandleReloadConfigRequest", reloads),
    ):
        by_name[name] = in_pool(by_name[name], pool)
    predictions = {name: by_name[name] for name in by_name if name not in models}
    _add(server, "tensorflow.serving.PredictionService", predictions)
    _add(server, "tensorflow.serving.ModelService", {name: by_name[name] for name in models})
    return admission


def num_threads(options: ServerOptions) -> int:
    """Returns the number of threads for calls that run models, those waiting for a slot included.

    A thread has to read a call before its model is known, so a limit below the default applies to
    the runs of each model, not to the threads: one hung model would hold them all.
    """
    return max(options.grpc_max_threads, _NUM_THREADS)


def max_unpacked_bytes(options: ServerOptions) -> int:
    """Returns the limit of a compressed message once it is unpacked.

    A lower `grpc.max_receive_message_length` bounds it too; gRPC only compares the size sent.
    """
    limits = dict(reversed(options.grpc_arguments))  # the first of two values counts
    limit = limits.get("grpc.max_receive_message_length", -1)
    is_set = isinstance(limit, int) and limit >= 0
    return min(MAX_UNPACKED_BYTES, int(limit)) if is_set else MAX_UNPACKED_BYTES


def unpacking(handle: Handle, max_bytes: int = MAX_UNPACKED_BYTES) -> BytesHandle:
    """Returns a handler of messages that may be compressed; their memory counts until its end."""

    def handle_unpacked(serialised: bytes, context: grpc.ServicerContext) -> Any:
        try:
            with unpacked(serialised, max_bytes=max_bytes) as arrival:
                return handle(arrival, context)
        except ServingError as error:
            traceback.clear_frames(error.__traceback__)
            context.abort(error.code, _cut(error.message))

    return handle_unpacked


def threads_beside() -> RequestThreads:
    """Returns a pool for calls that never wait for a model."""
    return RequestThreads(_NUM_BESIDE, thread_name_prefix="grpc-beside")


def in_pool(handle: BytesHandle, pool: RequestThreads) -> BytesHandle:
    """Returns a handler that gRPC runs in a pool of its own."""

    def handle_in_pool(serialised: bytes, context: grpc.ServicerContext) -> Any:
        return handle(serialised, context)

    handle_in_pool.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return handle_in_pool


def _add(server: grpc.Server, service: str, handlers: dict[str, BytesHandle]) -> None:
    methods: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(
            handle, response_serializer=lambda response: response.SerializeToString()
        )
        for name, handle in handlers.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
