"""Key figures of ErrorAnalyzer, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    clusters = json.loads(values["clusters"])
    factors = count(len(clusters), "common factor")
    factors = f"{factors} (strongest: {clusters[0]})" if clusters else "no common factors"
    errors = count(values["num_errors"], "error")
    suspected = count(values["num_suspected"], "suspected label")
    # Wrong decisions, and the worst 5 % by loss.
    text = f"{errors} analysed, {suspected}, {factors}"
    return Fact(text, values | {"clusters": clusters})
