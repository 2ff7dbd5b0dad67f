"""Windows in time, the alarms that a model raises over them, and the events they meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring.events.names import event_start_s

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Windows that touch have equal limits, but for the rounding of seconds since 1970.
_TOUCH_S = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """Where the windows of some examples are, in any order.

    Attributes:
        streams: uint64 `[n]`, equal for windows of one stretch of a recording.
        starts_s: float64 `[n]`, start of each window in seconds, on the clock of its recording.
        ends_s: float64 `[n]`, end of each.
        events: object `[n]`, names of the events that each window touches, separated by spaces;
            empty if it touches none.
    """

    streams: NDArray[np.uint64]
    starts_s: Floats
    ends_s: Floats
    events: NDArray[np.object_]

    @property
    def touches(self) -> Flags:
        """Whether each window touches an event, bool `[n]`."""
        return np.array([bool(names) for names in self.events], bool)

    def rows(self, chosen: NDArray[Any]) -> "Timeline":
        """Returns some of the windows."""
        return Timeline(
            streams=self.streams[chosen],
            starts_s=self.starts_s[chosen],
            ends_s=self.ends_s[chosen],
            events=self.events[chosen],
        )


def merge_timelines(parts: Sequence[Timeline]) -> Timeline:
    """Returns the windows of all parts, at least one."""
    return Timeline(
        streams=np.concatenate([part.streams for part in parts]),
        starts_s=np.concatenate([part.starts_s for part in parts]),
        ends_s=np.concatenate([part.ends_s for part in parts]),
        events=np.concatenate([part.events for part in parts]),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Alarms:
    """The alarms of a model, matched with the events.

    Attributes:
        delays_s: float64 `[events]`, from the event's start to the end of the first window that
            touches it and raises an alarm; NaN for an event that is missed.
        false_alarms: int64 `[streams]`, alarms that touch no event.
        healthy_s: float64 `[streams]`, time in windows that touch no event.
    """

    delays_s: Floats
    false_alarms: Ints
    healthy_s: Floats


def match_alarms(timeline: Timeline, decisions: NDArray[Any]) -> Alarms:
    """Returns the alarms of a model, matched with the events.

    An alarm is a run of windows of one stream whose decision is 1, without a gap in time. It is
    false if none of them touches an event. What windows overlap is counted once as healthy time.

    Args:
        timeline: The windows.
        decisions: `[n]` of 0 and 1.
    """
    order, joined = _in_time(timeline)
    timeline, alarm = timeline.rows(order), decisions[order] == 1
    touches = timeline.touches
    begins = alarm & ~(joined & np.concatenate([[False], alarm[:-1]]))
    runs = np.cumsum(begins) - 1
    streams, places = np.unique(timeline.streams, return_inverse=True)
    is_false = np.ones(int(begins.sum()), bool)
    is_false[runs[alarm & touches]] = False
    return Alarms(
        delays_s=_delays(timeline, alarm, touches),
        false_alarms=np.bincount(places[begins][is_false], minlength=streams.size),
        healthy_s=_healthy(timeline, touches, places, streams.size),
    )


def healthy_time(timeline: Timeline) -> float:
    """Returns the time in windows that touch no event, in s; overlaps count once."""
    return float(match_alarms(timeline, np.zeros(timeline.streams.size, np.int8)).healthy_s.sum())


def false_alarms_by_score(timeline: Timeline, scores: Floats) -> Ints:
    """Returns the number of false alarms after each distinct score, from the highest on.

    Args:
        timeline: The windows, n.
        scores: float64 `[n]`.

    Returns:
        int64 `[distinct scores + 1]`: without any alarm, with an alarm for the highest score, for
        the highest two, and so on. The number may fall where a lower score joins two alarms.
    """
    order, joined = _in_time(timeline)
    touches = timeline.touches[order].tolist()
    levels = np.unique(-scores[order], return_inverse=True)[1]
    joins_next = [*joined[1:].tolist(), False]
    # Of each run of windows: at its first place the last one, and at the last place the first.
    other_end: dict[int, int] = {}
    is_false: dict[int, bool] = {}
    counts, num_false = np.zeros(int(levels.max(initial=-1)) + 2, np.int64), 0
    for place in np.argsort(levels, kind="stable").tolist():
        first = last = place
        is_fault_free = not touches[place]
        if joined[place] and place - 1 in other_end:
            first = other_end[place - 1]
            num_false -= is_false[first]
            is_fault_free &= is_false[first]
        if joins_next[place] and place + 1 in other_end:
            last = other_end[place + 1]
            num_false -= is_false[place + 1]
            is_fault_free &= is_false[place + 1]
        other_end[place] = place  # inside a run, never read again
        other_end[first], other_end[last] = last, first
        is_false[first] = is_fault_free
        num_false += is_fault_free
        counts[levels[place] + 1] = num_false
    return counts


def _in_time(timeline: Timeline) -> tuple[Ints, Flags]:
    """The order by stream and time, and whether each window joins the one before it."""
    order = np.lexsort((timeline.starts_s, timeline.streams))
    streams, starts = timeline.streams[order], timeline.starts_s[order]
    ends = timeline.ends_s[order]
    joined = np.zeros(order.size, bool)
    joined[1:] = (streams[1:] == streams[:-1]) & (starts[1:] <= ends[:-1] + _TOUCH_S)
    return order, joined


def _delays(timeline: Timeline, alarm: Flags, touches: Flags) -> Floats:
    """The delay of each event, by the windows in order of time."""
    found_at: dict[tuple[int, str], float] = {}
    for place in np.flatnonzero(touches).tolist():
        for name in timeline.events[place].split():
            event = (int(timeline.streams[place]), name)
            found_at.setdefault(event, np.nan)
            if alarm[place] and np.isnan(found_at[event]):
                found_at[event] = float(timeline.ends_s[place]) - event_start_s(name)
    return np.array(list(found_at.values()), np.float64)


def _healthy(timeline: Timeline, touches: Flags, places: Ints, num_streams: int) -> Floats:
    """Time in windows without an event, by stream; the windows are in order of time."""
    rows = np.flatnonzero(~touches)
    starts, ends, streams = timeline.starts_s[rows], timeline.ends_s[rows], places[rows]
    before = np.full(rows.size, -np.inf)
    same = streams[1:] == streams[:-1]
    before[1:] = np.where(same, ends[:-1], -np.inf)
    lengths = np.maximum(ends - np.maximum(starts, before), 0.0)
    return np.bincount(streams, weights=lengths, minlength=num_streams).astype(np.float64)
