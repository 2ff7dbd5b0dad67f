"""Assembly of raw recordings to Parquet with one row for each recording or window."""

import hashlib
import json
import logging
import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from filelock import FileLock
from pydantic import TypeAdapter

from common.digests import FilesDigest, code_digest, digest_local_files
from common.errors import InputError
from common.output_folder import is_held
from pipeline.config import Data, Label
from pipeline.counting import count
from pipeline.reading.recordings.beside import FileMatcher, Interval, read_events
from pipeline.reading.recordings.raw.clock import RATE_TOLERANCE
from pipeline.reading.recordings.raw.listing import list_raw_files, recording_names
from pipeline.reading.recordings.reading import RecordingReader, Request
from pipeline.reading.recordings.recording import BadRecording, Recording
from pipeline.reading.recordings.window_rows import (
    sample_period_s,
    sample_times,
    window_rows,
    window_types,
)
from pipeline.reading.recordings.windows import (
    Event,
    WindowCounts,
    check_event_recordings,
    events_of_intervals,
)
from pipeline.reading.recordings.writing import FILE_NAME, TableWriter, table_schema
from pipeline.recording_options import Recordings

_PROJECT = Path(__file__).resolve().parents[3]
# The code that decides the content of the assembled table.
CODE = (
    _PROJECT / "pipeline/reading",
    _PROJECT / "pipeline/column_format.py",
    _PROJECT / "pipeline/recording_options.py",
    _PROJECT / "measuring/events/names.py",
)
RECORD = "_recordings.json"
KEPT_DIGESTS = "digests.json"
_LOCK = ".lock"
_NUM_KEPT = 3  # assembled tables of a use case
_NUM_SHOWN = 5
_MAX_LACKING = 0.5  # share of the recordings that may lack a channel
_REPORT_EVERY_S = 1.0
_progress = logging.getLogger("faultline.progress")


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """A table that was assembled from raw recordings.

    Attributes:
        folder: Folder of the Parquet files.
        pattern: Path of these files, a glob.
        num_recordings: Recordings in the table.
        num_rows: Its rows: as many, or one for each window.
        bad: Recordings that were left out, with their reasons.
        notes: What was decided and counted, in words.
        raw: Digest of the raw files and of the tables of labels and events.
        raw_path: The path of the raw files, as it was given.
        num_unnamed: Recordings of the table, to predict, that the table of labels does not name.
        table: Digest of the table itself; one that was damaged or changed since is not used.
    """

    folder: Path
    pattern: str
    num_recordings: int
    num_rows: int
    bad: tuple[BadRecording, ...]
    notes: tuple[str, ...]
    raw: FilesDigest
    raw_path: str
    num_unnamed: int = 0
    table: str = ""

    def properties(self) -> dict[str, str | int]:
        """Returns what to note of the raw files on an `Examples` artifact, for lineage to show."""
        properties = self.raw.properties()
        return {
            "raw_path": self.raw_path,
            "raw_digest": properties["data_digest"],
            "num_raw_files": properties["num_files"],
            "raw_files": properties["source_files"],
        }


def assemble(
    path: str,
    data: Data,
    *,
    label: Label | None,
    folder: Path,
    target: Path,
    rates: Mapping[str, float] | None = None,
) -> Assembled:
    """Assembles raw recordings, unless the same files were assembled in the same way before.

    The numbers of a long table are held in memory, 4 bytes each, and 8 a row for its times; of
    files, a few at a time.

    Args:
        path: The raw files: a file, a folder or a glob; relative to `folder`.
        data: The config's `data` block: `recordings`, `max_bad_rows`, and how tables are written.
        label: The label; None for predictions, whose rows have no label column.
        folder: The folder of the YAML, to which `path`, `labels` and `events` are relative.
        target: Folder for the result, `recordings-DIGEST` in it.
        rates: Nominal rate in Hz by channel, from the features: recordings of another rate are
            resampled to it. Without one, a recording keeps its rate.

    Raises:
        InputError: There are no recordings or no windows of them, more than `max_bad_rows` of them
            are bad, or the options do not fit the files.
    """
    options = data.recordings
    if options is None:
        raise InputError("data.recordings is not set, so there is nothing to assemble.")
    beside = [folder / name for name in (options.labels, options.events) if name is not None]
    base, files = list_raw_files(path, options.media, folder=folder, others=beside)
    target.mkdir(parents=True, exist_ok=True)
    digest = _digest([*files, *(str(p) for p in beside if p.is_file())], base, target)
    request = Request(
        files=files,
        base=base,
        data=data,
        label=label,
        folder=folder,
        nominal_hz=_nominal_rate(rates or {}),
    )
    place = target / f"recordings-{_key(digest, request)[:16]}"
    _remove_abandoned(target)
    if (assembled := _intact(place)) is None:
        with FileLock(target / _LOCK):  # another process may be at it
            if (assembled := _intact(place)) is None:
                with _draft(place) as draft:
                    _write_record(draft, _Assembly(request).write(draft, digest, path))
                _remove_superseded(target)
                assembled = read_record(place)
    _check_usable(assembled, data.max_bad_rows, is_kept=label is not None)
    return assembled


