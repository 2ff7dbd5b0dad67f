"""Key figures of ErrorAnalyzer, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    clusters = json.loads(values["clusters"])
    factors = f"{len(clusters)} common factor{'s' if len(clusters) > 1 else ''}"
    factors = f"{factors} (strongest: {clusters[0]})" if clusters else "no common factors"
    suspected = values["num_suspected"]
    # Wrong decisions, and the worst 5 % by loss.
    text = f"{values['num_errors']} errors analysed, {suspected} suspected labels, {factors}"
    return Fact(text, values | {"clusters": clusters})
