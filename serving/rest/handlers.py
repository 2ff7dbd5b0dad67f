"""The calls under /v1/: a body in, a body or an error out."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from serving.errors import ServingError, invalid_argument
from serving.inference.classify import classify
from serving.inference.predict import DEFAULT_SIGNATURE, run
from serving.inference.regress import regress
from serving.metrics import Asked, Metrics
from serving.rest.examples import examples_from_json
from serving.rest.output import (
    classifications_json,
    outputs_json,
    predictions_json,
    regressions_json,
)
from serving.rest.parsing import parse_json
from serving.rest.routes import Route
from serving.rest.tensors import tensors_from_columns, tensors_from_rows
from serving.rest.values import format_error
from serving.servable import ModelManager, Servable, Servables


@dataclass
class Call:
    """One call, and what it has found so far.

    Attributes:
        route: What the path asks for.
        body: The body.
        asked: The model and signature that were found, for the metrics.
        num_examples: tf.Examples in the body.
    """

    route: Route
    body: bytes
    asked: Asked = field(default_factory=Asked)
    num_examples: int = 0


class Handlers:
    """Answers the calls under /v1/."""

    def __init__(self, servables: Servables, manager: ModelManager, metrics: Metrics) -> None:
        self._servables = servables
        self._manager = manager
        self._metrics = metrics
        self._methods: dict[str, Callable[[Call], bytes]] = {
            "predict": self._predict,
            "classify": self._classify,
            "regress": self._regress,
            "status": self._status,
            "metadata": self._metadata,
        }

    def answer(self, route: Route, body: bytes) -> bytes:
        """Returns the body of the answer, JSON.

        Raises:
            ServingError: In TensorFlow Serving's words.
        """
        started = time.perf_counter()
        call, status = Call(route, body), "OK"
        try:
            return self._methods[route.method](call)
        except ServingError as error:
            status = error.code.name
            raise
        except Exception:
            status = "INTERNAL"
            raise
        finally:
            if call.num_examples and call.asked.model:
                self._metrics.observe_examples(call.asked.model, call.num_examples)
            self._metrics.observe_request(
                call.asked,
                api=route.method,
                wire="REST",
                status=status,
                seconds=time.perf_counter() - started,
            )

    def _predict(self, call: Call) -> bytes:
        document = _object(call.body)
        name = _signature_name(document)
        with self._acquire(call.route) as servable:
            signature = servable.signatures.get(name)
            self._note(call, servable, name)
            if signature is None:
                raise invalid_argument(
                    f'Serving signature name: "{name}" not found in signature def'
                )
            by_rows = _form(document)
            inputs = (
                tensors_from_rows(document["instances"], signature.inputs)
                if by_rows
                else tensors_from_columns(document["inputs"], signature.inputs)
            )
            started = time.perf_counter()
            outputs = run(servable, signature, inputs, list(signature.outputs))
            self._observe_runtime(call, started)
        return predictions_json(outputs) if by_rows else outputs_json(outputs)

    def _classify(self, call: Call) -> bytes:
        name, examples = self._examples(call)
        with self._acquire(call.route) as servable:
            self._note(call, servable, name or DEFAULT_SIGNATURE)
            started = time.perf_counter()
            result = classify(servable, name, examples)
            self._observe_runtime(call, started)
        return classifications_json(result)

    def _regress(self, call: Call) -> bytes:
        name, examples = self._examples(call)
        with self._acquire(call.route) as servable:
            self._note(call, servable, name or DEFAULT_SIGNATURE)
            started = time.perf_counter()
            result = regress(servable, name, examples)
            self._observe_runtime(call, started)
        return regressions_json(result)

    def _examples(self, call: Call) -> tuple[str, list[bytes]]:
        """Decoded before anything is looked up, so that a broken body is told first."""
        document = _object(call.body)
        name = _signature_name(document)
        examples = examples_from_json(document)
        call.num_examples = len(examples)
        return name, examples

    def _status(self, call: Call) -> bytes:
        # A label in the path is ignored, as TensorFlow Serving does.
        response = self._manager.status(call.route.name, version=call.route.version)
        return _proto_json(response)

    def _metadata(self, call: Call) -> bytes:
        with self._acquire(call.route) as servable:
            self._note(call, servable, "")
            return _metadata_json(servable)

    def _acquire(self, route: Route) -> Any:
        return self._servables.acquire(route.name, version=route.version, label=route.label)

    def _note(self, call: Call, servable: Servable, signature: str) -> None:
        known = signature if signature in servable.signatures else ""
        call.asked = Asked(servable.name, servable.version, known)

    def _observe_runtime(self, call: Call, started: float) -> None:
        seconds = time.perf_counter() - started
        self._metrics.observe_runtime(call.asked, api=call.route.method, seconds=seconds)


def _object(body: bytes) -> dict[str, Any]:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise format_error(document, "Is not object")
    return document


def _signature_name(document: dict[str, Any]) -> str:
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise format_error(
            document, "not formatted correctly. 'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def _form(document: dict[str, Any]) -> bool:
    """Whether the request is in row form; else it is columnar."""
    if "instances" in document and "inputs" in document:
        raise format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if "instances" not in document and "inputs" not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    return "instances" in document


def _metadata_json(servable: Servable) -> bytes:
    signatures = SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    document = {
        "model_spec": {
            "name": servable.name,
            "signature_name": "",
            "version": str(servable.version),
        },
        "metadata": {"signature_def": _proto_dict(signatures)},
    }
    return json.dumps(document, indent=1).encode()


def _proto_dict(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def _proto_json(message: Any) -> bytes:
    return json.dumps(_proto_dict(message), indent=1).encode()
