"""Key figures of Trainer, for the terminal and the run's summary."""

import json
from pathlib import Path
from typing import Any

from ml_metadata.proto.metadata_store_pb2 import Artifact

from pipeline.components.fact import Fact, first_of_type


def describe(artifacts: list[Artifact]) -> Fact:
    """Returns the key figures of the step's output artifacts."""
    run = first_of_type(artifacts, "ModelRun")
    if run is None:
        return Fact()
    values = json.loads((Path(run.uri) / "eval_metrics.json").read_text(encoding="utf-8"))
    return Fact(
        f"{_model(values)}{_pr_auc(values)}, {length_text(values)}, "
        f"threshold {values['threshold']:.3f}",
        values,
    )


def _pr_auc(values: dict[str, Any]) -> str:
    """PR-AUC on examples that were not trained on."""
    crossed = values.get("cross_fit")
    if crossed is None:
        return f"eval PR-AUC {values['eval_pr_auc']:.3f}"
    return (
        f"PR-AUC {crossed['pr_auc']:.3f} out of {crossed['folds']} folds "
        f"({crossed['positives']} of {crossed['examples']:,} examples positive)"
    )


def _model(values: dict[str, Any]) -> str:
    """What was chosen among which, if there was a choice."""
    choice = values.get("choice")
    return f"{choice['kind']} chosen ({choice['reason']}), " if choice else ""


def trained_text(values: dict[str, Any]) -> str:
    """Returns what a model is, in words: kind, trees, epochs, library and the choice.

    Args:
        values: What the Trainer noted of the model; empty for a model of another Trainer.
    """
    if not values:
        return ""
    library = f"XGBoost {values['xgboost']}" if "xgboost" in values else ""
    choice = values.get("choice")
    reason = f"chosen: {choice['reason']}" if choice else ""
    parts = (values["model"], length_text(values), library, reason)
    return ", ".join(part for part in parts if part)


def length_text(values: dict[str, Any]) -> str:
    """Returns the number of trees or epochs of a model, or both, in words."""
    trees = f"{values['num_trees']} trees" if "num_trees" in values else ""
    epochs = f"{values['epochs']} epochs" if "epochs" in values else ""
    if "best_epoch" in values:
        epochs = f"best epoch {values['best_epoch']} of {values['epochs']}"
    weights = values.get("weights")
    share = f"{weights['network']:.2f} of the logit the network's" if weights else ""
    return ", ".join(part for part in (trees, epochs, share) if part)
