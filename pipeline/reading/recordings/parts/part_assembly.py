"""Assembly of one part: its recordings become rows of a Parquet file, and facts."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np

from pipeline.reading.recordings.parts.job import Item, Job, Part
from pipeline.reading.recordings.parts.sample_reader import SampleReader
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.reading.recordings.window_rows import sample_period_s, sample_times, window_rows
from pipeline.reading.recordings.windows import Event, WindowCounts, events_of_intervals
from pipeline.reading.recordings.writing import TableWriter


class Content(NamedTuple):
    """What a recording holds, to find copies.

    Attributes:
        digest: Digest of its samples, or of its file.
        name: The recording.
        label: Its label.
    """

    digest: bytes
    name: str
    label: str | None


@dataclass(kw_only=True)
class Facts:
    """What is counted while recordings are written.

    Attributes:
        num_rows: Rows written.
        bad: Recordings that cannot be used.
        names: Names of the recordings that were written.
        lacking: Recordings that lack a channel, by channel.
        changes: What was changed in recordings, by kind.
        windows: What became of windows and events.
        num_short: Recordings that are shorter than a window.
        rates_hz: The lowest and the highest sampling rate.
        contents: What each written recording holds, in order; empty for predictions.
    """

    num_rows: int = 0
    bad: list[BadRecording] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    lacking: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    windows: WindowCounts = field(default_factory=WindowCounts)
    num_short: int = 0
    rates_hz: tuple[float, float] = (math.inf, 0.0)
    contents: list[Content] = field(default_factory=list)

    def add(self, other: "Facts") -> None:
        """Adds those of the next part."""
        self.num_rows += other.num_rows
        self.bad += other.bad
        self.names |= other.names
        self.lacking += other.lacking
        self.changes += other.changes
        self.windows += other.windows
        self.num_short += other.num_short
        self.contents += other.contents
        self._add_rates(*other.rates_hz)

    def add_recording(self, recording: Recording) -> None:
        """Counts a recording that is written."""
        self.names.add(recording.name)
        self.changes += recording.counts
        if recording.rate_hz is not None:
            self._add_rates(recording.rate_hz, recording.rate_hz)

    def _add_rates(self, low: float, high: float) -> None:
        self.rates_hz = (min(self.rates_hz[0], low), max(self.rates_hz[1], high))


def assemble_part(job: Job, folder: Path, part: Part) -> Facts:
    """Writes the recordings of a part; a part without a usable one has no file.

    The result depends on the arguments only, so that it is the same in every process.

    Args:
        job: What all parts have in common.
        folder: The folder of the assembly, which all workers share: the ranges of a long table
            are in it, and the part's file is written to it.
        part: The recordings.

    Raises:
        InputError: The options do not fit a recording.
    """
    return _PartAssembly(job, folder, part).write()


class _PartAssembly:
    def __init__(self, job: Job, folder: Path, part: Part) -> None:
        self._job, self._folder, self._part = job, folder, part
        self._label_column = job.label.column if job.label else None
        self._facts = Facts()

    def write(self) -> Facts:
        facts, schema = self._facts, self._job.schema
        file = self._folder / self._part.file_name
        # A worker that is lost may still write while another one repeats its work.
        incoming = file.with_name(f".{file.name}-{uuid4().hex}")
        writer: TableWriter | None = None
        with ExitStack() as stack:
            read = SampleReader(self._job, self._folder).read_items(self._part)
            for item, recording in read:
                if isinstance(recording, BadRecording):
                    facts.bad.append(recording)
                elif recording.has_dates != self._job.has_dates or schema is None:
                    facts.bad.append(_other_clock(recording))
                else:
                    writer = writer or stack.enter_context(TableWriter(incoming, schema))
                    self._write_one(writer, item, recording)
        if writer is not None:
            facts.num_rows = writer.num_rows
            incoming.replace(file)
        return facts

    def _write_one(self, writer: TableWriter, item: Item, recording: Recording) -> None:
        facts, job = self._facts, self._job
        facts.add_recording(recording)
        if job.label is not None:
            facts.contents.append(Content(_digest(recording), recording.name, recording.label))
        if job.options.media == "table":
            recording = self._with_all_channels(recording)
        if job.options.window is None:
            writer.add_recording(recording, self._label_column)
            return
        # The windows of a recording without a label have none either.
        is_labelled = job.options.form == "stream" or recording.label is not None
        rows, counts = window_rows(
            recording,
            job.options.window,
            label=job.label if is_labelled else None,
            events=_events(item, recording) if job.has_events else None,
        )
        facts.windows += counts
        facts.num_short += counts.cut == 0
        writer.add_windows(rows)

    def _with_all_channels(self, recording: Recording) -> Recording:
        """Returns the recording with its channels in order; one that it lacks has no value."""
        names: Sequence[str] = self._job.roles.channels
        self._facts.lacking.update(name for name in names if name not in recording.channels)
        nothing = np.full(recording.num_samples, np.nan, np.float32)
        return replace(recording, channels={n: recording.channels.get(n, nothing) for n in names})


def _other_clock(recording: Recording) -> BadRecording:
    reason = "its times are dates, and those of others are not, or the other way round"
    return BadRecording(name=recording.name, path=recording.path, reason=reason)


def _events(item: Item, recording: Recording) -> tuple[Event, ...]:
    return events_of_intervals(
        item.events,
        sample_times(recording),
        recording=recording.name,
        period_s=sample_period_s(recording),
    )


def _digest(recording: Recording) -> bytes:
    digest = hashlib.blake2b(recording.content or b"", digest_size=16)
    for name, samples in recording.channels.items():
        digest.update(f"{name}\0{samples.size}\0".encode())
        digest.update(np.ascontiguousarray(samples).data)
    return digest.digest()
