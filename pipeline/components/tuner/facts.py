"""Key figures of Tuner, for the terminal and the run's summary."""

import json
from pathlib import Path

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, first_of_type


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    results = first_of_type(artifacts, "TunerResults")
    if results is None:
        return Fact()
    text = (Path(results.uri) / "tuner_results.json").read_text(encoding="utf-8")
    trials = json.loads(text)
    best = {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in trials[0].items()
        if key not in {"trial_id", "score"} and not key.startswith("tuner/")
    }
    options = ", ".join(f"{key} {value}" for key, value in best.items())
    return Fact(
        f"best of {len(trials)} trials {trials[0]['score']:.3f}: {options}",
        {"num_trials": len(trials), "best_score": trials[0]["score"], "best": best},
    )
