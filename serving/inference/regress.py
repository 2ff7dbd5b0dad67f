"""Regress: from tf.Examples to one number each."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.errors import invalid_argument
from serving.inference.classify import (
    check_examples_input,
    check_method,
    check_one_input,
    named_signature,
    run_on_examples,
)
from serving.inference.predict import shape_text, type_name
from serving.servable import Servable

METHOD = "tensorflow/serving/regress"
OUTPUTS = "outputs"


def regress(servable: Servable, signature_name: str, examples: Sequence[bytes]) -> RegressionResult:
    """Returns the value of each example.

    Args:
        servable: A loaded version.
        signature_name: Name of the signature; empty for `serving_default`.
        examples: Serialised tf.Examples.

    Raises:
        ServingError: With TensorFlow Serving's code and text.
    """
    signature = named_signature(servable, signature_name)
    check_signature(servable, signature)
    arrays = run_on_examples(servable, signature, [OUTPUTS], examples)
    return read_result(arrays[OUTPUTS], len(examples))


def check_signature(servable: Servable, signature: SignatureDef) -> None:
    """Checks that Regress can use a signature.

    Raises:
        ServingError: INVALID_ARGUMENT if not.
    """
    if servable.checks_method_names:
        check_method(signature, METHOD, "regression")
    check_one_input(signature)
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    check_examples_input(signature, "regression")
    if OUTPUTS not in signature.outputs:
        raise invalid_argument(f"No regression outputs found in SignatureDef: {signature}")


def read_result(values: NDArray[Any], num_examples: int) -> RegressionResult:
    """Returns the output as a RegressionResult.

    Raises:
        ServingError: INVALID_ARGUMENT for an output of a wrong type or shape.
    """
    if values.ndim not in {1, 2} or (values.ndim == 2 and values.shape[1] != 1):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{shape_text(values.shape)}"
        )
    if len(values) != num_examples:
        raise invalid_argument(
            f"Input batch size did not match output batch size: {num_examples} vs. {len(values)}"
        )
    if (dtype := type_name(values)) != "DT_FLOAT":
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {dtype}")
    result = RegressionResult()
    for value in values.reshape(-1).tolist():
        result.regressions.add().value = value
    return result
