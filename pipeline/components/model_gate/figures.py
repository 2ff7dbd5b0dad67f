"""Figures as text; imports no statistics, so that commands and unchanged runs start quickly."""

import math

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