def _intact(place: Path) -> Assembled | None:
    """Returns an earlier assembly; None if there is none, or if its files are not as it wrote them.

    A table that was cut short or edited would else be read as the recordings that it names.
    """
    try:
        assembled = read_record(place)
        return assembled if assembled.table == _digest_table(place) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest_table(folder: Path) -> str:
    """Returns the digest of a table if it has any rows; it is read only if it has changed."""
    if not (folder / FILE_NAME).is_file():
        return ""
    kept = str(folder.parent / KEPT_DIGESTS)
    return digest_local_files([str(folder / FILE_NAME)], str(folder), kept_digests=kept).digest


def _digest(files: list[str], base: str, target: Path) -> FilesDigest:
    _progress.info("looking for changes in %s of recordings", count(len(files), "file"))
    return digest_local_files(files, base, kept_digests=str(target / KEPT_DIGESTS))


def _key(digest: FilesDigest, request: Request) -> str:
    """Returns the digest of all that the assembled table depends on."""
    data = replace(request.data, path="-", dataset=None, options={}, max_bad_rows=0)
    parts = {
        "files": digest.digest,
        "data": TypeAdapter(Data).dump_python(data, mode="json"),
        "label": TypeAdapter(Label | None).dump_python(request.label, mode="json"),
        "rate": request.nominal_hz,
        "code": code_digest(CODE),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _nominal_rate(rates: Mapping[str, float]) -> float | None:
    """Returns the rate that all channels have."""
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"`{name}` {rate:g} Hz" for name, rate in rates.items())
        raise InputError(
            f"The channels of a recording must have one sampling_rate_hz, got {listed}. Set one "
            "rate in all of these features."
        )
    return next(iter(rates.values()), None)


