"""Reasons for an inconclusive bar by event: too few events, or too little healthy time."""

import math

from measuring.events.scores import (
    ALARMS_PER_HOUR,
    DELAY,
    EVENT_RECALL,
    HEALTHY_HOURS,
    NUM_EVENTS,
    NUM_FOUND,
)
from measuring.intervals import Interval
from pipeline.components.model_gate.figures import figure
from pipeline.components.model_gate.more_data import (
    ASSURANCE,
    Need,
    fewest_for_share,
    need_of_mean,
    need_of_share,
)
from pipeline.components.model_gate.reasons import Metrics
from pipeline.counting import count

BY_EVENT = frozenset({EVENT_RECALL, ALARMS_PER_HOUR, DELAY})
_MANY = 1_000_000


def missing_by_event(
    metric: str, bar: float, metrics: Metrics, interval: Interval, confidence: float
) -> str:
    """Returns why the test split is inconclusive about a bar by event.

    Args:
        metric: `event_recall`, `false_alarms_per_hour` or `delay_s`.
        bar: The bar.
        metrics: The metrics on the split.
        interval: The metric's interval, which contains `bar`.
        confidence: Two-sided confidence of the interval.
    """
    value = metrics.get(metric, math.nan)
    if metric == ALARMS_PER_HOUR:
        return _more_hours(value, bar, metrics, interval, confidence)
    events = int(metrics.get(NUM_EVENTS, 0))
    if metric == EVENT_RECALL:
        least = fewest_for_share(bar, confidence)
        if events < least:
            return (
                f"too small, {count(events, 'event')}; even a perfect model needs {least} to show "
                "it"
            )
        return _more(need_of_share(value, interval, bar, confidence), events, "events")
    num_found, least = int(metrics.get(NUM_FOUND, 0)), _fewest_delays(confidence)
    if num_found < least:
        return f"too small, {count(num_found, 'event')} found; the median's interval needs {least}"
    need = need_of_mean(value, interval, bar, confidence, lower_is_better=True)
    return _more(need, events, "events")


def _more_hours(
    value: float, bar: float, metrics: Metrics, interval: Interval, confidence: float
) -> str:
    """The same for a rate: without an alarm in T hours, its upper limit is -ln(tail) / T."""
    hours, least = metrics.get(HEALTHY_HOURS, 0.0), -math.log((1 - confidence) / 2) / bar
    if hours < least:
        return (
            f"too short, {_hours(hours)} healthy hours; even without a false alarm "
            f"{_hours(least)} are needed to show it"
        )
    need = need_of_mean(value, interval, bar, confidence, lower_is_better=True)
    return _more(need, hours, "healthy hours")


def _fewest_delays(confidence: float) -> int:
    """The fewest delays whose median has an upper limit: 0.5^n is at most the tail."""
    return math.ceil(math.log2(2 / (1 - confidence)) - 1e-9)


def _more(need: Need, number: float, things: str) -> str:
    more = math.ceil((need.growth - 1) * number)
    if more >= _MANY:
        return f"an answer cannot be promised, however many {things} are added"
    text = f"about {max(more, 1):,} more {things} needed for an answer in {ASSURANCE:.0%} of cases"
    return text if need.chance >= ASSURANCE else f"{text}; a pass cannot be promised"


def _hours(hours: float) -> str:
    return figure(HEALTHY_HOURS, hours)
