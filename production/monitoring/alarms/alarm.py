"""An alarm of the monitor."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an alarm is about."""

    BROKEN_DATA = "broken_data"
    LABELS = "labels"
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

    @property
    def rank(self) -> int:
        """Its place, 0 for the least urgent."""
        return list(Severity).index(self)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a change costs, with its interval.

    Attributes:
        recall_points: Change of the recall in points of 100, negative for a loss; None if unknown.
        cost_per_day: Rise of the cost a day, in the unit of the config's `cost`; None without.
        unit: That unit, such as `EUR`.
        lower: Lower limit of the figure that counts: the cost where it is known.
        upper: Upper limit.
    """

    recall_points: float | None = None
    cost_per_day: float | None = None
    unit: str = ""
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a chunk shows that people should know; `AlarmBook.raise_alarm` makes an alarm of it.

    Attributes:
        kind: What it is about.
        model: Name of the served model.
        version: Version that answered.
        chunk: Number of the chunk that shows it.
        since: Since when the change is there, as far as the evidence tells.
        features: Features that differ, the most telling first.
        what: What happened, one or two sentences.
        loss: What it costs; None if that is unknown.
        to_do: What to do about it.
        severity: How urgent it is.
    """

    kind: Kind
    model: str
    version: int
    chunk: int
    since: datetime
    features: tuple[str, ...] = ()
    what: str
    loss: Loss | None = None
    to_do: str
    severity: Severity

    def is_same_as(self, other: "Finding") -> bool:
        """Whether two findings are about the same trouble.

        They are of one kind and version, and share a feature or have none both. The features that
        differ most are not the same ones in every chunk.
        """
        if (self.kind, self.version) != (other.kind, other.version):
            return False
        mine, others = set(self.features), set(other.features)
        return bool(mine & others) or not (mine or others)


@dataclass(frozen=True, kw_only=True)
class Alarm(Finding):
    """An alarm.

    Attributes:
        id: `a1`, `a2` and so on, unique for a model.
        raised: When it was raised.
    """

    id: str
    raised: datetime

    @classmethod
    def of(cls, finding: Finding, *, id: str, raised: datetime) -> "Alarm":  # noqa: A002
        """Returns the alarm of a finding."""
        values = {field.name: getattr(finding, field.name) for field in fields(Finding)}
        return cls(**values, id=id, raised=raised)

    def to_json(self) -> dict[str, Any]:
        """Returns the alarm as JSON values; times in ISO 8601."""
        times = {name: getattr(self, name).isoformat() for name in ("since", "raised")}
        return asdict(self) | times | {"features": list(self.features)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Alarm":
        """Returns the alarm of what `to_json` returned."""
        loss = values["loss"]
        read = {
            "kind": Kind(values["kind"]),
            "severity": Severity(values["severity"]),
            "features": tuple(values["features"]),
            "loss": None if loss is None else Loss(**loss),
        }
        times = {name: datetime.fromisoformat(values[name]) for name in ("since", "raised")}
        return cls(**{**values, **read, **times})
