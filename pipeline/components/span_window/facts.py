"""Key figures of SpanWindow, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    values["spans"] = json.loads(values["spans"])
    count, first, last = len(values["spans"]), values["spans"][0], values["spans"][-1]
    return Fact(f"{count} spans, {first} to {last}, {values['num_rows']:,} rows", values)
