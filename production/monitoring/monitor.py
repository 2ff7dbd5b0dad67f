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

from filelock import FileLock, Timeout

from common.errors import InputError
from common.output_folder import OutputFolder
from pipeline.config import Config
from production.monitoring.alarms.book import AlarmBook
from production.monitoring.chunks.chunk import Chunk
from production.monitoring.chunks.columns import Columns, read_columns
from production.monitoring.chunks.reader import ChunkReader
from production.monitoring.performance.late_labels import LateLabels
from production.monitoring.reference.loading import load_reference
from production.monitoring.reference.reference import Reference
from production.monitoring.report import ChunkReport, read_reports, write_report
from production.monitoring.settling import close_ended, heed_people, retire, settle
from production.monitoring.state import VersionState, load_state
from production.monitoring.troubles.finding import find_troubles, redacted
from production.monitoring.troubles.quarantine import quarantine_chunk
from production.monitoring.troubles.trouble import Trouble
from production.monitoring.watched_version import WatchedVersion

# How long after their time labels are still awaited.
_PATIENCE = timedelta(days=60)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the monitor works with, beside the recorded requests.

    Attributes:
        load_reference: Returns the reference of a version.
        find_troubles: Returns the troubles of a chunk.
        quarantine: Keeps a broken chunk out of the training data.
        now: The clock.
    """

    load_reference: Callable[[int], Reference]
    find_troubles: Callable[[Chunk, Reference, Columns], list[Trouble]]
    quarantine: Callable[[Chunk, Sequence[Trouble]], None]
    now: Callable[[], datetime] = _now


def monitor_once(
    config: Config, folder: OutputFolder, model: str, *, now: Callable[[], datetime] = _now
) -> list[ChunkReport]:
    """Takes all chunks that are finished, and those whose labels have arrived.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        now: The clock.

    Returns:
        Reports of the new chunks, and of the earlier ones that labels have completed.

    Raises:
        InputError: Another monitor of this model runs, or its files cannot be read or written.
    """
    place = folder.monitoring(model)
    sources = make_sources(config, folder, model, now=now)
    with held(place):
        return Monitor(config, folder, model, sources).run()


def make_sources(
    config: Config, folder: OutputFolder, model: str, *, now: Callable[[], datetime] = _now
) -> Sources:
    """Returns the sources of a model: lineage, recorded data and the quarantine beside its state.

    Args:
        config: The use case.
        folder: The output folder.
        model: Name of the served model.
        now: The clock.
    """

    def search(chunk: Chunk, reference: Reference, columns: Columns) -> list[Trouble]:
        return find_troubles(chunk, reference, config, columns=columns)

    return Sources(
        load_reference=lambda version: load_reference(config, folder, model, version),
        find_troubles=search,
        quarantine=partial(quarantine_chunk, folder.monitoring(model)),
        now=now,
    )


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Holds the lock of a model's monitor.

    Args:
        place: The folder `monitoring/NAME`, made if need be.

    Raises:
        InputError: Another monitor holds it.
    """
    place.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"Another monitor works on {place}. Wait for it to end, or stop it."
        ) from error
    try:
        yield
    finally:
        lock.release()


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
        collection = config.collection
        self._reader = ChunkReader(
            folder,
            model,
            config.monitoring,
            self._state.reader,
            share=1.0 if collection is None else collection.share,
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
        version = self._state.versions.setdefault(chunk.version, VersionState())
        watched = self._watch(chunk.version)
        heed_people(self._book, version, watched.restart)
        reference = watched.reference
        columns = read_columns(chunk.records, reference.features, skip=redacted(self._config))
        troubles = self._sources.find_troubles(chunk, reference, columns)
        look = watched.look(chunk, columns, troubles, self._since_of(chunk))
        if look.report.is_broken:
            self._sources.quarantine(chunk, troubles)
        elif look.report.num_rows:
            version.waiting[chunk.number] = ""
        alarms = settle(self._book, version, look.signs, watched.restart)
        version.last_chunk = chunk.number
        retire(self._state, chunk.number)
        notes = [*look.report.notes, *watched.grades()]
        self._write(replace(look.report, alarms=alarms, notes=notes))
        self._save(chunk.version)
        return chunk.number

    def _take_labels(self) -> list[int]:
        """Takes the chunks whose labels have arrived; returns their numbers."""
        if not (mark := self._labels.mark):
            return []
        days = timedelta(days=self._config.monitoring.labels_after_days)
        now = self._sources.now()
        taken = []
        for version, state in self._state.versions.items():
            for number in sorted(state.waiting):
                age = now - self._reports[number].until
                if state.waiting[number] != mark and age >= days:
                    self._take_labels_of(version, number, mark)
                    taken.append(number)
                if age > days + _PATIENCE:
                    state.waiting.pop(number, None)
        return taken

    def _take_labels_of(self, number_of_version: int, number: int, mark: str) -> None:
        report, version = self._reports[number], self._state.versions[number_of_version]
        watched = self._watch(number_of_version)
        heed_people(self._book, version, watched.restart)
        rows = self._labels.read_rows(report.since, report.until, report.version)
        chunk = Chunk(
            number=number,
            since=report.since,
            until=report.until,
            version=report.version,
            records=rows,
        )
        labels = self._labels.of(rows)
        look = watched.look_at_labels(chunk, labels, report, usual=version.usual_share)
        if labels.are_late(version.usual_share):
            version.waiting[number] = mark
        else:
            del version.waiting[number]
            before = version.labelled
            version.labelled = before[0] + labels.num_known, before[1] + len(labels.values)
        new = settle(self._book, version, look.signs, watched.restart)
        alarms = list(dict.fromkeys([*report.alarms, *new]))
        self._write(replace(look.report, alarms=alarms))
        self._save(number_of_version)

    def _watch(self, number: int) -> WatchedVersion:
        """The detectors of a version, as its state has them."""
        if number not in self._watched:
            reference = self._sources.load_reference(number)
            watched = WatchedVersion(self._model, reference, self._config)
            if records := self._state.versions[number].records:
                watched.with_state(records)
            self._watched[number] = watched
        return self._watched[number]

    def _since_of(self, chunk: Chunk) -> Callable[[int], datetime]:
        def since_of(number: int) -> datetime:
            return chunk.since if number == chunk.number else self._reports[number].since

        return since_of

    def _write(self, report: ChunkReport) -> None:
        """Appends a report, unless a kill came between this very line and the state."""
        if self._reports.get(report.number) != report:
            write_report(self._place, report)
        self._reports[report.number] = report

    def _save(self, version: int) -> None:
        self._state.versions[version].records = self._watched[version].to_state()
        self._state.reader = self._reader.to_state()
        self._state.save(self._place)
        close_ended(self._book, self._state)
