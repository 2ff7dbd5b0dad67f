"""The monitor: takes each finished chunk of recorded requests once, and raises alarms.

For each chunk, alarms are raised first, then its report is written, then the state is saved. After
a kill, a chunk whose state was not saved is taken again: it gives the same figures, and neither
alarms nor reports are doubled.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from common.output_folder import OutputFolder, hold
from pipeline.config import Config
from pipeline.production_options.collection import recorded_share, redacted
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns, read_columns
from production.monitoring.chunks.reader import ChunkReader
from production.monitoring.look import LABELS, Look
from production.monitoring.performance.late_labels import LateLabels
from production.monitoring.performance.measuring import Labels, is_considerable
from production.monitoring.reference.loading import load_reference, say_nothing
from production.monitoring.reference.reference import MissingReferenceError, Reference
from production.monitoring.report import CHUNKS, LOCK, ChunkReport, read_reports, write_report
from production.monitoring.settling import Restart, close_ended, heed_people, retire, settle
from production.monitoring.state import (
    MeasuredChunk,
    VersionState,
    load_state,
    refuse_older,
    state_errors_named,
)
from production.monitoring.troubles.finding import find_troubles
from production.monitoring.troubles.quarantine import quarantine_chunk
from production.monitoring.troubles.trouble import Trouble
from production.monitoring.watched_version import WatchedVersion, look_without_reference

# How long after their time labels are still awaited.
_PATIENCE = timedelta(days=60)

_GONE = "Its rows are gone: `collection.max_mb` bounds what is kept. Labels no longer measure it."


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the monitor works with, beside the recorded requests.

    Attributes:
        load_reference: Returns the reference of a version; raises `MissingReferenceError`.
        find_troubles: Returns the troubles of a chunk.
        quarantine: Keeps a broken chunk out of the training data.
        now: The clock.
        say: Prints a line about progress.
    """

    load_reference: Callable[[int], Reference]
    find_troubles: Callable[[Chunk, Reference, Columns], list[Trouble]]
    quarantine: Callable[[Chunk, Sequence[Trouble]], None]
    now: Callable[[], datetime] = _now
    say: Callable[[str], None] = say_nothing


def monitor_once(
    config: Config,
    folder: OutputFolder,
    model: str,
    *,
    now: Callable[[], datetime] = _now,
    say: Callable[[str], None] = say_nothing,
) -> list[ChunkReport]:
    """Takes all chunks that are finished, and those whose labels have arrived.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        now: The clock.
        say: Prints a line about progress.

    Returns:
        Reports of the new chunks, and of the earlier ones that labels have completed.

    Raises:
        InputError: Another monitor of this model runs, or its files cannot be read or written.
    """
    place = folder.monitoring(model)
    sources = make_sources(config, folder, model, now=now, say=say)
    with held(place):
        return Monitor(config, folder, model, sources).run()


