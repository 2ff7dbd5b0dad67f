"""Streams with labels or events, as evidence of their windows."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.counting import count
from pipeline.reading.recordings.beside.matching import FileMatcher, normal_id
from pipeline.reading.recordings.evidence.series import (
    Flags,
    Series,
    duration_words,
    label_text,
    time_values,
)

_MAX_CODES = 20  # values of a channel that may be written with the label
_NEAR_CHANGE = 5  # samples
_MARKED, _SURE = 0.9, 0.995  # shares of samples
_MIN_MARKED = 10  # samples


def series_of_labels(
    frame: pd.DataFrame, label: str, time: str | None, positive: str | None
) -> Series:
    """Returns the samples of a stream with a label for each."""
    return Series(
        times_s=time_values(frame[time]) if time else None,
        positive=np.asarray(frame[label].map(label_text) == positive),
        num_samples=len(frame),
    )


def rows_of_files(events: pd.DataFrame, files: Sequence[str]) -> list[Flags]:
    """Returns for each file which events are its own, bool [events]."""
    if "recording" not in events.columns:
        return [np.ones(len(events), bool) for _ in files]
    ids = events["recording"].astype(str).map(normal_id)
    base = os.path.commonpath([Path(file).parent for file in files])
    names = [Path(file).relative_to(base).as_posix() for file in files]
    matcher = FileMatcher(list(ids.unique()), names, base=base)
    return [np.asarray(ids.isin(matcher.match(name))) for name in names]


def series_of_events(frame: pd.DataFrame, time: str, events: pd.DataFrame) -> Series:
    """Returns the samples of a stream with a table of its events."""
    seconds = time_values(frame[time])
    inside = np.zeros(len(frame), bool)
    if seconds is not None and len(events):
        # Numbers are in the unit of the samples' times.
        starts, ends = (time_values(events[name].rename(time)) for name in ("start", "end"))
        if starts is not None and ends is not None:
            for start, end in zip(starts, ends, strict=True):
                inside |= (seconds >= start) & (seconds <= end)
    return Series(times_s=seconds, positive=inside, num_samples=len(frame))


def stream_note(streams: Sequence[Series], channels: Sequence[str]) -> str:
    """Returns what streams are: their number, channels, steps and samples."""
    total = sum(stream.num_samples for stream in streams)
    steps = sorted({step for stream in streams if (step := stream.step_s)})
    apart = ""
    if steps:
        apart = f", {duration_words(steps[0])}"
        if steps[-1] > 1.01 * steps[0]:
            apart += f" to {duration_words(steps[-1])}"
        apart += " apart"
    named = ", ".join(f"`{name}`" for name in channels[:5])
    more = ", …" if len(channels) > 5 else ""
    return (
        f"{count(len(streams), 'recording')} of {count(len(channels), 'channel')} "
        f"({named}{more}){apart}, {total:,} samples"
    )


def label_marks(
    frames: Sequence[pd.DataFrame], streams: Sequence[Series], channels: Sequence[str]
) -> tuple[str, ...]:
    """Returns the channels that were written with the label: they repeat it, or mark its changes.

    Args:
        frames: The samples of each stream.
        streams: The same, with the label of each sample.
        channels: Columns of numbers.
    """
    flags = [s.positive for s in streams if s.positive is not None]
    if len(flags) < len(frames):
        return ()
    positive = np.concatenate(flags)
    near = np.concatenate([_near_changes(one) for one in flags])
    marks = []
    for name in channels:
        columns = [frame[name] for frame in frames if name in frame.columns]
        if len(columns) < len(frames):
            continue
        codes, values = pd.factorize(pd.concat(columns))
        if 2 <= len(values) <= _MAX_CODES and _is_written_with(codes, positive, near):
            marks.append(name)
    return tuple(marks)


def _near_changes(positive: Flags) -> Flags:
    near = np.zeros(len(positive), bool)
    for place in np.flatnonzero(np.diff(positive.astype(np.int8))):
        near[max(0, place - _NEAR_CHANGE) : place + 2 + _NEAR_CHANGE] = True
    return near


def _is_written_with(codes: NDArray[np.int64], positive: Flags, near: Flags) -> bool:
    """Tells whether all codes but the commonest mark positive samples, or changes of the label."""
    is_usual = codes == int(np.bincount(codes[codes >= 0]).argmax())
    is_marked = ~is_usual & (codes >= 0)
    if is_marked.sum() < _MIN_MARKED:
        return False
    repeats = min(is_marked[positive].mean(), is_usual[~positive].mean()) >= _SURE
    # A reading that changes with the fault keeps its new value; a mark does not.
    marks_changes = near.mean() < 1 - _MARKED and near[is_marked].mean() >= _MARKED
    return bool(repeats or marks_changes)
