"""Key figures of InfraValidator, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    problems = json.loads(values.pop("problems"))
    text = (
        "; ".join(problems)
        or f"{count(values['num_examples'], 'example')} by gRPC and REST, largest difference "
        f"{values['max_difference']}"
    )
    return Fact(text, values | {"problems": problems})
