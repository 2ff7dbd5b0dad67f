"""Result of one chunk: its report, and its sign of each kind of alarm."""

from dataclasses import dataclass, field

from production.monitoring.alarms.alarm import Finding
from production.monitoring.report import ChunkReport

# Keys of the signs that say whether labels arrive, and whether the version has a reference.
LABELS = "labels"
REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True)
class Sign:
    """What a chunk says of one kind of alarm.

    Attributes:
        finding: The finding; None without an alarm.
        is_quiet: Whether the chunk by itself shows no such trouble. The evidence of earlier chunks
            may still be enough for an alarm.
    """

    finding: Finding | None
    is_quiet: bool


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a chunk shows.

    Attributes:
        report: Its report, without alarms.
        signs: What it says of each kind of alarm, of `LABELS` and of `REFERENCE`; kinds that it
            says nothing of are left out.
        took_labels: Whether the tests of the version have taken all its labels.
        forgot_labels: Whether they have forgotten all labels before, as many were wrong.
    """

    report: ChunkReport
    signs: dict[str, Sign] = field(default_factory=dict)
    took_labels: bool = False
    forgot_labels: bool = False
