"""The rows of a recording's windows, as an Arrow table."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.errors import InputError
from measuring.events.names import event_name
from pipeline.config import Label
from pipeline.reading.recordings.history import history_columns, history_names
from pipeline.reading.recordings.recording import Recording
from pipeline.reading.recordings.windows import (
    POSITIVE,
    Cutting,
    Event,
    WindowCounts,
    Windows,
    cut_windows,
    events_of_samples,
    kept_windows,
)
from pipeline.recording_options import (
    EVENT,
    RATE,
    RECORDING,
    STRETCH,
    WINDOW,
    WINDOW_END,
    WINDOW_START,
    Window,
)

Floats = NDArray[np.float64]
_MICROSECONDS = 1_000_000


def window_rows(
    recording: Recording,
    window: Window,
    *,
    label: Label | None,
    events: Sequence[Event] | None = None,
) -> tuple[pa.Table, WindowCounts]:
    """Returns one row for each window of a recording.

    Its columns are the channels as `list<float>`, `recording`, `sampling_rate_hz` where the rate is
    known, `window_start` and `window_end` (the time of the first sample and that after the last
    one), `window` (both in seconds, by which the Evaluator measures by event; not where the
    recording as a whole has the label), `stretch` (`RECORDING/1`, or `RECORDING` if streams are not
    cut), `event` (names of the events that the window touches, separated by spaces), what
    `window.history` adds, the context and the label.

    Args:
        recording: The recording, with samples.
        window: Length and hop of the windows.
        label: The label; None for predictions: then every window that has a sample is kept, and
            there is no label column.
        events: The events of a table; None if each sample or the recording has the label.

    Raises:
        InputError: The rate is needed and unknown, or the recording is too short for the stretches.
    """
    times_s = sample_times(recording)
    if label is None:
        events = ()
    elif events is None:
        flags = recording.sample_labels
        events = () if flags is None else events_of_samples(flags, times_s)
    names = [
        event_name(number, event.start_s, has_dates=recording.has_dates)
        for number, event in enumerate(events)
    ]
    windows = cut_windows(recording.num_samples, _cutting(recording, window), events)
    has_sample = ~np.all([np.isnan(samples) for samples in recording.channels.values()], axis=0)
    kept, counts = kept_windows(windows, has_sample, names)
    columns = _channels(recording, kept) | _places(recording, kept, times_s)
    if window.history is not None:
        columns |= history_columns(recording.channels, windows, kept, window.history)
    if label is not None and recording.label is None:
        columns[WINDOW] = _limits(recording, kept, times_s)
    columns[STRETCH] = _stretches(recording.name, kept, window)
    columns[EVENT] = pa.array(
        [" ".join(names[i] for i in own) for own in kept.touched], pa.string()
    )
    size = len(kept.first)
    columns |= {name: pa.array([value] * size) for name, value in recording.context.items()}
    if label is not None:
        columns[label.column] = _labels(recording, kept, label)
    return pa.table(columns), counts


def window_types(
    window: Window, channels: Sequence[str], *, has_dates: bool
) -> dict[str, pa.DataType]:
    """Returns the types of the columns that cutting adds to the channels, by name."""
    time = pa.timestamp("us", tz="UTC") if has_dates else pa.float64()
    types = {WINDOW_START: time, WINDOW_END: time}
    types |= {name: pa.string() for name in (WINDOW, STRETCH, EVENT)}
    if window.history is not None:
        types |= {name: pa.float64() for channel in channels for name in history_names(channel)}
    return types


def sample_times(recording: Recording) -> Floats:
    """Returns the time of each sample, float64 `[samples]`: s since 1970 or since the start.

    Without time stamps and rate, a sample counts as one second.
    """
    if recording.times_s is not None:
        return recording.times_s
    return np.arange(recording.num_samples) / (recording.rate_hz or 1.0)


def sample_period_s(recording: Recording) -> float:
    """Returns the time from one sample to the next, in s: by the rate, or the median of times."""
    if recording.rate_hz is not None:
        return 1 / recording.rate_hz
    times_s = sample_times(recording)
    return float(np.median(np.diff(times_s))) if times_s.size > 1 else 1.0


def _cutting(recording: Recording, window: Window) -> Cutting:
    if window.num_samples is not None:
        size = window.num_samples
        hop = max(round(size * window.hop), 1)
    elif recording.rate_hz is None and recording.times_s is None:
        raise InputError(
            f"data.recordings.window.length_s is {window.length_s:g}, but the sampling rate of "
            f"`{recording.name}` is not known. Set `time_column`, or give the length in samples: "
            "`num_samples`."
        )
    else:
        rate_hz = 1 / sample_period_s(recording)
        size, hop = Cutting.of_seconds(window.length_s or math.nan, window.hop, rate_hz)
    return Cutting(
        size=size,
        hop=hop,
        positive_share=window.positive_share,
        num_stretches=window.num_stretches,
    )


def _channels(recording: Recording, windows: Windows) -> dict[str, Any]:
    """Each channel as `list<float>`, one list for each window."""
    places = windows.first[:, None] + np.arange(windows.size)
    offsets = np.arange(len(windows.first) + 1, dtype=np.int32) * windows.size
    return {
        name: pa.ListArray.from_arrays(pa.array(offsets), pa.array(samples[places].ravel()))
        for name, samples in recording.channels.items()
    }


def _places(recording: Recording, windows: Windows, times_s: Floats) -> dict[str, Any]:
    """Name and rate of the recording, start and end of each window."""
    num_rows = len(windows.first)
    columns = {RECORDING: pa.array([recording.name] * num_rows, pa.string())}
    if recording.rate_hz is not None:
        columns[RATE] = pa.array(np.full(num_rows, recording.rate_hz))
    limits = _starts_and_ends(recording, windows, times_s)
    for name, seconds in zip((WINDOW_START, WINDOW_END), limits, strict=True):
        if recording.has_dates:
            micros = np.round(seconds * _MICROSECONDS).astype(np.int64)
            columns[name] = pa.array(micros).cast(pa.timestamp("us", tz="UTC"))
        else:
            columns[name] = pa.array(seconds)
    return columns


def _limits(recording: Recording, windows: Windows, times_s: Floats) -> pa.Array:
    """Start and end of each window in seconds, exact, as one text."""
    starts_s, ends_s = _starts_and_ends(recording, windows, times_s)
    limits = zip(starts_s.tolist(), ends_s.tolist(), strict=True)
    return pa.array([f"{start!r}/{end!r}" for start, end in limits], pa.string())


def _starts_and_ends(
    recording: Recording, windows: Windows, times_s: Floats
) -> tuple[Floats, Floats]:
    # The end of a window is exactly the start of the next one: runs of windows depend on it.
    limits_s = np.append(times_s, times_s[-1] + sample_period_s(recording))
    return limits_s[windows.first], limits_s[windows.first + windows.size]


def _stretches(name: str, windows: Windows, window: Window) -> pa.Array:
    if window.num_stretches is None:
        return pa.array([name] * len(windows.first), pa.string())
    return pa.array([f"{name}/{number + 1}" for number in windows.stretches], pa.string())


def _labels(recording: Recording, windows: Windows, label: Label) -> pa.Array:
    """The label of each window as text: the recording's own, or whether an event is in it."""
    if recording.label is not None:
        return pa.array([recording.label] * len(windows.first), pa.string())
    named = str(label.positive if label.negative is None else label.negative)
    usual = ("0", "1") if label.negative is None else ("1", "0")
    other = next(str(value) for value in (*label.values, *usual) if str(value) != named)
    is_named = (windows.labels == POSITIVE) == (label.negative is None)
    return pa.array(np.where(is_named, named, other).tolist(), pa.string())
