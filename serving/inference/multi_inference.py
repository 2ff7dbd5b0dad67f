"""MultiInference: several Classify and Regress signatures in one run."""

from collections.abc import Sequence
from typing import Any

import grpc
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceResponse

from serving.errors import ServingError, invalid_argument
from serving.inference import classify, regress
from serving.inference.examples import text_array
from serving.inference.predict import DEFAULT_SIGNATURE
from serving.servable import Servable

_INPUTS = "inputs"


def multi_inference(
    servable: Servable, tasks: Sequence[InferenceTask], examples: Sequence[bytes]
) -> MultiInferenceResponse:
    """Returns one result per task, in the order of the tasks.

    Args:
        servable: A loaded version.
        tasks: Tasks for the same model, each with a different signature.
        examples: Serialised tf.Examples.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    if not tasks:
        raise invalid_argument("Missing ModelSpec")
    planned = [_plan(servable, tasks, position) for position in range(len(tasks))]
    if not examples:
        raise invalid_argument("Input is empty.")
    [entry] = {signature.inputs[_INPUTS].name for _, signature, _ in planned}
    fetches = [signature.outputs[name].name for _, signature, names in planned for name in names]
    # A tensor that two signatures share is computed and fetched once.
    distinct = list(dict.fromkeys(fetches))
    arrays = dict(zip(distinct, servable.run({entry: text_array(examples)}, distinct), strict=True))
    response = MultiInferenceResponse()
    for name, signature, outputs in planned:
        result = response.results.add()
        result.model_spec.name = servable.name
        result.model_spec.version.value = servable.version
        result.model_spec.signature_name = name
        by_output = {output: arrays[signature.outputs[output].name] for output in outputs}
        _read(result, signature, by_output, len(examples))
    return response


_Plan = tuple[str, SignatureDef, list[str]]


def _plan(servable: Servable, tasks: Sequence[InferenceTask], position: int) -> _Plan:
    """Returns name, signature and outputs of a task, checked against the tasks before it."""
    task = tasks[position]
    name = task.model_spec.signature_name or DEFAULT_SIGNATURE
    before = tasks[:position]
    if any(other.model_spec.name != task.model_spec.name for other in before):
        raise invalid_argument(
            "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        )
    if name in {other.model_spec.signature_name or DEFAULT_SIGNATURE for other in before}:
        raise invalid_argument(f"Duplicate evaluation of signature: {name}")
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"Requested signature not found in model graph: {name}")
    outputs = _outputs(task.method_name, signature)
    if position:
        first = servable.signatures[tasks[0].model_spec.signature_name or DEFAULT_SIGNATURE]
        if first.inputs[_INPUTS].name != signature.inputs[_INPUTS].name:
            raise invalid_argument("Input tensor must be the same for all Signatures.")
    return name, signature, outputs


def _outputs(method: str, signature: SignatureDef) -> list[str]:
    if method == classify.METHOD:
        return classify.check_signature(signature)
    if method == regress.METHOD:
        regress.check_signature(signature)
        return [regress.OUTPUTS]
    raise ServingError(
        grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {method}"
    )


def _read(
    result: Any, signature: SignatureDef, arrays: dict[str, NDArray[Any]], num_examples: int
) -> None:
    if signature.method_name == classify.METHOD:
        classification = classify.read_result(arrays, num_examples)
        result.classification_result.CopyFrom(classification)
    else:
        regression = regress.read_result(arrays[regress.OUTPUTS], num_examples)
        result.regression_result.CopyFrom(regression)
