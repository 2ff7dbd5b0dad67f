"""What is known of a step of a run once it has ended."""

from dataclasses import dataclass
from enum import StrEnum

from ml_metadata.proto import metadata_store_pb2


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
        reason: Why it ran or did not, in words.
        duration_s: Wall time in seconds.
        execution_id: Its execution in ML Metadata, or None where it never got one.
        outputs: Output artifacts by key, in ML Metadata's own form.
    """

    name: str
    state: StepState
    reason: str
    duration_s: float
    execution_id: int | None
    outputs: dict[str, list[metadata_store_pb2.Artifact]]
