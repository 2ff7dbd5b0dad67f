"""Encoding of calls as gRPC messages, and decoding of the answers."""

from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.client.errors import CODES, ServingClientError
from serving.client.signatures import (
    ModelMetadata,
    ModelSignature,
    TensorSpec,
    VersionStatus,
    numpy_dtype,
)
from serving.client.tensors import from_tensor, to_tensor
from serving.client.wires.calls import Call, MetadataCall, PredictAnswer, PredictCall, Target
from serving.client.wires.messages import MESSAGES

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService"
PREDICT = f"{_PREDICTION}/Predict"
METADATA = f"{_PREDICTION}/GetModelMetadata"
STATUS = f"{_MODEL}/GetModelStatus"

CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # The client itself retries, over gRPC and REST alike.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    # Requests to a model server bypass the proxy that the environment names.
    ("grpc.enable_http_proxy", 0),
)
_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}


def encode_call(call: Call) -> tuple[str, bytes]:
    """Returns the method and the request of a call."""
    if isinstance(call, PredictCall):
        request = MESSAGES["PredictRequest"](model_spec=_spec(call.target, call.signature_name))
        for name, array in call.inputs.items():
            request.inputs[name].CopyFrom(to_tensor(array))
        return PREDICT, request.SerializeToString()
    if isinstance(call, MetadataCall):
        request = MESSAGES["GetModelMetadataRequest"](
            model_spec=_spec(call.target), metadata_field=["signature_def"]
        )
        return METADATA, request.SerializeToString()
    request = MESSAGES["GetModelStatusRequest"](model_spec=_spec(call.target))
    return STATUS, request.SerializeToString()


def decode_answer(call: Call, body: bytes) -> Any:
    """Returns the answer in the response to a call.

    Raises:
        ServingClientError: The client does not support the type of an output, or the answer is not
            that of a model server.
    """
    try:
        return _decode(call, body)
    except (DecodeError, ValueError) as error:
        raise ServingClientError(
            "INTERNAL",
            f"The answer is not that of a model server ({type(error).__name__}: {error}).",
        ) from None


def _decode(call: Call, body: bytes) -> Any:
    if isinstance(call, PredictCall):
        response = MESSAGES["PredictResponse"].FromString(body)
        # A protobuf map has no order; outputs are sorted by name.
        outputs = {
            name: from_tensor(name, response.outputs[name]) for name in sorted(response.outputs)
        }
        return PredictAnswer(outputs=outputs, version=response.model_spec.version.value)
    if isinstance(call, MetadataCall):
        return _metadata(MESSAGES["GetModelMetadataResponse"].FromString(body))
    statuses = MESSAGES["GetModelStatusResponse"].FromString(body).model_version_status
    return tuple(
        VersionStatus(
            version=entry.version,
            state=_STATES.get(entry.state, "UNKNOWN"),
            error_code=_code_name(entry.status.error_code),
            error_message=entry.status.error_message,
        )
        for entry in statuses
    )


def to_error(error: grpc.RpcError) -> ServingClientError:
    """Returns the error of a failed gRPC call."""
    return ServingClientError(error.code().name, error.details() or "")


def _spec(target: Target, signature_name: str = "") -> Any:
    spec = MESSAGES["ModelSpec"](name=target.model, signature_name=signature_name)
    if target.version is not None:
        spec.version.value = target.version
    if target.label is not None:
        spec.version_label = target.label
    return spec


def _code_name(number: int) -> str:
    return CODES[number] if 0 <= number < len(CODES) else "UNKNOWN"


def _metadata(response: Any) -> ModelMetadata:
    signatures = MESSAGES["SignatureDefMap"].FromString(response.metadata["signature_def"].value)
    return ModelMetadata(
        name=response.model_spec.name,
        version=response.model_spec.version.value,
        signatures={
            name: ModelSignature(
                inputs=_specs(entry.inputs),
                outputs=_specs(entry.outputs),
                method=entry.method_name,
            )
            for name, entry in sorted(signatures.signature_def.items())
            if not name.startswith("__")  # TensorFlow's own, to initialise the model
        },
    )


def _specs(infos: Any) -> dict[str, TensorSpec]:
    return {name: _tensor_spec(name, infos[name]) for name in sorted(infos)}


def _tensor_spec(name: str, info: Any) -> TensorSpec:
    shape = info.tensor_shape
    return TensorSpec(
        name=name,
        dtype=numpy_dtype(info.dtype),
        shape=None if shape.unknown_rank else tuple(dim.size for dim in shape.dim),
    )
