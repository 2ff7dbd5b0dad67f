"""A run as recorded by experiment trackers: hyperparameters and metrics."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.guards.redaction import redact_text
from pipeline.lineage.graph import Artifact, Graph, Run, Step
from pipeline.lineage.runs import RunRow, run_row

Scalar = str | int | float | bool
_HYPERPARAMETERS_FILE = "best_hyperparameters.txt"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run.

    Attributes:
        row: Its entry in `faultline runs`.
        hyperparameters: Hyperparameters of its network, tuned or not; empty if the run did not
            reach the Trainer. Lists are JSON texts; nested options have dotted names.
        model_uri: Folder of its model's artifact, or empty.
        log_dir: Folder of its Trainer's TensorBoard logs, or empty.
    """

    row: RunRow
    hyperparameters: Mapping[str, Scalar]
    model_uri: str
    log_dir: str

    @property
    def started_ms(self) -> int:
        """Start time in milliseconds since the Unix epoch."""
        return round(1_000 * datetime.fromisoformat(self.row.started).timestamp())


def run_records(graph: Graph, *, may_be_running: bool = False) -> list[RunRecord]:
    """Returns all runs, oldest first.

    Args:
        graph: The metadata graph.
        may_be_running: Whether a process may be using this store.
    """
    return [run_record(graph, run, may_be_running=may_be_running) for run in graph.runs.values()]


def run_record(graph: Graph, run: Run, *, may_be_running: bool = False) -> RunRecord:
    """Returns one run; for the arguments see `run_records`."""
    trainer = next((s for s in run.steps if s.node == "Trainer" and s.succeeded), None)
    return RunRecord(
        row=run_row(graph, run, may_be_running),
        hyperparameters=trained_with(graph, trainer) if trainer else {},
        model_uri=_uri(graph, trainer, "Model"),
        log_dir=_uri(graph, trainer, "ModelRun"),
    )


def trained_with(graph: Graph, trainer: Step) -> dict[str, Scalar]:
    """Returns the training options of a Trainer step, including those found by a Tuner."""
    spec = model_spec(trainer)
    options = dict(spec.get("train", {})) | {"seed": spec.get("seed", 0)}
    for artifact in graph.find(trainer.inputs, "HyperParameters"):
        options |= _found(artifact)
    return dict(flatten(options))


def model_spec(trainer: Step) -> dict[str, Any]:
    """Returns the `ModelSpec` of a Trainer step as plain values."""
    return _decoded(_decoded(trainer.parameters.get("custom_config")).get("model_spec"))


def _found(artifact: Artifact) -> dict[str, Any]:
    """Returns the options found by the Tuner, without KerasTuner's internal keys."""
    path = Path(artifact.uri) / _HYPERPARAMETERS_FILE
    if not path.is_file():  # artifacts may be deleted to save space; the record remains
        return {}
    values = json.loads(path.read_text(encoding="utf-8"))["values"]
    return {key: value for key, value in values.items() if not key.startswith("tuner/")}


def _decoded(value: object) -> dict[str, Any]:
    if isinstance(value, str):
        value = json.loads(value)
    return value if isinstance(value, dict) else {}


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    """Yields dotted names and values; lists become JSON texts, None becomes `none`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | bool):
            yield f"{prefix}{key}", redact_text(value) if isinstance(value, str) else value
        else:
            yield f"{prefix}{key}", "none" if value is None else json.dumps(value)


def run_tags(record: RunRecord) -> dict[str, str]:
    """Returns the lineage of a run as text by name, without empty values."""
    row = record.row
    tags = {
        "run_id": row.run_id,
        "use_case": row.use_case,
        "state": row.state.value,
        "stopped_at": row.stopped_at,
        "verdict": row.verdict,
        "version": row.version,
        "commit": row.commit,
        "dirty": str(row.dirty).lower(),
        "data_digest": str(row.data.get("data_digest", "")),
        "model": record.model_uri,
        "training_logs": record.log_dir,
    }
    return {key: value for key, value in tags.items() if value}


def _uri(graph: Graph, step: Step | None, type_name: str) -> str:
    artifacts = graph.find(step.outputs, type_name) if step else []
    return artifacts[0].uri if artifacts else ""
