"""An assembly of recordings: what its parts are, and what they make together."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from common.errors import InputError
from pipeline.counting import count
from pipeline.reading.recordings.beside.events import Interval, read_events
from pipeline.reading.recordings.beside.matching import FileMatcher
from pipeline.reading.recordings.parts.job import Item, Job, Part
from pipeline.reading.recordings.parts.long_table import read_long_table
from pipeline.reading.recordings.parts.part_assembly import Content, Facts, assemble_part
from pipeline.reading.recordings.parts.sample_reader import SampleReader
from pipeline.reading.recordings.parts.spreading import Spread
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.reading.recordings.survey import Request, Survey
from pipeline.reading.recordings.window_rows import window_types
from pipeline.reading.recordings.windows import check_event_recordings
from pipeline.reading.recordings.writing import table_schema

# All Parquet files of the table, and the only one of a table of one part.
PATTERN, FILE_NAME = "recordings*.parquet", "recordings.parquet"
PART_BYTES = 64 << 20  # of raw files, or of the values of a long table
_MAX_PART_FILES = 16_384
_MAX_PARTS = 1_000
_MAX_LACKING = 0.5  # share of the recordings that may lack a channel
_REPORT_EVERY_S = 1.0
_progress = logging.getLogger("faultline.progress")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an assembly made.

    Attributes:
        num_recordings: Recordings in the table.
        num_rows: Its rows.
        bad: Recordings that were left out.
        notes: What was decided and counted, in words.
        num_unnamed: Recordings that the table of labels does not name.
    """

    num_recordings: int
    num_rows: int
    bad: tuple[BadRecording, ...]
    notes: tuple[str, ...]
    num_unnamed: int


class Assembly:
    """One assembly of recordings.

    The parts follow from the sizes of the files only, so that every engine and any number of
    workers writes the same files.

    Args:
        request: What is read.
        spread: Who works on the parts.
        part_bytes: Size of a part.
    """

    def __init__(self, request: Request, spread: Spread, part_bytes: int = PART_BYTES) -> None:
        self._request, self._spread, self._part_bytes = request, spread, part_bytes
        self._survey = Survey(request)
        self._facts = Facts()

    def write(self, folder: Path) -> Outcome:
        """Writes the table.

        Args:
            folder: An empty folder; workers of an engine share it.

        Raises:
            InputError: The options do not fit the files.
        """
        survey, facts = self._survey, self._facts
        events = self._read_events()
        job = replace(survey.job(), has_events=events is not None)
        if self._request.is_grouped:
            job, parts = self._parts_of_long(job, folder, events or {})
        else:
            job, parts = self._parts_of_files(job, events or {})
        self._assemble(job, folder, parts)
        facts.bad += survey.unused()
        if events is not None:
            check_event_recordings(events, {bad.name for bad in facts.bad} | facts.names)
        self._check_channels()
        return Outcome(
            num_recordings=len(facts.names),
            num_rows=facts.num_rows,
            bad=tuple(facts.bad),
            notes=tuple(self._notes()),
            num_unnamed=len(facts.names & survey.unnamed),
        )

    def _parts_of_files(
        self, job: Job, events: Mapping[str, Sequence[Interval]]
    ) -> tuple[Job, list[Part]]:
        items = _with_events(self._survey.items(), events)
        sizes = [Path(item.path).stat().st_size for item in items]
        job = self._with_schema(job, has_dates=_has_dates(job, items))
        groups = _divided(items, sizes, self._part_bytes)
        names = _file_names(len(groups))
        return job, [Part(items=g, file_name=n) for g, n in zip(groups, names, strict=True)]

    def _parts_of_long(
        self, job: Job, folder: Path, events: Mapping[str, Sequence[Interval]]
    ) -> tuple[Job, list[Part]]:
        request = self._request
        table = read_long_table(job, request.files, folder, self._spread.pieces)
        path = request.files[0] if len(request.files) == 1 else request.base
        self._facts.bad += table.bad_recordings(path, request.options.id_column or "")
        if not table.counts:
            return job, []
        job = self._with_schema(job, has_dates=table.has_dates)
        items = [self._survey.item_of_id(id_, path) for id_ in table.counts]
        sizes = [rows * _row_bytes(job) for rows in table.counts.values()]
        groups = _divided(_with_events(items, events), sizes, self._part_bytes)
        slices = table.slices([len(group) for group in groups])
        parts = zip(groups, _file_names(len(groups)), slices, strict=True)
        return job, [Part(items=g, file_name=n, slices=own) for g, n, own in parts]

    def _with_schema(self, job: Job, *, has_dates: bool | None) -> Job:
        """Returns the job with the columns of the table, unless no recording can be used."""
        if has_dates is None:
            return job
        options, survey = job.options, self._survey
        window, channels = options.window, job.roles.channels
        schema = table_schema(
            channels=channels,
            bytes_column=options.bytes_column,
            context=survey.context_types,
            has_rate=survey.has_rate,
            added=window_types(window, channels, has_dates=has_dates) if window else {},
            label_column=job.label.column if job.label else None,
        )
        return replace(job, has_dates=has_dates, schema=schema)

    def _assemble(self, job: Job, folder: Path, parts: Sequence[Part]) -> None:
        facts, last = self._facts, time.monotonic()
        for part in self._spread.parts(partial(assemble_part, job, folder), parts):
            facts.add(part)
            if time.monotonic() - last > _REPORT_EVERY_S:
                last = time.monotonic()
                done = count(len(facts.names), "recording")
                _progress.info("%s assembled to %s", done, count(facts.num_rows, "row"))

    def _read_events(self) -> dict[str, list[Interval]] | None:
        """Returns the events of each recording that a table names; None without a table."""
        request, options, names = self._request, self._request.options, self._survey.names
        if options.events is None or options.time_column is None or request.label is None:
            return None
        table = read_events(
            request.folder / options.events,
            request.data,
            recordings=tuple(names.values()),
            time_column=options.time_column,
            offsets=self._survey.offsets,
        )
        if request.is_grouped:
            return table
        files = {Path(file).relative_to(request.base).as_posix(): file for file in request.files}
        matcher = FileMatcher(list(table), list(files), base=request.base)
        ids = {names[file]: matcher.match(path) for path, file in files.items()}
        matched = {name: [one for id_ in own for one in table[id_]] for name, own in ids.items()}
        used = {id_ for own in ids.values() for id_ in own}
        return matched | {id_: own for id_, own in table.items() if id_ not in used}

    def _check_channels(self) -> None:
        num = len(self._facts.names)
        for name, lacking in self._facts.lacking.items():
            if lacking >= _MAX_LACKING * num:
                raise InputError(
                    f"The channel `{name}` is absent in {lacking:,} of {num:,} recordings. Name "
                    "the channels that most of them have in data.recordings.channels."
                )

    def _notes(self) -> Iterator[str]:
        facts = self._facts
        num = len(facts.names)
        yield from self._survey.notes()
        for name, lacking in sorted(facts.lacking.items()):
            yield f"channel `{name}` is absent in {lacking:,} of {num:,} recordings"
        for kind, number in sorted(facts.changes.items()):
            noun, _, fate = kind.partition(" ")
            yield f"{count(number, noun)} {fate}"
        low, high = facts.rates_hz
        is_table = self._request.options.media == "table"
        if is_table and self._request.nominal_hz is None and high > (1 + RATE_TOLERANCE) * low:
            yield (
                f"recordings of {low:g} to {high:g} Hz are not resampled, so as many samples are "
                "another duration; resampling needs sampling_rate_hz of the signals without "
                "rate_column, and windows of a length_s"
            )
        yield from _copies(facts.contents)
        yield from facts.windows.notes()
        if facts.num_short:
            yield f"{facts.num_short:,} of {num:,} recordings are shorter than a window"
        if facts.bad:
            yield f"{count(len(facts.bad), 'recording')} left out: {facts.bad[0]}"