@contextmanager
def _draft(place: Path) -> Iterator[Path]:
    """Yields a folder that becomes `place` if nothing fails; an interruption leaves nothing."""
    draft = place.with_name(f".{place.name}")
    for remains in (draft, place):  # of a process that was killed
        shutil.rmtree(remains, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_abandoned(target: Path) -> None:
    """Removes the drafts of processes that were killed: whoever writes a draft holds the lock."""
    drafts = list(target.glob(".recordings-*"))
    if drafts and not is_held(target / _LOCK):
        for draft in drafts:
            shutil.rmtree(draft, ignore_errors=True)


def _remove_superseded(target: Path) -> None:
    tables = sorted(target.glob("recordings-*"), key=lambda path: path.stat().st_mtime)
    for old in tables[:-_NUM_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _write_record(folder: Path, assembled: Assembled) -> None:
    assembled = replace(assembled, folder=Path(), pattern="", table=_digest_table(folder))
    entries = asdict(assembled) | {"folder": ""}
    (folder / RECORD).write_text(json.dumps(entries, indent=1), encoding="utf-8")


def read_record(folder: Path) -> Assembled:
    """Returns what is recorded of an assembled table."""
    entries = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    raw = entries["raw"] | {"names": tuple(entries["raw"]["names"])}
    bad = tuple(BadRecording(**one) for one in entries["bad"])
    return Assembled(
        **entries
        | {"folder": folder, "pattern": str(folder / FILE_NAME), "bad": bad}
        | {"notes": tuple(entries["notes"]), "raw": FilesDigest(**raw)}
    )


def raw_recordings(folder: str) -> Assembled | None:
    """Returns what is recorded of the table in a folder; None if it was not assembled."""
    return read_record(Path(folder)) if (Path(folder) / RECORD).is_file() else None


def _check_usable(assembled: Assembled, max_bad: int, *, is_kept: bool) -> None:
    num_bad = len(assembled.bad)
    if num_bad <= max_bad and assembled.num_rows:
        return
    shown = "\n".join(f"  {bad}" for bad in assembled.bad[:_NUM_SHOWN])
    more = num_bad - _NUM_SHOWN
    shown += f"\n  and {more:,} more" if more > 0 else ""
    if not assembled.num_recordings:
        raise InputError(f"No recording of {assembled.raw_path} can be used:\n{shown}")
    if num_bad <= max_bad:
        reasons = "\n".join(f"  {note}" for note in assembled.notes)
        raise InputError(
            f"The recordings of {assembled.raw_path} give no window:\n{reasons}\nChange the length "
            "of data.recordings.window, or give longer recordings."
        )
    # Predictions assemble in a temporary folder.
    place = f"All of them are in {assembled.folder / RECORD}. " if is_kept else ""
    raise InputError(
        f"{count(num_bad, 'recording')} cannot be used, more than data.max_bad_rows = {max_bad}:\n"
        f"{shown}\n{place}Fix the data, or allow more with data.max_bad_rows."
    )


@dataclass(kw_only=True)
class _Tally:
    """What is counted while recordings are written."""

    bad: list[BadRecording] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    lacking: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    windows: WindowCounts = field(default_factory=WindowCounts)
    num_short: int = 0
    rates_hz: tuple[float, float] = (math.inf, 0.0)
    has_dates: bool = False


class _Assembly:
    """One assembly of recordings."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._options: Recordings = request.options
        self._label_column = request.label.column if request.label else None
        self._reader = RecordingReader(request)
        self._tally = _Tally()
        self._last = time.monotonic()

    def write(self, folder: Path, raw: FilesDigest, raw_path: str) -> Assembled:
        events = _Events.read(self._request, self._reader)
        tally, writer = self._tally, None
        with ExitStack() as stack:
            for recording in self._reader:
                if isinstance(recording, BadRecording):
                    tally.bad.append(recording)
                    continue
                if writer is None:  # whether times are dates is known only now
                    tally.has_dates = recording.has_dates
                    writer = stack.enter_context(TableWriter(folder, self._schema()))
                self._write_one(writer, recording, events)
                self._report(writer.num_rows)
        events.check({recording.name for recording in tally.bad} | tally.names)
        self._check_channels()
        return Assembled(
            folder=folder,
            pattern="",
            num_recordings=len(tally.names),
            num_rows=writer.num_rows if writer else 0,
            bad=tuple(tally.bad),
            notes=tuple(self._notes()),
            raw=raw,
            raw_path=raw_path,
            num_unnamed=len(tally.names & self._reader.unnamed),
        )

    def _schema(self) -> pa.Schema:
        is_table = self._options.media == "table"
        window, channels = self._options.window, self._reader.roles.channels if is_table else ()
        return table_schema(
            channels=channels,
            bytes_column=self._options.bytes_column,
            context=self._reader.context_types,
            has_rate=self._reader.has_rate,
            added=window_types(window, channels, has_dates=self._tally.has_dates) if window else {},
            label_column=self._label_column,
        )

    def _write_one(self, writer: TableWriter, recording: Recording, events: "_Events") -> None:
        tally, options = self._tally, self._options
        if recording.has_dates != tally.has_dates:
            reason = "its times are dates, and those of others are not, or the other way round"
            tally.bad.append(BadRecording(name=recording.name, path=recording.path, reason=reason))
            return
        tally.names.add(recording.name)
        tally.changes += recording.counts
        if recording.rate_hz is not None:
            low, high = tally.rates_hz
            tally.rates_hz = (min(low, recording.rate_hz), max(high, recording.rate_hz))
        if options.media == "table":
            recording = self._with_all_channels(recording)
        if options.window is None:
            writer.add_recording(recording, self._label_column)
            return
        # The windows of a recording without a label have none either.
        is_labelled = options.form == "stream" or recording.label is not None
        rows, counts = window_rows(
            recording,
            options.window,
            label=self._request.label if is_labelled else None,
            events=events.of(recording),
        )
        tally.windows += counts
        tally.num_short += counts.cut == 0
        writer.add_windows(rows)

    def _with_all_channels(self, recording: Recording) -> Recording:
        """Returns the recording with its channels in order; one that it lacks has no value."""
        lacking = [n for n in self._reader.roles.channels if n not in recording.channels]
        self._tally.lacking.update(lacking)
        nothing = np.full(recording.num_samples, np.nan, np.float32)
        channels = {n: recording.channels.get(n, nothing) for n in self._reader.roles.channels}
        return replace(recording, channels=channels)

    def _report(self, num_rows: int) -> None:
        if time.monotonic() - self._last > _REPORT_EVERY_S:
            self._last = time.monotonic()
            done = count(len(self._tally.names), "recording")
            _progress.info("%s assembled to %s", done, count(num_rows, "row"))

    def _check_channels(self) -> None:
        num = len(self._tally.names)
        for name, lacking in self._tally.lacking.items():
            if lacking >= _MAX_LACKING * num:
                raise InputError(
                    f"The channel `{name}` is absent in {lacking:,} of {num:,} recordings. Name "
                    "the channels that most of them have in data.recordings.channels."
                )

    def _notes(self) -> Iterator[str]:
        tally = self._tally
        num = len(tally.names)
        yield from self._reader.notes()
        for name, lacking in sorted(tally.lacking.items()):
            yield f"channel `{name}` is absent in {lacking:,} of {num:,} recordings"
        for kind, number in sorted(tally.changes.items()):
            noun, _, fate = kind.partition(" ")
            yield f"{count(number, noun)} {fate}"
        low, high = tally.rates_hz
        is_table = self._options.media == "table"
        if is_table and self._request.nominal_hz is None and high > (1 + RATE_TOLERANCE) * low:
            yield (
                f"recordings of {low:g} to {high:g} Hz are not resampled, so as many samples are "
                "another duration; resampling needs sampling_rate_hz of the signals without "
                "rate_column, and windows of a length_s"
            )
        yield from tally.windows.notes()
        if tally.num_short:
            yield f"{tally.num_short:,} of {num:,} recordings are shorter than a window"
        if tally.bad:
            yield f"{count(len(tally.bad), 'recording')} left out: {tally.bad[0]}"


class _Events:
    """The events of a table, by recording.

    Args:
        by_name: The events of each recording that the table names.
        is_given: Whether there is a table.
    """

    def __init__(self, by_name: Mapping[str, list[Interval]], *, is_given: bool) -> None:
        self._by_name, self._is_given = by_name, is_given

    @classmethod
    def read(cls, request: Request, reader: RecordingReader) -> "_Events":
        options = request.options
        if options.events is None or options.time_column is None or request.label is None:
            return cls({}, is_given=False)
        names = recording_names(request.files, request.base)
        table = read_events(
            request.folder / options.events,
            request.data,
            recordings=tuple(names.values()),
            time_column=options.time_column,
            offsets=reader.offsets,
        )
        if request.is_grouped:
            return cls(table, is_given=True)
        files = {Path(file).relative_to(request.base).as_posix(): file for file in request.files}
        matcher = FileMatcher(list(table), list(files), base=request.base)
        ids = {names[file]: matcher.match(path) for path, file in files.items()}
        matched = {name: [one for id_ in own for one in table[id_]] for name, own in ids.items()}
        used = {id_ for own in ids.values() for id_ in own}
        others = {id_: own for id_, own in table.items() if id_ not in used}
        return cls(matched | others, is_given=True)

    def of(self, recording: Recording) -> tuple[Event, ...] | None:
        """Returns the events of a recording; None if there is no table."""
        if not self._is_given:
            return None
        return events_of_intervals(
            self._by_name.get(recording.name, ()),
            sample_times(recording),
            recording=recording.name,
            period_s=sample_period_s(recording),
        )

    def check(self, recordings: set[str]) -> None:
        """Checks that the table names no recording that is not there."""
        check_event_recordings(self._by_name, recordings)
