"""Key figures of Trainer, for the terminal and the run's summary."""

import json
from pathlib import Path

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, first_of_type


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    run = first_of_type(artifacts, "ModelRun")
    if run is None:
        return Fact()
    values = json.loads((Path(run.uri) / "eval_metrics.json").read_text(encoding="utf-8"))
    return Fact(
        f"eval PR-AUC {values['eval_pr_auc']:.3f}, best epoch {values['best_epoch']} of "
        f"{values['epochs']}, threshold {values['threshold']:.3f}",
        values,
    )
