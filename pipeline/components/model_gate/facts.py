"""Key figures of ModelGate, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.components.names import APPROVED_BY


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    reasons = json.loads(values.get("reasons", "[]"))
    failed = [reason["text"] for reason in reasons if not reason["passed"]]
    approved = f", approved by {values[APPROVED_BY]}" if values.get(APPROVED_BY) else ""
    more = [f"and {len(failed) - 1} more, see below"] if len(failed) > 1 else []
    failures = "; ".join([*failed[:1], *more])
    text = values.get("verdict", "") + approved + (f": {failures}" if failures else "")
    return Fact(text, values | {"reasons": reasons})
