"""Key figures of Pusher, for the terminal and the run's summary."""

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.components.names import SHADOW, SIGNER, WITHDRAWN_VERSION


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    if values.get(WITHDRAWN_VERSION):
        text = f"not pushed: {values[WITHDRAWN_VERSION]}, the same model, was withdrawn"
        return Fact(text, values)
    if not values.get("pushed"):
        return Fact("not pushed; the served model is unchanged", values)
    beside = ", beside the served model" if values.get(SHADOW) else ""
    signed = f", signed by key {str(values[SIGNER])[:12]}" if values.get(SIGNER) else ""
    return Fact(f"version {values['pushed_version']}{beside}{signed}", values)
