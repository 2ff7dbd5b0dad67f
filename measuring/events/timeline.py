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

# Windows that touch have equal limits, except for the rounding of seconds since 1970.
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

    An alarm is a run of windows of one stream whose decision is 1, without a gap in time. One that
    lasts longer than half of the events do counts as several of this length, so that a permanent
    alarm is not a single one; without events, as several of one window's length. An alarm is false
    if none of its windows touches an event. Time in which windows overlap counts once as healthy.

    Args:
        timeline: The windows.
        decisions: `[n]` of 0 and 1.

    References:
        Dan et al. (2025), SzCORE: Seizure Community Open-Source Research Evaluation framework,
        Epilepsia 66: detections longer than the longest plausible event are split.
    """
    stream = _Streams.of(timeline)
    alarm = decisions[stream.order] == 1
    return Alarms(
        delays_s=stream.delays(alarm),
        false_alarms=stream.false_alarms(alarm),
        healthy_s=stream.healthy(),
    )


def healthy_times(timeline: Timeline) -> Floats:
    """Returns the time in windows that touch no event, float64 `[streams]`, in s."""
    return _Streams.of(timeline).healthy()


def false_alarms_above(timeline: Timeline, scores: Floats, thresholds: Floats) -> Ints:
    """Returns the number of false alarms at each threshold, int64 `[thresholds, streams]`.

    Args:
        timeline: The windows, n.
        scores: float64 `[n]`; a window at a threshold raises an alarm.
        thresholds: float64 `[thresholds]`.
    """
    stream = _Streams.of(timeline)
    ordered = scores[stream.order]
    return np.array([stream.false_alarms(ordered >= t) for t in thresholds], np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Streams:
    """Windows in order of stream and time.

    Attributes:
        order: int64 `[n]`, their places in the timeline.
        timeline: The windows in this order.
        joined: bool `[n]`, whether each joins the one before it.
        touches: bool `[n]`, whether each touches an event.
        places: int64 `[n]`, number of the stream of each.
        longest_s: How long one alarm may last, in s.
    """

    order: Ints
    timeline: Timeline
    joined: Flags
    touches: Flags
    places: Ints
    longest_s: float

    @classmethod
    def of(cls, timeline: Timeline) -> "_Streams":
        order = np.lexsort((timeline.starts_s, timeline.streams))
        ordered = timeline.rows(order)
        streams, starts, ends = ordered.streams, ordered.starts_s, ordered.ends_s
        joined = np.zeros(order.size, bool)
        joined[1:] = (streams[1:] == streams[:-1]) & (starts[1:] <= ends[:-1] + _TOUCH_S)
        return cls(
            order=order,
            timeline=ordered,
            joined=joined,
            touches=ordered.touches,
            places=np.unique(streams, return_inverse=True)[1],
            longest_s=_usual_length(ordered),
        )

    def false_alarms(self, alarm: Flags) -> Ints:
        """False alarms of each stream, where bool `[n]` tells whether each window alarms."""
        rows = np.flatnonzero(alarm)
        continues = self.joined[rows] & np.isin(rows - 1, rows, assume_unique=True)
        starts = self.timeline.starts_s[rows]
        runs = np.cumsum(~continues) - 1
        since = starts - starts[~continues][runs] if rows.size else starts
        parts = np.floor((since + _TOUCH_S) / self.longest_s)
        begins = ~continues
        begins[1:] |= parts[1:] != parts[:-1]
        numbers = np.cumsum(begins) - 1
        is_false = np.ones(int(begins.sum()), bool)
        is_false[numbers[self.touches[rows]]] = False
        num_streams = int(self.places.max(initial=-1)) + 1
        return np.bincount(self.places[rows][begins][is_false], minlength=num_streams)

    def delays(self, alarm: Flags) -> Floats:
        """The delay of each event; NaN where it is missed."""
        found_at: dict[tuple[int, str], float] = {}
        for place in np.flatnonzero(self.touches).tolist():
            for name in self.timeline.events[place].split():
                event = (int(self.places[place]), name)
                found_at.setdefault(event, np.nan)
                if alarm[place] and np.isnan(found_at[event]):
                    found_at[event] = float(self.timeline.ends_s[place]) - event_start_s(name)
        return np.array(list(found_at.values()), np.float64)

    def healthy(self) -> Floats:
        """Time in windows without an event, of each stream in s."""
        rows = np.flatnonzero(~self.touches)
        starts, ends = self.timeline.starts_s[rows], self.timeline.ends_s[rows]
        streams = self.places[rows]
        before = np.full(rows.size, -np.inf)
        before[1:] = np.where(streams[1:] == streams[:-1], ends[:-1], -np.inf)
        lengths = np.maximum(ends - np.maximum(starts, before), 0.0)
        num_streams = int(self.places.max(initial=-1)) + 1
        return np.bincount(streams, weights=lengths, minlength=num_streams).astype(np.float64)


def _usual_length(timeline: Timeline) -> float:
    """The median time from an event's start to the end of its last window, in s."""
    ends: dict[tuple[int, str], float] = {}
    for place in np.flatnonzero(timeline.touches).tolist():
        for name in timeline.events[place].split():
            ends[int(timeline.streams[place]), name] = float(timeline.ends_s[place])
    lengths = [end - event_start_s(name) for (_, name), end in ends.items()]
    shortest = float(np.min(timeline.ends_s - timeline.starts_s, initial=np.inf))
    return max(float(np.median(lengths)), _TOUCH_S) if lengths else shortest
