"""Encoding of calls as HTTP requests with JSON bodies, and decoding of the answers."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from serving.client.errors import ServingClientError
from serving.client.signatures import (
    ModelMetadata,
    ModelSignature,
    TensorSpec,
    VersionStatus,
    numpy_dtype,
)
from serving.client.wires.calls import (
    Arrays,
    Call,
    MetadataCall,
    PredictAnswer,
    PredictCall,
    Target,
)

# 400 stands for three codes; only the text distinguishes them.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """An HTTP request without its host.

    Attributes:
        method: `GET` or `POST`.
        path: Path on the server.
        body: JSON; empty for GET.
    """

    method: str
    path: str
    body: bytes = b""


def encode_call(call: Call) -> HttpRequest:
    """Returns the request of a call; a prediction has the columnar form."""
    path = _model_path(call.target)
    if isinstance(call, PredictCall):
        # Python writes NaN, Infinity and -Infinity bare, as TensorFlow Serving reads them.
        document = {
            "signature_name": call.signature_name,
            "inputs": {name: _to_json(array) for name, array in call.inputs.items()},
        }
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        return HttpRequest(method="POST", path=f"{path}:predict", body=body)
    suffix = "/metadata" if isinstance(call, MetadataCall) else ""
    return HttpRequest(method="GET", path=path + suffix)


def decode_answer(call: Call, status: int, body: bytes) -> Any:
    """Returns the answer in the response to a call.

    Raises:
        ServingClientError: The server refused, or its answer is not that of a model server.
    """
    if status != 200:
        raise ServingClientError(
            _CODES.get(status, "UNKNOWN"), _error_text(body), http_status=status
        )
    try:
        document = _parse(body)
        if isinstance(call, PredictCall):
            return PredictAnswer(
                outputs=_outputs(document["outputs"], call), version=call.target.version
            )
        return _metadata(document) if isinstance(call, MetadataCall) else _statuses(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServingClientError(
            "INTERNAL",
            f"The answer is not that of a model server ({type(error).__name__}: {error}): "
            f"{_shown(body)}",
            http_status=status,
        ) from None


def _model_path(target: Target) -> str:
    path = f"/v1/models/{quote(target.model, safe='')}"
    if target.version is not None:
        return f"{path}/versions/{target.version}"
    return path if target.label is None else f"{path}/labels/{quote(target.label, safe='')}"


def _parse(body: bytes) -> Any:
    # Invalid UTF-8 is escaped here, and decoded to the same bytes in `_array`.
    return json.loads(body.decode("utf-8", "surrogateescape"))


def _error_text(body: bytes) -> str:
    try:
        document = _parse(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("error"), str):
        return str(document["error"]).encode("utf-8", "surrogateescape").decode(errors="replace")
    return _shown(body)


def _shown(body: bytes) -> str:
    return body[:_SHOWN].decode(errors="replace") or "(empty body)"


def _to_json(array: NDArray[Any]) -> Any:
    if array.dtype != np.dtype(object):
        return array.tolist()
    texts = [_text(value) for value in array.ravel().tolist()]
    if array.ndim == 1:
        return texts
    shaped = np.empty(len(texts), object)
    shaped[:] = texts
    return shaped.reshape(array.shape).tolist()


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _outputs(document: Any, call: PredictCall) -> Arrays:
    """Returns the outputs; a single output has no name in the document."""
    specs = call.signature.outputs
    if len(specs) == 1:
        [spec] = specs.values()
        return {spec.name: _array(document, spec)}
    return {name: _array(value, specs[name]) for name, value in sorted(document.items())}


def _array(value: Any, spec: TensorSpec) -> NDArray[Any]:
    if not spec.is_text:
        return np.array(value, spec.dtype)
    shape: list[int] = []
    part = value
    while isinstance(part, list):
        shape.append(len(part))
        part = part[0] if part else None
    flat = [value]
    for _ in shape:
        flat = [inner for outer in flat for inner in outer]
    array = np.empty(len(flat), object)
    array[:] = [_to_bytes(text) for text in flat]
    return array.reshape(shape)


def _to_bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return str(value).encode("utf-8", "surrogateescape")


def _metadata(document: Any) -> ModelMetadata:
    signatures = document["metadata"]["signature_def"]["signature_def"]
    return ModelMetadata(
        name=document["model_spec"]["name"],
        version=int(document["model_spec"]["version"]),
        signatures={
            name: ModelSignature(
                inputs=_specs(entry.get("inputs", {})),
                outputs=_specs(entry.get("outputs", {})),
                method=entry.get("method_name", ""),
            )
            for name, entry in sorted(signatures.items())
            if not name.startswith("__")  # TensorFlow's own, to initialise the model
        },
    )


def _specs(entries: Any) -> dict[str, TensorSpec]:
    return {name: _tensor_spec(name, info) for name, info in sorted(entries.items())}


def _tensor_spec(name: str, info: Any) -> TensorSpec:
    shape = info.get("tensor_shape", {})
    sizes = tuple(int(dim.get("size", 0)) for dim in shape.get("dim", []))
    return TensorSpec(
        name=name,
        dtype=numpy_dtype(info["dtype"]),
        shape=None if shape.get("unknown_rank") else sizes,
    )


def _statuses(document: Any) -> tuple[VersionStatus, ...]:
    return tuple(
        VersionStatus(
            version=int(entry["version"]),
            state=entry["state"],
            error_code=entry["status"]["error_code"],
            error_message=entry["status"]["error_message"],
        )
        for entry in document["model_version_status"]
    )
