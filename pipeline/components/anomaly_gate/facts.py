"""Key figures of AnomalyGate, for the terminal and the run's summary."""

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    number = values.get("num_anomalies", 0)
    text = count(number, "anomaly", "anomalies") if number else "no anomalies"
    parts = [text, values.get("warnings", ""), values.get("drift", "")]
    return Fact("; ".join(filter(None, parts)), values)