def make_sources(
    config: Config,
    folder: OutputFolder,
    model: str,
    *,
    now: Callable[[], datetime] = _now,
    say: Callable[[str], None] = say_nothing,
) -> Sources:
    """Returns the sources of a model: lineage, recorded data and the quarantine beside its state.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        now: The clock.
        say: Prints a line about progress.
    """

    def search(chunk: Chunk, reference: Reference, columns: Columns) -> list[Trouble]:
        return find_troubles(chunk, reference, config, columns=columns)

    return Sources(
        load_reference=partial(load_reference, config, folder, model, say=say),
        find_troubles=search,
        quarantine=partial(quarantine_chunk, folder.monitoring(model)),
        now=now,
        say=say,
    )


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Holds the lock of a model's monitor.

    Args:
        place: The folder `monitoring/NAME`, made if need be.

    Raises:
        InputError: Another monitor holds it.
    """
    refusal = f"Another monitor works on {place}. Wait for it to end, or stop it."
    with hold(place / LOCK, refusal):
        yield


def _no_evidence(_: str) -> None:
    """Starts nothing anew: there are no detectors without a reference."""


class Monitor:
    """The monitor of one model."""

    def __init__(self, config: Config, folder: OutputFolder, model: str, sources: Sources) -> None:
        """Goes on where the state of an earlier monitor ends.

        Args:
            config: The use case.
            folder: The output folder.
            model: Name of the served model.
            sources: References, troubles, quarantine and clock.
        """
        self._config, self._model, self._sources = config, model, sources
        self._place = folder.monitoring(model)
        self._state = load_state(self._place)
        self._book = AlarmBook(self._place, now=sources.now)
        self._watched: dict[int, WatchedVersion] = {}
        self._reports = {report.number: report for report in read_reports(self._place)}
        refuse_older(self._state, self._place, last=max(self._reports, default=-1))
        self._reader = ChunkReader(
            folder,
            model,
            config.monitoring,
            self._state.reader,
            share=recorded_share(config.collection),
            now=sources.now,
        )
        self._labels = LateLabels(config, folder.collected(model))

    def run(self) -> list[ChunkReport]:
        """Takes what is new; returns the reports of it, oldest first."""
        close_ended(self._book, self._state)
        numbers = {self._take(chunk) for chunk in self._reader.finished()}
        numbers |= set(self._take_labels())
        return [self._reports[number] for number in sorted(numbers)]

    def _take(self, chunk: Chunk) -> int:
        """Takes a new chunk; returns its number."""
        self._sources.say(
            f"Chunk {chunk.number}: {chunk.records.num_rows:,} rows of version {chunk.version}."
        )
        version = self._state.versions.setdefault(chunk.version, VersionState())
        lost = self._forget_lost()
        try:
            look, restart = self._look(chunk, version)
        except MissingReferenceError as error:
            look = look_without_reference(self._model, chunk, self._config, str(error))
            restart = _no_evidence
        if look.report.num_rows and not look.report.is_broken:
            version.waiting[chunk.number] = ""
        alarms = settle(self._book, version, look.signs, restart)
        version.last_chunk = chunk.number
        retire(self._state, chunk.number)
        self._write(replace(look.report, alarms=alarms, notes=[*look.report.notes, *lost]))
        self._save(chunk.version)
        return chunk.number

    def _look(self, chunk: Chunk, version: VersionState) -> tuple[Look, Restart]:
        """What a chunk shows; it is in quarantine if it is broken."""
        watched = self._watch(chunk.version)
        heed_people(self._book, version, watched.restart)
        reference = watched.reference
        skip = redacted(self._config.collection)
        columns = read_columns(chunk.records, reference.features, skip=skip)
        troubles = self._sources.find_troubles(chunk, reference, columns)
        look = watched.look(chunk, columns, troubles, self._since_of(chunk))
        if look.report.is_broken:
            self._sources.quarantine(chunk, troubles)
        notes = [*look.report.notes, *watched.grades()]
        return replace(look, report=replace(look.report, notes=notes)), watched.restart

    def _forget_lost(self) -> list[str]:
        """Awaits no labels of chunks that have lost their report; returns the note on it."""
        lost = set()
        for version in self._state.versions.values():
            for number in set(version.waiting) - set(self._reports):
                lost.add(number)
                del version.waiting[number]
        if not lost:
            return []
        numbers = ", ".join(map(str, sorted(lost)))
        return [f"{CHUNKS} has lost the reports of chunks {numbers}: they are not measured."]

    def _take_labels(self) -> list[int]:
        """Takes the chunks whose labels have arrived; returns their numbers."""
        if not (mark := self._labels.mark):
            return []
        taken = []
        for version in self._state.versions:
            try:
                taken += self._take_labels_of_version(version, mark)
            except MissingReferenceError:
                continue  # its chunks say so, and wait for their labels
        return taken

    def _take_labels_of_version(self, version: int, mark: str) -> list[int]:
        state, taken = self._state.versions[version], []
        days = timedelta(days=self._config.monitoring.labels_after_days)
        now = self._sources.now()
        for number in sorted(set(state.waiting) & set(self._reports)):
            age = now - self._reports[number].until
            if state.waiting[number] != mark and age >= days:
                self._take_labels_of(version, number, mark)
                taken.append(number)
            if age > days + _PATIENCE:
                state.waiting.pop(number, None)
        oldest = now - days - _PATIENCE
        again = self._with_more_labels(state, oldest) if state.looked_at != mark else []
        for number in again:
            self._take_labels_of(version, number, mark)
        if state.looked_at != mark:
            state.looked_at = mark
            self._state.save(self._place)
        return taken + again

    def _with_more_labels(self, state: VersionState, oldest: datetime) -> list[int]:
        """Numbers of the measured chunks that many labels are new of, or corrected."""
        known = {n: one for n, one in state.measured.items() if n in self._reports}
        state.measured = {n: m for n, m in known.items() if self._reports[n].until >= oldest}
        marks = {n: one.mark for n, one in state.measured.items() if n not in state.waiting}
        if not marks:
            return []
        counts = self._labels.count_since([self._reports[n] for n in sorted(marks)], marks)
        return [n for n, num in counts.items() if is_considerable(num, known[n].num_labelled)]

    def _take_labels_of(self, number_of_version: int, number: int, mark: str) -> None:
        report, version = self._reports[number], self._state.versions[number_of_version]
        watched = self._watch(number_of_version)
        heed_people(self._book, version, watched.restart)
        rows = self._labels.read_rows(
            report.since, report.until, report.version, before=self._before(report)
        )
        chunk = Chunk(
            number=number,
            since=report.since,
            until=report.until,
            version=report.version,
            records=rows,
        )
        labels, usual = self._labels.of(rows), version.usual_share
        if not rows.num_rows:
            version.waiting.pop(number, None)
            notes = [*dict.fromkeys([*report.notes, _GONE])]  # once, also after a kill
            look = Look(report=replace(report, notes=notes))
        elif labels.are_late(usual):
            version.waiting[number] = mark
            sign = watched.sign_of_late_labels(
                chunk, labels, usual=usual, num_earlier=version.labelled[1]
            )
            look = Look(report=report, signs={LABELS: sign})
        else:
            look = self._measure(version, watched, chunk, labels, mark)
        new = settle(self._book, version, look.signs, watched.restart)
        alarms = list(dict.fromkeys([*report.alarms, *new]))
        self._write(replace(look.report, alarms=alarms))
        self._save(number_of_version)

    def _measure(
        self,
        version: VersionState,
        watched: WatchedVersion,
        chunk: Chunk,
        labels: Labels,
        mark: str,
    ) -> Look:
        """What the labels of a chunk show; the state notes which of them were taken."""
        number = chunk.number
        taken = version.measured[number].taken if number in version.measured else ""
        before = self._labels.of(chunk.records, mark=taken) if taken else None
        look = watched.look_at_labels(chunk, labels, before, self._reports[number])
        if look.forgot_labels:
            version.forget_taken()
            taken = ""
        measured = MeasuredChunk(
            mark=mark, num_labelled=labels.num_known, taken=mark if look.took_labels else taken
        )
        version.measure(number, measured, num_rows=len(labels.values))
        return look

    def _watch(self, number: int) -> WatchedVersion:
        """The detectors of a version, as its state has them."""
        if number not in self._watched:
            reference = self._sources.load_reference(number)
            watched = WatchedVersion(self._model, reference, self._config)
            if records := self._state.versions[number].records:
                with state_errors_named(self._place):
                    watched.with_state(records)
            self._watched[number] = watched
        return self._watched[number]

    def _before(self, report: ChunkReport) -> datetime | None:
        """Beginning of the version's chunk before; None without one."""
        numbers = [n for n, one in self._reports.items() if one.version == report.version]
        earlier = max((n for n in numbers if n < report.number), default=None)
        return None if earlier is None else self._reports[earlier].since

    def _since_of(self, chunk: Chunk) -> Callable[[int], datetime]:
        """Returns the beginning of a chunk; without its report, that of the next one with one."""
        beginnings = {number: report.since for number, report in self._reports.items()}
        beginnings[chunk.number] = chunk.since

        def since_of(number: int) -> datetime:
            return beginnings[min(one for one in beginnings if one >= number)]

        return since_of

    def _write(self, report: ChunkReport) -> None:
        """Appends a report, unless a kill came between this very line and the state."""
        if self._reports.get(report.number) != report:
            write_report(self._place, report)
        self._reports[report.number] = report

    def _save(self, version: int) -> None:
        if version in self._watched:
            self._state.versions[version].records = self._watched[version].to_state()
        self._state.reader = self._reader.to_state()
        self._state.save(self._place)
        close_ended(self._book, self._state)
