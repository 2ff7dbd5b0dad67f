"""The five REST actions, from a request body to an answer."""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.errors import ServingError, invalid_argument
from serving.inference.classify import classify
from serving.inference.predict import DEFAULT_SIGNATURE, find_signature, plan_run
from serving.inference.regress import regress
from serving.metrics import Asked, Metrics, log_answer
from serving.recording.exchanges import Exchange
from serving.rest.bodies.json_examples import read_examples
from serving.rest.bodies.json_output import (
    classification_json,
    column_json,
    document_json,
    regression_json,
    row_json,
)
from serving.rest.bodies.missing_values import fill_missing
from serving.rest.documents import open_document
from serving.rest.predict_request import read_predict_body, read_signature_name
from serving.rest.routes import Route
from serving.servable import ModelManager, Servable, Servables

if TYPE_CHECKING:
    from serving.recording.recorder import Recorder

WIRE = "REST"
T = TypeVar("T")


@dataclass
class _Course:
    """The metrics labels of a request and its exchange, filled in while it runs."""

    exchange: Exchange | None = None
    asked: Asked = field(default_factory=Asked)
    num_examples: int | None = None


class Run(NamedTuple):
    """A run of a model for a request.

    Attributes:
        servable: The loaded version.
        feeds: Arrays by tensor name.
        fetches: Tensor names.
    """

    servable: Servable
    feeds: dict[str, NDArray[Any]]
    fetches: list[str]


Outputs = list[NDArray[Any]]
Steps = Generator[Run, Outputs, bytes]


def _drive(steps: Steps) -> bytes:
    """Performs the runs of a request in this thread, and returns its answer."""
    try:
        run = next(steps)
        while True:
            try:
                outputs = run.servable.run(run.feeds, run.fetches)
            except ServingError as error:
                run = steps.throw(error)
            else:
                run = steps.send(outputs)
    except StopIteration as end:
        answer: bytes = end.value
        return answer


