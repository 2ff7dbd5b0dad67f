"""Checks of a SavedModel's signatures without loading it."""

from collections.abc import Iterator, Mapping

from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from models.exporting.export import SERVE_EXAMPLES, SERVING_DEFAULT
from models.exporting.recordings.signature import SERVING_RECORDING

_OUTPUTS = ("probability", "decision")


def check_signatures(signatures: Mapping[str, SignatureDef], label: str) -> list[str]:
    """Returns the problems of a model's signatures, a sentence each.

    Args:
        signatures: The model's signatures by name.
        label: The label column, which clients do not have.
    """
    names = [SERVING_DEFAULT, SERVE_EXAMPLES]
    names += [SERVING_RECORDING] if SERVING_RECORDING in signatures else []
    return [problem for name in names for problem in _problems(name, signatures.get(name), label)]


def _problems(name: str, signature: SignatureDef | None, label: str) -> Iterator[str]:
    if signature is None:
        yield f"The model has no signature `{name}`."
        return
    if label in signature.inputs:
        yield (
            f"Signature `{name}` asks for the label `{label}`, which no client can know. "
            "Export it without."
        )
    if absent := [output for output in _OUTPUTS if output not in signature.outputs]:
        yield f"Signature `{name}` lacks the output {absent}; it has {sorted(signature.outputs)}."
