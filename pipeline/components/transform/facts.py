"""Key figures of Transform, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, first_of_type, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    graph = first_of_type(artifacts, "TransformGraph")
    values = properties(graph) if graph else {}
    if "spans_analysed" not in values:
        return Fact()
    values["spans_analysed"] = json.loads(values["spans_analysed"])
    number = len(values["spans_analysed"])
    spans = f"span {values['spans_analysed'][0]}" if number == 1 else f"{number} spans"
    rows = count(values["num_rows_analysed"], "row")
    return Fact(f"analysed {spans}, {rows} of train", values)