class Actions:
    """Answers requests; thread-safe."""

    def __init__(
        self,
        servables: Servables,
        statuses: ModelManager,
        metrics: Metrics,
        *,
        recorder: "Recorder | None" = None,
        is_lenient: bool = False,
    ) -> None:
        """Takes what answers.

        Args:
            servables: The versions that answer.
            statuses: The states of the models.
            metrics: Counts the requests.
            recorder: Records the requests that come with an exchange.
            is_lenient: Whether null and left-out keys are missing values.
        """
        self._is_lenient = is_lenient
        self._recorder = recorder
        self._servables = servables
        self._statuses = statuses
        self._metrics = metrics
        self._by_name: dict[str, Callable[[Route, bytes, _Course], bytes]] = {
            "classify": self._classify,
            "regress": self._regress,
        }

    def answer(self, route: Route, body: bytes, exchange: Exchange | None = None) -> bytes:
        """Returns the JSON answer to a request.

        Args:
            route: The target.
            body: The unpacked body.
            exchange: Filled in and recorded; None records nothing.

        Raises:
            ServingError: With TensorFlow Serving's code and text.
        """
        if route.action == "predict":
            return _drive(self.predict(route, body, exchange))
        action = self._by_name.get(route.action)
        if action is None:
            return self._metadata(route) if route.action == "metadata" else self._status(route)
        started = time.perf_counter()
        course = _Course(exchange)
        status = "INTERNAL"
        try:
            answer = action(route, body, course)
            status = "OK"
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            self._count(route, course, status, time.perf_counter() - started)
        return answer

    def _count(self, route: Route, course: _Course, status: str, seconds: float) -> None:
        if course.num_examples is not None and course.asked.model:
            self._metrics.observe_examples(course.asked.model, course.num_examples)
        self._metrics.observe_request(
            course.asked, api=route.action, wire=WIRE, status=status, seconds=seconds
        )
        log_answer(
            course.asked,
            api=route.action,
            wire=WIRE,
            status=status,
            seconds=seconds,
            # A late answer is counted in another context.
            request_id=course.exchange.request_id if course.exchange else None,
        )
        if course.exchange is not None and self._recorder is not None:
            course.exchange.model = route.model
            course.exchange.is_predict = route.action == "predict"
            self._recorder.end(course.exchange, status, seconds)

    def predict(self, route: Route, body: bytes, exchange: Exchange | None = None) -> Steps:
        """Answers a predict call in two steps: before and after the run of the model.

        The generator yields the run, receives its outputs or its ServingError, and returns the
        JSON. Callers must exhaust or close it, because it keeps the model loaded.

        Raises:
            ServingError: With TensorFlow Serving's code and text.
        """
        started = time.perf_counter()
        course = _Course(exchange)
        status = "INTERNAL"
        try:
            answer = yield from self._predict(route, body, course)
            status = "OK"
        except ServingError as error:
            status = error.code.name
            raise
        finally:
            self._count(route, course, status, time.perf_counter() - started)
        return answer

    def _predict(self, route: Route, body: bytes, course: _Course) -> Steps:
        with ExitStack() as loaded:
            # The values of the body are freed before the run, which may take long.
            with open_document(body) as document:
                name = read_signature_name(document)
                servable = loaded.enter_context(
                    self._servables.acquire(route.model, version=route.version, label=route.label)
                )
                course.asked = _asked(servable, name)
                if course.exchange is not None:
                    course.exchange.reach(servable, name)
                signature = _named_signature(servable, name)
                types = {key: info.dtype for key, info in signature.inputs.items()}
                if not types:
                    raise invalid_argument(
                        f"Failed to get input map for signature: {name or 'DEFAULT'}"
                    )
                if self._is_lenient:
                    fill_missing(document, signature.inputs)
                request = read_predict_body(document, types)
            find_signature(servable, name)  # errors of the model come after those of the request
            names = list(signature.outputs)
            started = time.perf_counter()
            feeds, fetches = plan_run(signature, request.arrays, names)
            outputs = yield Run(servable, feeds, fetches)
            if course.exchange is not None:
                course.exchange.ran(feeds, fetches, outputs)
            self._metrics.observe_runtime(
                course.asked, api=route.action, seconds=time.perf_counter() - started
            )
        arrays = dict(zip(names, outputs, strict=True))
        return row_json(arrays) if request.is_row else column_json(arrays)

    def _classify(self, route: Route, body: bytes, course: _Course) -> bytes:
        return classification_json(self._on_examples(classify, route, body, course))

    def _regress(self, route: Route, body: bytes, course: _Course) -> bytes:
        return regression_json(self._on_examples(regress, route, body, course))

    def _on_examples(
        self,
        infer: Callable[[Servable, str, list[bytes]], T],
        route: Route,
        body: bytes,
        course: _Course,
    ) -> T:
        with open_document(body) as document:
            name = read_signature_name(document)
            examples = read_examples(document, is_lenient=self._is_lenient)
        with self._servables.acquire(
            route.model, version=route.version, label=route.label
        ) as servable:
            course.asked = _asked(servable, name)
            if course.exchange is not None:
                servable = course.exchange.watch(servable, name)  # noqa: PLW2901 - the same
            course.num_examples = len(examples)
            started = time.perf_counter()
            result = infer(servable, name, examples)
            self._metrics.observe_runtime(
                course.asked, api=route.action, seconds=time.perf_counter() - started
            )
        return result

    def _status(self, route: Route) -> bytes:
        # A label is ignored, as in TensorFlow Serving: the answer lists all versions.
        response = self._statuses.status(route.model, version=route.version)
        return document_json(_to_dict(response))

    def _metadata(self, route: Route) -> bytes:
        with self._servables.acquire(
            route.model, version=route.version, label=route.label
        ) as servable:
            signatures = {
                name: _to_dict(signature) for name, signature in servable.signatures.items()
            }
            spec = {"name": servable.name, "signature_name": "", "version": str(servable.version)}
        definitions = {"signature_def": {"signature_def": signatures}}
        return document_json({"model_spec": spec, "metadata": definitions})


def _asked(servable: Servable, signature_name: str) -> Asked:
    name = signature_name or DEFAULT_SIGNATURE
    return Asked(servable.name, servable.version, name if name in servable.signatures else "")


def _named_signature(servable: Servable, name: str) -> SignatureDef:
    signature = servable.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(
            f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def'
        )
    return signature


def _to_dict(message: Message) -> dict[str, object]:
    fields: dict[str, object] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return fields
