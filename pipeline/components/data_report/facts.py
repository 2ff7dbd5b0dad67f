"""Key figures of DataReport, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.components.names import SEPARATING
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    areas = json.loads(properties(artifacts[0]).get(SEPARATING, "{}"))
    if not areas:
        return Fact(values={SEPARATING: {}})
    named = ", ".join(
        f"`{name}` (ROC-AUC {max(area, 1 - area):.4f})" for name, area in areas.items()
    )
    features = count(len(areas), "feature")
    verb = "separates" if len(areas) == 1 else "separate"
    return Fact(f"{features} {verb} the classes almost alone: {named}", {SEPARATING: areas})
