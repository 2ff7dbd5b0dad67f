"""Key figures of SpanWindow, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    values["spans"] = json.loads(values["spans"])
    spans, rows = count(len(values["spans"]), "span"), count(values["num_rows"], "row")
    return Fact(f"{spans}, {values['spans'][0]} to {values['spans'][-1]}, {rows}", values)
