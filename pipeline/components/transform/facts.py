"""Key figures of Transform, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, first_of_type, properties


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    graph = first_of_type(artifacts, "TransformGraph")
    values = properties(graph) if graph else {}
    if "spans_analysed" not in values:
        return Fact()
    values["spans_analysed"] = json.loads(values["spans_analysed"])
    count = len(values["spans_analysed"])
    spans = f"span {values['spans_analysed'][0]}" if count == 1 else f"{count} spans"
    return Fact(f"analysed {spans}, {values['num_rows_analysed']:,} rows of train", values)
