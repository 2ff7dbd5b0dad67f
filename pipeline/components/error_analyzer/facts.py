"""Key figures of ErrorAnalyzer, for the terminal and the run's summary."""

import json

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, properties
from pipeline.counting import count


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    values = properties(artifacts[0])
    causes, hard = json.loads(values["causes"]), json.loads(values["hard"])
    shared = count(len(causes), "shared cause")
    shared = f"{shared} (strongest: {causes[0]})" if causes else "no shared causes"
    errors = count(values["num_errors"], "error")
    suspected = count(values["num_suspected"], "suspected label")
    by_chance = f"{values['expected_suspected']:.1f} if all labels are right"
    # Wrong decisions, and the worst 5 % by loss.
    text = f"{errors} analysed, {suspected} ({by_chance}), {shared}"
    return Fact(text, values | {"causes": causes, "hard": hard})
