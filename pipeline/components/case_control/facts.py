"""Key figures of CaseControl, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    record = json.loads(values["sampling"])
    parts = [record["rest"], *record["strata"].values()]
    kept, total = (sum(part[key] for part in parts) for key in ("kept", "total"))
    positives = values["num_positives_train"]
    text = f"train: {kept:,} of {count(total, 'negative')}, all {count(positives, 'positive')}"
    return Fact(text, values | {"sampling": record})
