"""MultiInference: several Classify and Regress signatures in one run."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import grpc
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.inference_pb2 import (
    InferenceResult,
    InferenceTask,
    MultiInferenceResponse,
)

from serving.errors import ServingError, invalid_argument
from serving.inference import classify, regress
from serving.inference.examples import text_array
from serving.inference.predict import DEFAULT_SIGNATURE
from serving.servable import Servable

_INPUTS = "inputs"


class _Plan(NamedTuple):
    """A checked task: its method, its signature, and the outputs to fetch."""

    method: str
    name: str
    signature: SignatureDef
    outputs: list[str]


def multi_inference(
    servable: Servable, tasks: Sequence[InferenceTask], examples: Sequence[bytes]
) -> MultiInferenceResponse:
    """Returns one result per task, in the order of the tasks.

    Args:
        servable: A loaded version.
        tasks: Tasks for the same model, each with a different signature. The signatures may have
            different inputs; each input receives the same examples.
        examples: Serialised tf.Examples.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    if not tasks:
        raise invalid_argument("Missing ModelSpec")
    plans = [_plan(servable, tasks, position) for position in range(len(tasks))]
    if not examples:
        raise invalid_argument("Input is empty.")
    text = text_array(examples)
    feeds = {plan.signature.inputs[_INPUTS].name: text for plan in plans}
    fetches = [plan.signature.outputs[output].name for plan in plans for output in plan.outputs]
    # A tensor that two signatures share is computed and fetched once.
    distinct = list(dict.fromkeys(fetches))
    arrays = dict(zip(distinct, servable.run(feeds, distinct), strict=True))
    response = MultiInferenceResponse()
    for plan in plans:
        result = response.results.add()
        result.model_spec.name = servable.name
        result.model_spec.version.value = servable.version
        result.model_spec.signature_name = plan.name
        by_output = {name: arrays[plan.signature.outputs[name].name] for name in plan.outputs}
        _fill(result, plan.method, by_output, len(examples))
    return response


def _plan(servable: Servable, tasks: Sequence[InferenceTask], position: int) -> _Plan:
    """Returns a task's plan; checks the task against the tasks before it."""
    task = tasks[position]
    if not task.model_spec.name:
        raise invalid_argument("Found ModelSpec with an empty model name.")
    if tasks[0].model_spec.name != task.model_spec.name:
        raise invalid_argument(
            "All ModelSpecs in a MultiInferenceRequest must access the same model name."
        )
    name = task.model_spec.signature_name or DEFAULT_SIGNATURE
    before = {other.model_spec.signature_name or DEFAULT_SIGNATURE for other in tasks[:position]}
    if name in before:
        raise invalid_argument(f"Duplicate evaluation of signature: {name}")
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"Requested signature not found in model graph: {name}")
    return _Plan(task.method_name, name, signature, _outputs(servable, task, signature))


def _outputs(servable: Servable, task: InferenceTask, signature: SignatureDef) -> list[str]:
    if task.method_name == classify.METHOD:
        return classify.check_signature(servable, signature)
    if task.method_name == regress.METHOD:
        regress.check_signature(servable, signature)
        return [regress.OUTPUTS]
    raise ServingError(
        grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
    )


def _fill(
    result: InferenceResult, method: str, arrays: dict[str, NDArray[Any]], num_examples: int
) -> None:
    if method == classify.METHOD:
        classification = classify.read_result(arrays, num_examples)
        result.classification_result.CopyFrom(classification)
    else:
        regression = regress.read_result(arrays[regress.OUTPUTS], num_examples)
        result.regression_result.CopyFrom(regression)
