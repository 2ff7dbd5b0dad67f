"""An alarm of the monitor."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What an alarm is about."""

    BROKEN_DATA = "broken_data"
    DRIFT = "drift"
    ESTIMATED_LOSS = "estimated_loss"
    MEASURED_LOSS = "measured_loss"
    ERRORS = "errors"
    LATENCY = "latency"


class Severity(StrEnum):
    """How urgent an alarm is, by its cost."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a change costs, with its interval.

    Attributes:
        recall_points: Change of the recall in points of 100, negative for a loss; None if unknown.
        cost_per_day: Rise of the cost a day, in the unit of the config's `cost`; None without.
        lower: Lower limit of the figure that counts: the cost where it is known.
        upper: Upper limit.
    """

    recall_points: float | None = None
    cost_per_day: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm.

    Attributes:
        id: `a1`, `a2` and so on, unique for a model.
        kind: What it is about.
        model: Name of the served model.
        version: Version that answered.
        chunk: Number of the chunk that raised it.
        raised: When it was raised.
        since: Since when the change is there, as far as the evidence tells.
        features: Features that differ, the most telling first.
        what: What happened, one or two sentences.
        loss: What it costs; None if that is unknown.
        to_do: What to do about it.
        severity: How urgent it is.
    """

    id: str
    kind: Kind
    model: str
    version: int
    chunk: int
    raised: datetime
    since: datetime
    features: tuple[str, ...] = ()
    what: str
    loss: Loss | None = None
    to_do: str
    severity: Severity
