"""Classify: from tf.Examples to labels with scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResult

from serving.errors import invalid_argument
from serving.inference.examples import text_array
from serving.inference.predict import DEFAULT_SIGNATURE, shape_text, type_name
from serving.servable import Servable

METHOD = "tensorflow/serving/classify"
_INPUTS, _CLASSES, _SCORES = "inputs", "classes", "scores"

Arrays = Mapping[str, NDArray[Any]]


def classify(
    servable: Servable, signature_name: str, examples: Sequence[bytes]
) -> ClassificationResult:
    """Returns the classes of each example.

    Args:
        servable: A loaded version.
        signature_name: Name of the signature; empty for `serving_default`.
        examples: Serialised tf.Examples.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    signature = named_signature(servable, signature_name)
    outputs = check_signature(servable, signature)
    arrays = run_on_examples(servable, signature, outputs, examples)
    return read_result(arrays, len(examples))


def named_signature(servable: Servable, name: str) -> SignatureDef:
    """Returns a signature by name; empty for `serving_default`.

    Raises:
        ServingError: INVALID_ARGUMENT if the servable has no such signature.
    """
    signature = servable.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name or DEFAULT_SIGNATURE}")
    return signature


def check_signature(servable: Servable, signature: SignatureDef) -> list[str]:
    """Returns the names of the outputs: `classes`, `scores` or both.

    Raises:
        ServingError: INVALID_ARGUMENT for a signature that Classify cannot use.
    """
    if servable.checks_method_names:
        check_method(signature, METHOD, "classification")
    check_one_input(signature)
    if len(signature.outputs) not in {1, 2}:
        raise invalid_argument(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    check_examples_input(signature, "classification")
    outputs = [name for name in (_CLASSES, _SCORES) if name in signature.outputs]
    if not outputs:
        raise invalid_argument(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature}'
        )
    return outputs


def check_method(signature: SignatureDef, method: str, word: str) -> None:
    """Checks a signature's method name.

    Raises:
        ServingError: INVALID_ARGUMENT for another method.
    """
    if signature.method_name != method:
        raise invalid_argument(
            f"Expected {word} signature method_name to be {method}. Was: {signature.method_name}"
        )


def check_one_input(signature: SignatureDef) -> None:
    """Checks that a signature has one input.

    Raises:
        ServingError: INVALID_ARGUMENT if not.
    """
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")


def check_examples_input(signature: SignatureDef, word: str) -> None:
    """Checks that the input is called `inputs`.

    Raises:
        ServingError: INVALID_ARGUMENT if not.
    """
    if _INPUTS not in signature.inputs:
        raise invalid_argument(f"No {word} inputs found in SignatureDef: {signature}")


def run_on_examples(
    servable: Servable, signature: SignatureDef, outputs: Sequence[str], examples: Sequence[bytes]
) -> dict[str, NDArray[Any]]:
    """Returns the outputs of a signature whose only input takes tf.Examples.

    Raises:
        ServingError: INVALID_ARGUMENT without examples, or TensorFlow's code and text.
    """
    if not examples:
        raise invalid_argument("Input is empty.")
    feeds = {signature.inputs[_INPUTS].name: text_array(examples)}
    fetches = [signature.outputs[name].name for name in outputs]
    return dict(zip(outputs, servable.run(feeds, fetches), strict=True))


def read_result(arrays: Arrays, num_examples: int) -> ClassificationResult:
    """Returns the outputs as a ClassificationResult.

    Raises:
        ServingError: INVALID_ARGUMENT for outputs of a wrong type or shape.
    """
    for name, array in arrays.items():
        _check_output(name, array, num_examples)
    classes, scores = arrays.get(_CLASSES), arrays.get(_SCORES)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    result = ClassificationResult()
    shape = next(iter(arrays.values())).shape
    for row in range(num_examples):
        classifications = result.classifications.add()
        for column in range(shape[1]):
            chosen = classifications.classes.add()
            if classes is not None:
                chosen.label = _label(classes[row, column])
            if scores is not None:
                chosen.score = float(scores[row, column])
    return result


def _label(value: Any) -> str:
    # A label is a string in the response, which cannot hold bytes that are not UTF-8.
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _check_output(name: str, array: NDArray[Any], num_examples: int) -> None:
    expected = {_CLASSES: "DT_STRING", _SCORES: "DT_FLOAT"}[name]
    if array.ndim != 2:
        raise invalid_argument(
            f"Expected Tensor shape: [batch_size num_classes] but got {shape_text(array.shape)}"
        )
    if (dtype := type_name(array)) != expected:
        raise invalid_argument(f"Expected {name} Tensor of {expected}. Got: {dtype}")
    if len(array) != num_examples:
        raise invalid_argument(
            f"Expected {name} output batch size of {num_examples}. Got: {len(array)}"
        )
