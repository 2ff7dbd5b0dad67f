"""Figures as text; imports no statistics, so that commands and unchanged runs start quickly."""

import math
from collections.abc import Mapping

from pipeline.counting import count

# Metrics without a natural upper limit.
_OPEN = frozenset(
    {
        *("expected_cost", "false_alarms_per_hour", "false_alarms_per_day"),
        *("delay_s", "delay_p95_s", "healthy_hours"),
    }
)


def figure(metric: str, value: float) -> str:
    """Formats a value with the digits that suit its metric.

    >>> figure("recall", 0.9), figure("brier", 0.05), figure("expected_cost", 1234.5)
    ('0.900', '0.0500', '1,234')
    """
    if not math.isfinite(value):
        return "without a value"
    if metric in _OPEN:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:.4f}" if metric == "brier" else f"{value:.3f}"


def event_counts(metrics: Mapping[str, float | None]) -> str:
    """Returns the counts behind the metrics by event; empty where there are none.

    >>> counts = {"num_events": 3, "events_found": 2, "num_false_alarms": 1, "healthy_hours": 48.0}
    >>> event_counts(counts)
    '3 events, 2 found; 1 false alarm in 48 healthy hours'
    """
    if "num_events" not in metrics:
        return ""
    names = ("num_events", "events_found", "num_false_alarms", "healthy_hours")
    events, found, false, hours = (metrics[name] or 0 for name in names)
    return (
        f"{count(int(events), 'event')}, {int(found):,} found; {count(int(false), 'false alarm')} "
        f"in {figure('healthy_hours', hours)} healthy hours"
    )
