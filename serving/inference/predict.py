"""Predict: from named input tensors to named output tensors."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grpc
from numpy.typing import NDArray
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.errors import ServingError, failed_precondition, invalid_argument
from serving.runtime.tensor_protos import TYPE_ENUMS, from_proto
from serving.servable import Servable

DEFAULT_SIGNATURE = "serving_default"
_METHODS = tuple(f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))

Arrays = Mapping[str, NDArray[Any]]


def find_signature(servable: Servable, name: str) -> SignatureDef:
    """Returns a signature that Predict can use.

    Raises:
        ServingError: FAILED_PRECONDITION if there is no such signature, INTERNAL if the servable
            checks method names and the signature has an unknown one.
    """
    signature = servable.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise failed_precondition(f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found.')
    if servable.checks_method_names and signature.method_name not in _METHODS:
        raise ServingError(
            grpc.StatusCode.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. "
            f"Was: {signature.method_name}",
        )
    return signature


def check_inputs(signature: SignatureDef, inputs: Iterable[str]) -> None:
    """Checks that a request has all inputs of the signature, and no others.

    Raises:
        ServingError: INVALID_ARGUMENT, naming the inputs.
    """
    sent, known = set(inputs), set(signature.inputs)
    if sent != known and (sent - known or known - sent - set(signature.defaults)):
        raise invalid_argument(_difference(sent, known, set(signature.defaults)))


def _difference(sent: set[str], known: set[str], defaults: set[str]) -> str:
    extra, missing = sent - known, known - sent - defaults
    text = f"Sent extra: {_set(extra)}. Missing but required: {_set(missing)}."
    if defaults:
        return text
    if len(sent) == len(known):
        return (
            f"input tensor alias not found in signature: {min(extra)}. Inputs expected to be in "
            f"the set {_set(known)}."
        )
    return (
        f"input size does not match signature: {len(sent)}!={len(known)} "
        f"len({_set(sent)}) != len({_set(known)}). {text}"
    )


def _set(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"


def choose_outputs(signature: SignatureDef, output_filter: Sequence[str]) -> Sequence[str]:
    """Returns the names of the requested outputs; all if the filter is empty.

    Raises:
        ServingError: INVALID_ARGUMENT for an unknown or repeated name.
    """
    if not output_filter:
        return list(signature.outputs)
    for position, name in enumerate(output_filter):
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in "
                f"the set {_set(signature.outputs)}."
            )
        if name in output_filter[:position]:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
    return output_filter


def shape_text(shape: Sequence[int]) -> str:
    """Returns a shape as TensorFlow writes it, `[2,3]`."""
    return f"[{','.join(map(str, shape))}]"


def type_name(array: NDArray[Any]) -> str:
    """Returns the name of an array's type in protos, such as `DT_FLOAT`."""
    text = array.dtype.kind in "OSU"
    return str(DataType.Name(DataType.DT_STRING if text else TYPE_ENUMS[array.dtype]))


def run(
    servable: Servable, signature: SignatureDef, inputs: Arrays, outputs: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Returns the outputs of a signature, without checks.

    Raises:
        ServingError: With TensorFlow's code and text.
    """
    feeds, fetches = plan_run(signature, inputs, outputs)
    return dict(zip(outputs, servable.run(feeds, fetches), strict=True))


def plan_run(
    signature: SignatureDef, inputs: Arrays, outputs: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Returns feeds and fetches by the names of the graph's tensors, defaults included."""
    tensors = signature.inputs
    feeds = {tensors[name].name: array for name, array in inputs.items()}
    for name, default in signature.defaults.items():
        if name not in inputs:
            feeds[tensors[name].name] = from_proto(default)
    return feeds, [signature.outputs[name].name for name in outputs]
