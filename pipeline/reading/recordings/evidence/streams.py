"""Streams with labels or events, as evidence of their windows."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.counting import count
from pipeline.reading.recordings.beside.matching import FileMatcher, normal_id
from pipeline.reading.recordings.evidence.series import (
    Flags,
    Series,
    duration_words,
    label_text,
    time_values,
)


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
