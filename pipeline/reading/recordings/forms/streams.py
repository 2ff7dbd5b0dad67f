"""Streams: long recordings with a label for each sample, or with a table of events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.evidence import series
from pipeline.reading.recordings.evidence.listing import read_frame
from pipeline.reading.recordings.evidence.streams import (
    label_marks,
    rows_of_files,
    series_of_events,
    series_of_labels,
    stream_note,
)
from pipeline.reading.recordings.forms.request import (
    DEFAULT_LABEL,
    Discovery,
    Request,
    order_options,
)
from pipeline.reading.recordings.forms.window_choice import choose_window
from pipeline.reading.recordings.raw.groups import is_rate_name
from pipeline.recording_options import Recordings

SAMPLES_AS_SECONDS = (
    "one sample counts as 1 s in delays and false alarms an hour; for real ones, write a column of "
    "times in s, or the rate in Hz as the column `fs`"
)


class StreamForms(Request):
    """Discovers streams and their windows."""

    def of_streams(
        self,
        files: Sequence[str],
        frames: Sequence[pd.DataFrame],
        label: str,
        time: str | None,
        notes: list[str],
    ) -> Discovery:
        """Discovers streams with a label for each sample."""
        classes = sum(
            (Counter(frame[label].dropna().map(series.label_text)) for frame in frames), Counter()
        )
        positive = self.positive or series.rarest(classes)
        channels = series.channels_of(frames[0], (label, time))
        order = order_options(frames[0], time, notes)
        clock = order.get("time_column")
        if "index_column" in order and not any(map(is_rate_name, frames[0].columns)):
            notes.append(SAMPLES_AS_SECONDS)
        streams = [series_of_labels(frame, label, clock, positive) for frame in frames]
        choice = choose_window(streams)
        num_events = sum(len(stream.events) for stream in streams)
        notes = [
            stream_note(streams, channels),
            f"a label for each sample, with {count(num_events, 'event')}",
            *choice.reasons,
            *notes[1:],
        ]
        if len(classes) > 2:
            others = ", ".join(f"`{name}`" for name in sorted(classes) if name != positive)
            notes.append(f"samples whose `{label}` is {others} count as healthy")
        recordings = Recordings(form="stream", window=choice.window, **order)
        discovery = self.found(files, recordings, label, classes, notes)
        marks = label_marks(frames, streams, channels)
        return replace(discovery, rate_hz=choice.rate_hz, marks=marks)

    def of_events(self, events: str) -> Discovery:
        """Discovers streams with a table of events."""
        files = [path for path in self.listing.tables if not same_file(path, events)]
        if not files:
            raise InputError(
                f"{events} is a table of events, and there is no table of samples beside it. Give "
                "the files of the recordings, and this table by --labels."
            )
        frames = [read_frame(file) for file in files]
        time = series.time_column(frames[0])
        if time is None:
            raise InputError(
                f"{events} lists events by time, but {files[0]} has no column of times. Name the "
                "column `time` or `timestamp`."
            )
        intervals = read_frame(events)
        own = rows_of_files(intervals, files)
        streams = [
            series_of_events(frame, time, intervals[rows])
            for frame, rows in zip(frames, own, strict=True)
        ]
        choice = choose_window(streams)
        recordings = Recordings(
            form="stream", time_column=time, events=events, window=choice.window
        )
        notes = [
            stream_note(streams, series.channels_of(frames[0], (time,))),
            f"{count(len(intervals), 'event')} in {events}",
            *choice.reasons,
        ]
        if series.numbers_rows(frames[0][time]):
            notes.append(f"the events are given by `{time}`, which numbers the samples: it is read "
                         f"as the time. {SAMPLES_AS_SECONDS}")  # fmt: skip
        label = self.label or DEFAULT_LABEL
        discovery = self.found(files, recordings, label, {}, notes)
        return replace(discovery, positive="1", rate_hz=choice.rate_hz)


def same_file(path: str, other: str | None) -> bool:
    """Tells whether two paths, of which the second may be missing, are of one file."""
    return other is not None and Path(path).absolute() == Path(other).absolute()


def has_events(path: str) -> bool:
    """Tells whether a table lists events by their start and end."""
    return {"start", "end"} <= set(read_frame(path).columns)
