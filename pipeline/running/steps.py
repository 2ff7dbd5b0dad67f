"""Result of one step of a run."""

from dataclasses import dataclass
from enum import StrEnum

from ml_metadata.proto import metadata_store_pb2

# Reasons that many steps of a run share.
FIRST_TIME = "first time"
UNCHANGED = "same inputs, parameters and code"


class StepState(StrEnum):
    """How a step ended."""

    RAN = "ran"
    CACHED = "cached"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """One step of a run.

    Attributes:
        name: The component's id.
        state: How it ended.
        reason: Why it ran or was cached, as text.
        duration_s: Wall time in seconds.
        execution_id: Its execution in ML Metadata, or None if it has none.
        outputs: Output artifacts by key, as ML Metadata protos.
    """

    name: str
    state: StepState
    reason: str
    duration_s: float
    execution_id: int | None
    outputs: dict[str, list[metadata_store_pb2.Artifact]]