def _copies(contents: Sequence[Content]) -> Iterator[str]:
    """Says how many recordings are copies, which a split may put on both sides."""
    firsts: dict[bytes, Content] = {}
    copies = []
    for content in contents:
        first = firsts.setdefault(content.digest, content)
        if first is not content:
            copies.append((content, first))
    if copies:
        copy, first = copies[0]
        others = sum(copy.label != first.label for copy, first in copies)
        labels = f", {others:,} of them with another label" if others else ""
        yield (
            f"{count(len(copies), 'recording')} with the same content as an earlier one{labels}: "
            f"`{copy.name}` is a copy of `{first.name}`; remove copies, which may be in train and "
            "in test"
        )


def _with_events(items: Sequence[Item], events: Mapping[str, Sequence[Interval]]) -> list[Item]:
    if not events:
        return list(items)
    return [replace(item, events=tuple(events.get(item.name, ()))) for item in items]


def _has_dates(job: Job, items: Sequence[Item]) -> bool | None:
    """Tells whether the times of the first usable file are dates; None if no file is usable.

    The other files must have times of the same kind.
    """
    if job.roles.time is None:
        return False
    reader = SampleReader(job, Path())
    for item in items:
        recording = reader.read_file(item)
        if isinstance(recording, Recording):
            return recording.has_dates
    return None


def _divided(
    items: Sequence[Item], sizes: Sequence[int], part_bytes: int
) -> list[tuple[Item, ...]]:
    """Divides recordings into runs of about equal size, the larger the more data there are."""
    limit = max(part_bytes, sum(sizes) // _MAX_PARTS)
    groups: list[tuple[Item, ...]] = []
    own: list[Item] = []
    size = 0
    for item, num_bytes in zip(items, sizes, strict=True):
        own.append(item)
        size += num_bytes
        if size >= limit or len(own) >= _MAX_PART_FILES:
            groups.append(tuple(own))
            own, size = [], 0
    return [*groups, tuple(own)] if own else groups


def _file_names(num_parts: int) -> list[str]:
    if num_parts == 1:
        return [FILE_NAME]
    return [f"recordings-{number:06d}.parquet" for number in range(num_parts)]


def _row_bytes(job: Job) -> int:
    """Returns the memory of a row of a long table."""
    has_time = job.roles.time is not None
    return 4 * (len(job.roles.channels) + len(job.roles.texts)) + 8 * has_time
