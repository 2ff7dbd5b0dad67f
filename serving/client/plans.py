"""Plans of the client: generators that yield calls and receive their answers.

The synchronous and the asynchronous client run the same plans; only the sending differs.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from serving.client.errors import InputMismatchError, ServingClientError
from serving.client.predictions import Predictions, join_answers
from serving.client.signatures import ModelMetadata, ModelSignature, TensorSpec
from serving.client.wires.calls import (
    Arrays,
    Call,
    MetadataCall,
    PredictAnswer,
    PredictCall,
    RequestTags,
    Target,
)

Result = TypeVar("Result")
Plan = Generator[Call, Any, Result]

# A larger request is split further: the limit of a gRPC message is 2 GiB.
_MAX_REQUEST_BYTES = 64 << 20
_MAY_BE_STALE = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND"}


@dataclass(frozen=True, kw_only=True)
class PredictOrder:
    """The arguments of a predict call.

    Attributes:
        target: Model and version.
        signature_name: Name of the signature.
        encode: Returns the arrays for the inputs of a signature.
        batch_size: Maximum number of rows per request, > 0.
        timeout_s: Timeout of each request in seconds, retries included, > 0.
        tags: Request id and sticky key.
    """

    target: Target
    signature_name: str
    encode: Callable[[Mapping[str, TensorSpec]], Arrays]
    batch_size: int
    timeout_s: float
    tags: RequestTags = field(default_factory=RequestTags)

    def __post_init__(self) -> None:
        if self.batch_size <= 0:
            raise ValueError(f"batch_size must be > 0, got {self.batch_size}")
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s must be > 0, got {self.timeout_s}")


def plan_metadata(target: Target, timeout_s: float, cache: dict[Target, ModelMetadata]) -> Any:
    """Asks for the metadata, and caches it."""
    metadata: ModelMetadata = yield MetadataCall(target=target, timeout_s=timeout_s)
    cache[target] = metadata
    return metadata


def plan_predict(order: PredictOrder, cache: dict[Target, ModelMetadata]) -> Plan[Predictions]:
    """Encodes the rows by the model's signature and asks batch by batch.

    Signatures come from the cache. If a call fails and another version answers by now, the rows
    are encoded by its signatures and sent once more.
    """
    cached = cache.get(order.target)
    metadata = cached or (yield from plan_metadata(order.target, order.timeout_s, cache))
    failure: Exception | None = None
    try:
        predictions = yield from _predict(order, metadata)
    except (InputMismatchError, ServingClientError) as error:
        if cached is None or getattr(error, "code", "NOT_FOUND") not in _MAY_BE_STALE:
            raise
        failure = error
    # Outside the handler, in which a second error would chain to the first.
    if failure is not None and cached is not None:
        metadata = yield from plan_metadata(order.target, order.timeout_s, cache)
        if metadata.version == cached.version:
            raise failure
        predictions = yield from _predict(order, metadata)
    if predictions.version not in (None, metadata.version):
        cache.pop(order.target, None)
    return predictions


def _predict(order: PredictOrder, metadata: ModelMetadata) -> Plan[Predictions]:
    signature = _signature(metadata, order.signature_name)
    inputs = order.encode(signature.inputs)
    num_rows = len(next(iter(inputs.values()), ()))
    if inputs and not num_rows:
        return Predictions(outputs=no_rows(signature), versions=(metadata.version,))
    answers: list[PredictAnswer] = []
    sizes: list[int] = []
    for batch in _batches(inputs, num_rows, order.batch_size):
        sizes.append(len(next(iter(batch.values()), ())))
        answers.append(
            (
                yield PredictCall(
                    target=order.target,
                    signature_name=order.signature_name,
                    signature=signature,
                    inputs=batch,
                    timeout_s=order.timeout_s,
                    headers=order.tags.headers(len(answers)),
                )
            )
        )
    return join_answers(answers, sizes)


def _signature(metadata: ModelMetadata, name: str) -> ModelSignature:
    if name not in metadata.signatures:
        names = ", ".join(f"`{known}`" for known in sorted(metadata.signatures))
        raise InputMismatchError(
            f"The model `{metadata.name}` (version {metadata.version}) has no signature `{name}`; "
            f"it has {names}."
        )
    return metadata.signatures[name]


def no_rows(signature: ModelSignature) -> Arrays:
    """Returns the outputs of a signature for zero rows."""
    return {
        name: np.empty([0, *(max(size, 0) for size in (spec.shape or ())[1:])], spec.dtype)
        for name, spec in signature.outputs.items()
    }


def _batches(inputs: Arrays, num_rows: int, batch_size: int) -> Iterator[Arrays]:
    num_bytes = sum(_num_bytes(array) for array in inputs.values())
    row_bytes = max(1, num_bytes // max(1, num_rows))
    size = max(1, min(batch_size, _MAX_REQUEST_BYTES // row_bytes))
    for start in range(0, max(1, num_rows), size):
        yield {name: array[start : start + size] for name, array in inputs.items()}


def _num_bytes(array: Any) -> int:
    return sum(map(len, array.flat)) if array.dtype == object else int(array.nbytes)
