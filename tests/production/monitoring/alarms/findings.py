"""Findings and clocks for tests of alarms."""

from datetime import UTC, datetime, timedelta
from typing import Any

from production.monitoring.alarms.alarm import Finding, Kind, Severity

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **amount: float) -> None:
        self.time += timedelta(**amount)


def finding(**values: Any) -> Finding:
    """A drift of `pressure` in chunk 3 of version 100 of the pump."""
    defaults: dict[str, Any] = {
        "kind": Kind.DRIFT,
        "model": "pump",
        "version": 100,
        "chunk": 3,
        "since": NOON - timedelta(days=2),
        "features": ("pressure",),
        "what": "`pressure` has drifted.",
        "to_do": "Check the sensor.",
        "severity": Severity.WARNING,
    }
    return Finding(**(defaults | values))
