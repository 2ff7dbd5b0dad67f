"""Messages about an alarm: as JSON, and as the text of a mail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.guards.terminal import visible
from production.monitoring.alarms.alarm import Alarm, Kind, Loss
from production.monitoring.report import amount_words, figure_words, minute_words, with_unit


@dataclass(frozen=True, kw_only=True)
class Message:
    """An alarm that is sent for one reason; every try sends the same message.

    Attributes:
        alarm: The alarm.
        reason: `opened`, `repeated`, `escalated`, or `test`.
        number: Which message of this reason it is for the alarm, from 1.
    """

    alarm: Alarm
    reason: str
    number: int = 1

    @property
    def key(self) -> str:
        """Text by which a receiver recognises a message that comes twice.

        The time is part of it, since a new journal begins with `a1` again.
        """
        return f"{self.alarm.model}-{self.alarm.id}-{_stamp(self.alarm.raised)}-{self.occasion}"

    @property
    def occasion(self) -> str:
        """What tells the messages of one alarm apart, such as `repeated-2`."""
        return f"{self.reason}-{self.number}"

    def to_json(self) -> dict[str, Any]:
        """Returns what webhooks and commands get."""
        return {
            "key": self.key,
            "reason": self.reason,
            "escalated": self.reason == "escalated",
            "alarm": self.alarm.to_json(),
        }

    @property
    def subject(self) -> str:
        """Subject of a mail, one line."""
        alarm = self.alarm
        prefix = {"opened": "", "test": "Test: "}.get(self.reason, f"{self.reason.capitalize()}: ")
        kind = alarm.kind.replace("_", " ")
        return f"{prefix}[{alarm.severity}] {alarm.model}/{alarm.version}: {kind} ({alarm.id})"

    @property
    def text(self) -> str:
        """Text of a mail."""
        alarm = self.alarm
        lines = [
            alarm.what,
            "",
            f"Model: {alarm.model}, version {alarm.version}",
            f"Since: {_minute(alarm.since)}",
            f"Raised: {_minute(alarm.raised)}",
            f"Chunk: {alarm.chunk}",
            *([f"Features: {', '.join(alarm.features)}"] if alarm.features else []),
            *loss_lines(alarm),
            f"What to do: {alarm.to_do}",
            "",
            f"faultline explain-alarm {alarm.id} --model {alarm.model}",
            f'faultline alarms acknowledge {alarm.id} --model {alarm.model} --why "..."',
        ]
        return "\n".join(map(visible, lines)) + "\n"


def loss_lines(alarm: Alarm) -> list[str]:
    """Returns the line about the change of quality and cost; none if it is unknown."""
    if alarm.loss is None:
        return []
    source = "Measured" if alarm.kind is Kind.MEASURED_LOSS else "Estimated"
    return [f"{source} change: {loss_words(alarm.loss)}"]


def loss_words(loss: Loss) -> str:
    """Returns a change of quality and cost in words, and whether it shows a loss.

    >>> loss_words(Loss(recall_points=-4.2, cost_per_day=310, unit="EUR", lower=120, upper=520))
    'recall -4.2 points, +310 EUR a day [+120, +520]'
    >>> loss_words(Loss(recall_points=9, cost_per_day=-613, unit="EUR", lower=-5446, upper=2055))
    'recall +9.0 points, -613 EUR a day [-5,446, +2,055], no loss shown'
    >>> loss_words(Loss())
    'unknown'
    """
    has_cost = loss.cost_per_day is not None
    none = (None, None)
    limits = (loss.lower, loss.upper)
    recall = figure_words((loss.recall_points, *(none if has_cost else limits)), "+.1f")
    cost = amount_words((loss.cost_per_day, *limits))
    parts = [
        f"recall {with_unit(recall, 'points')}" if recall else "",
        with_unit(cost, f"{loss.unit} a day".strip()),
        "no loss shown" if _may_be_none(loss) else "",
    ]
    return ", ".join(filter(None, parts)) or "unknown"


def _may_be_none(loss: Loss) -> bool:
    """Whether the limits allow that nothing was lost: the cost did not rise, or the recall fall."""
    if loss.lower is None or loss.upper is None:
        return False
    return loss.lower <= 0 if loss.cost_per_day is not None else loss.upper >= 0


def _minute(time: datetime) -> str:
    return f"{minute_words(time)} {time.tzname() or ''}".rstrip()


def _stamp(time: datetime) -> str:
    return f"{time:%Y%m%dT%H%M%S}"
