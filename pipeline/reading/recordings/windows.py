"""Windows of a recording, the events that they touch, and stretches of a stream.

Positions are sample numbers, so that every length is exact; only an event's name has its time.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from pipeline.reading.times import FIRST_S, LAST_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

POSITIVE, NEGATIVE, UNDECIDED = 1, 0, -1


@dataclass(frozen=True, kw_only=True, order=True)
class Event:
    """A fault in a stream.

    Attributes:
        first: Its first sample.
        stop: The sample after its last one, > `first`.
        start_s: When it starts: seconds on the clock of the recording.
        kind: What kind of fault it is; empty if that is unknown.
    """

    first: int
    stop: int
    start_s: float
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How a recording is cut into windows.

    Attributes:
        size: Samples of a window, >= 1.
        hop: Samples from one window's start to the next one's, in [1, size].
        positive_share: Share of a window, or of an event shorter than it, in (0, 1], from which on
            the window is positive.
        num_stretches: Parts of a recording that are never in one window together; None: one part.
    """

    size: int
    hop: int
    positive_share: float = 0.5
    num_stretches: int | None = None

    @classmethod
    def of_seconds(cls, length_s: float, hop_share: float, rate_hz: float) -> tuple[int, int]:
        """Returns size and hop in samples for a length in seconds.

        >>> Cutting.of_seconds(2.0, 0.5, 10.0)
        (20, 10)
        """
        size = max(round(length_s * rate_hz), 1)
        return size, max(round(size * hop_share), 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """The windows of one recording, in order.

    Attributes:
        first: int64 `[windows]`, the first sample of each.
        size: Samples of each.
        labels: int8 `[windows]`: `POSITIVE`, `NEGATIVE` or `UNDECIDED`.
        stretches: int64 `[windows]`, number of the stretch of each, from 0.
        touched: Numbers of the events that each window touches.
    """

    first: Ints
    size: int
    labels: NDArray[np.int8]
    stretches: Ints
    touched: tuple[tuple[int, ...], ...]

    def rows(self, chosen: Ints) -> "Windows":
        """Returns some of the windows."""
        return Windows(
            first=self.first[chosen],
            size=self.size,
            labels=self.labels[chosen],
            stretches=self.stretches[chosen],
            touched=tuple(self.touched[place] for place in chosen),
        )


@dataclass(frozen=True, kw_only=True)
class WindowCounts:
    """What became of the windows and events of recordings.

    Attributes:
        cut: Windows that were cut; the sum of the next four.
        positive: Windows that are kept as positive.
        negative: Windows that are kept as negative.
        undecided: Windows left out because they touch an event, but too little of it.
        empty: Windows left out because they have no sample.
        num_events: Events of the recordings.
        lost_events: Names of the events that no kept window touches.
    """

    cut: int = 0
    positive: int = 0
    negative: int = 0
    undecided: int = 0
    empty: int = 0
    num_events: int = 0
    lost_events: tuple[str, ...] = field(default=())

    def __add__(self, other: "WindowCounts") -> "WindowCounts":
        """Returns the counts of both."""
        return WindowCounts(
            cut=self.cut + other.cut,
            positive=self.positive + other.positive,
            negative=self.negative + other.negative,
            undecided=self.undecided + other.undecided,
            empty=self.empty + other.empty,
            num_events=self.num_events + other.num_events,
            lost_events=self.lost_events + other.lost_events,
        )

    def notes(self) -> list[str]:
        """Returns what a person should know, in words."""
        notes = []
        if self.undecided:
            notes.append(
                f"{self.undecided:,} of {self.cut:,} windows touch an event but hold too little of "
                "it to be positive; they are left out"
            )
        if self.empty:
            notes.append(
                f"{self.empty:,} of {self.cut:,} windows have no sample; they are left out"
            )
        if self.lost_events:
            named = ", ".join(self.lost_events[:3])
            more = ", …" if len(self.lost_events) > 3 else ""
            notes.append(
                f"{len(self.lost_events):,} of {self.num_events:,} events are in no window: "
                f"{named}{more}"
            )
        return notes


def events_of_samples(flags: Flags, times_s: Floats) -> tuple[Event, ...]:
    """Returns the runs of positive samples as events.

    >>> events_of_samples(np.array([0, 1, 1, 0, 1], bool), np.arange(5) / 10)
    (Event(first=1, stop=3, start_s=0.1, kind=''), Event(first=4, stop=5, start_s=0.4, kind=''))

    Args:
        flags: bool `[samples]`, whether a sample is inside an event.
        times_s: float64 `[samples]`, seconds.
    """
    steps = np.diff(flags.astype(np.int8), prepend=0, append=0)
    firsts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return tuple(
        Event(first=int(first), stop=int(stop), start_s=float(times_s[first]))
        for first, stop in zip(firsts, stops, strict=True)
    )


def events_of_intervals(
    intervals: Iterable[tuple[float, float, str]],
    times_s: Floats,
    *,
    recording: str,
    period_s: float,
) -> tuple[Event, ...]:
    """Returns the events of a table's rows for one recording, by their start.

    An event between two samples has the sample that follows. What is before the first sample or
    after the last one is cut off.

    Args:
        intervals: Start and end in seconds, end included, and kind of each event.
        times_s: float64 `[samples]`, ascending, on the same clock.
        recording: Name of the recording, for messages.
        period_s: Time from one sample to the next: how long the last one lasts.

    Raises:
        InputError: An event ends before it starts, is wholly outside the recording, or is listed
            twice.
    """
    begin, end_of_all = float(times_s[0]), float(times_s[-1]) + period_s
    events = []
    for (start, end, kind), num_rows in Counter(intervals).items():
        event = f"data.recordings.events: an event of `{recording}`"
        if not end >= start:
            raise InputError(
                f"{event} ends at {_shown(end)}, before its start at {_shown(start)}. Exchange the "
                "two columns, or correct the row."
            )
        if end < begin or start >= end_of_all:
            raise InputError(
                f"{event} from {_shown(start)} to {_shown(end)} is outside the recording, which is "
                f"from {_shown(begin)} to {_shown(end_of_all)}. Correct the times (the same clock "
                "and time zone as the recording's), or remove the row."
            )
        if num_rows > 1:  # it would count as several in the recall of events
            raise InputError(
                f"{event} from {_shown(start)} to {_shown(end)} is in {num_rows} equal rows. Leave "
                "one of them."
            )
        first = min(int(np.searchsorted(times_s, start, "left")), times_s.size - 1)
        stop = max(int(np.searchsorted(times_s, end, "right")), first + 1)
        events.append(Event(first=first, stop=stop, start_s=max(start, begin), kind=kind))
    return tuple(sorted(events))


def _shown(seconds: float) -> str:
    """Writes a time in UTC if it is one since 1970, else in seconds since the start."""
    if not FIRST_S <= seconds <= LAST_S:
        return f"{seconds:g} s"
    return str(np.datetime64(round(seconds * 1_000), "ms")).removesuffix(".000") + "Z"


def check_event_recordings(named: Iterable[str], recordings: Iterable[str]) -> None:
    """Checks that every event is of a recording that exists.

    Args:
        named: Recordings that the table of events names.
        recordings: All recordings.

    Raises:
        InputError: Names the first unknown ones.
    """
    existing = set(recordings)
    unknown = sorted(set(named) - existing)
    if unknown:
        shown = ", ".join(f"`{name}`" for name in unknown[:3])
        raise InputError(
            f"data.recordings.events names {shown}{', …' if len(unknown) > 3 else ''}, but there "
            f"is no such recording among {len(existing):,}, such as `{min(existing, default='')}`. "
            "Correct the names, or remove the rows."
        )


def cut_stretches(
    num_samples: int, events: Sequence[Event], *, num_stretches: int, size: int
) -> list[tuple[int, int]]:
    """Returns stretches of about equal length, with a gap of one window between neighbours.

    A border moves to the nearest place where its gap touches no event, at most by half a stretch.
    If there is none, there is no border, and so one stretch fewer.

    Args:
        num_samples: Samples of the recording.
        events: Its events.
        num_stretches: Stretches wanted, >= 1.
        size: Samples of a window, and of the gap.

    Returns:
        First sample of each stretch and the sample after its last one.

    Raises:
        InputError: The recording is too short for so many.
    """
    if num_stretches == 1:
        return [(0, num_samples)]
    if num_samples < 2 * size * num_stretches:
        raise InputError(
            f"data.recordings.window.num_stretches is {num_stretches}, but a recording of "
            f"{num_samples:,} samples has room for {max(num_samples // (2 * size), 1)}: each needs "
            f"a window of {size:,} samples and a gap of the same length. Lower it, or shorten the "
            "window."
        )
    covered = np.concatenate([[0], np.cumsum(_inside_events(num_samples, events))])
    is_free = covered[size:] == covered[:-size]
    reach = num_samples // (2 * num_stretches)
    begins, ends = [0], []
    for number in range(1, num_stretches):
        wanted = num_samples * number // num_stretches - size // 2
        low, high = max(wanted - reach + size, 0), wanted + reach - size
        places = low + np.flatnonzero(is_free[low : high + 1])
        if places.size:
            gap = int(places[np.argmin(np.abs(places - wanted))])
            ends.append(gap)
            begins.append(gap + size)
    return list(zip(begins, [*ends, num_samples], strict=True))


def cut_windows(num_samples: int, cutting: Cutting, events: Sequence[Event]) -> Windows:
    """Returns the windows of a recording.

    A window is positive if events cover at least `positive_share` of it, or if at least this share
    of an event shorter than the window is inside it. One that touches an event and is not positive
    is undecided. Samples after a stretch's last whole window are in no window.

    Args:
        num_samples: Samples of the recording.
        cutting: Size, hop and stretches.
        events: Its events, by their start.

    Raises:
        InputError: The recording is too short for the number of stretches.
    """
    size = cutting.size
    stretches = cut_stretches(
        num_samples, events, num_stretches=cutting.num_stretches or 1, size=size
    )
    firsts = [
        np.arange(begin, end - size + 1, cutting.hop, dtype=np.int64) for begin, end in stretches
    ]
    first = np.concatenate(firsts)
    labels, touched = _label(first, num_samples, cutting, events)
    numbers = np.repeat(np.arange(len(stretches)), [len(part) for part in firsts])
    return Windows(first=first, size=size, labels=labels, stretches=numbers, touched=touched)


def kept_windows(
    windows: Windows, has_sample: Flags, event_names: Sequence[str]
) -> tuple[Windows, WindowCounts]:
    """Returns the windows that become rows, and the counts of all.

    Args:
        windows: The windows of one recording.
        has_sample: bool `[samples]`, whether any channel has a value.
        event_names: The names of its events, for those that are lost.
    """
    filled = np.concatenate([[0], np.cumsum(has_sample)])
    is_empty = filled[windows.first + windows.size] == filled[windows.first]
    is_undecided = ~is_empty & (windows.labels == UNDECIDED)
    kept = windows.rows(np.flatnonzero(~is_empty & ~is_undecided))
    touched = {number for numbers in kept.touched for number in numbers}
    positive = int((kept.labels == POSITIVE).sum())
    return kept, WindowCounts(
        cut=len(windows.first),
        positive=positive,
        negative=len(kept.first) - positive,
        undecided=int(is_undecided.sum()),
        empty=int(is_empty.sum()),
        num_events=len(event_names),
        lost_events=tuple(name for i, name in enumerate(event_names) if i not in touched),
    )


def _inside_events(num_samples: int, events: Sequence[Event]) -> Flags:
    inside = np.zeros(num_samples, bool)
    for event in events:
        inside[event.first : event.stop] = True
    return inside


def _label(
    first: Ints, num_samples: int, cutting: Cutting, events: Sequence[Event]
) -> tuple[NDArray[np.int8], tuple[tuple[int, ...], ...]]:
    """The label of each window, and the numbers of the events that it touches."""
    stop = first + cutting.size
    covered = np.concatenate([[0], np.cumsum(_inside_events(num_samples, events))])
    is_positive = covered[stop] - covered[first] >= cutting.positive_share * cutting.size
    touched: list[list[int]] = [[] for _ in first]
    for number, event in enumerate(events):
        overlap = np.minimum(stop, event.stop) - np.maximum(first, event.first)
        length = event.stop - event.first
        if length < cutting.size:
            is_positive |= overlap >= cutting.positive_share * length
        for place in np.flatnonzero(overlap > 0):
            touched[place].append(number)
    touches = np.array([bool(numbers) for numbers in touched], bool)
    labels = np.where(is_positive & touches, POSITIVE, np.where(touches, UNDECIDED, NEGATIVE))
    return labels.astype(np.int8), tuple(map(tuple, touched))
