"""The monitor's state, which survives a kill at any point."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.output_folder import replace_file
from production.monitoring.chunks.position import Position

_FILE = "state.json"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Alarms of one kind and version that are not over.

    Attributes:
        ids: Ids of the alarms.
        acknowledged: Those of them whose acknowledgement the monitor has seen.
        quiet: Number of chunks in a row without the trouble.
    """

    ids: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    quiet: int = 0


@dataclass(frozen=True, kw_only=True)
class MeasuredChunk:
    """A chunk that was measured with labels.

    Attributes:
        mark: The labels (`LateLabels.mark`) that it was measured with.
        num_labelled: Rows that had one.
        taken: The labels of it that the tests of the version have taken; empty for none.
    """

    mark: str
    num_labelled: int
    taken: str


@dataclass(kw_only=True)
class VersionState:
    """What the monitor keeps of a version.

    Attributes:
        records: States of detectors and records, by name.
        standing: Kind of alarm to the alarms that are not over.
        ended: Alarms that are over but perhaps not closed in the book, to the reason. They are
            closed after the state is saved, so that a chunk that is taken again finds them open.
        last_chunk: Number of its last chunk.
        waiting: Number of each chunk whose labels have not arrived, to the mark of the labels
            (`LateLabels.mark`) that were there when it was last looked at.
        measured: Number of each chunk that is measured again if more labels come.
        looked_at: The labels that were there when those chunks were last looked at.
        labelled: Labelled rows and all rows of the chunks whose labels have arrived.
    """

    records: dict[str, Any] = field(default_factory=dict)
    standing: dict[str, Standing] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    last_chunk: int = -1
    waiting: dict[int, str] = field(default_factory=dict)
    measured: dict[int, MeasuredChunk] = field(default_factory=dict)
    looked_at: str = ""
    labelled: tuple[int, int] = (0, 0)

    @property
    def usual_share(self) -> float:
        """Share of the rows that get a label; 0 before the first labels."""
        return self.labelled[0] / self.labelled[1] if self.labelled[1] else 0.0

    def close(self, standing: Standing, why: str) -> None:
        """Notes that alarms are over."""
        self.ended |= dict.fromkeys(standing.ids, why)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "VersionState":
        """Returns the state of its JSON values."""
        standing = {kind: Standing(**one) for kind, one in values["standing"].items()}
        waiting = {int(number): mark for number, mark in values["waiting"].items()}
        measured = {int(n): MeasuredChunk(**one) for n, one in values.get("measured", {}).items()}
        read = {
            "standing": standing,
            "waiting": waiting,
            "measured": measured,
            "labelled": (values["labelled"][0], values["labelled"][1]),
        }
        return cls(**{**values, **read})

    def measure(self, number: int, chunk: MeasuredChunk, *, num_rows: int) -> None:
        """Notes that a chunk was measured, perhaps again.

        Args:
            number: Its number.
            chunk: What it was measured with.
            num_rows: Its rows.
        """
        before = self.measured.get(number)
        self.labelled = (
            self.labelled[0] + chunk.num_labelled - (before.num_labelled if before else 0),
            self.labelled[1] + (0 if before else num_rows),
        )
        self.measured[number] = chunk
        self.waiting.pop(number, None)

    def forget_taken(self) -> None:
        """Notes that the tests have taken no label of any chunk."""
        self.measured = {n: replace(one, taken="") for n, one in self.measured.items()}


@dataclass(kw_only=True)
class MonitorState:
    """What the monitor keeps between chunks.

    Attributes:
        reader: Position behind the last chunk; None at the beginning.
        versions: Version to its state.
    """

    reader: dict[str, Any] | None = None
    versions: dict[int, VersionState] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Replaces the state in a model's folder at once.

        Args:
            folder: The folder `monitoring/NAME`.

        Raises:
            InputError: The disk is full, or the file cannot be written; it is then as before.
        """
        versions = {str(version): asdict(state) for version, state in self.versions.items()}
        values = {"reader": self.reader, "versions": versions}
        path, text = folder / _FILE, json.dumps(values, allow_nan=False)
        try:
            replace_file(path, text.encode(), mode=0o600)
        except OSError as error:
            raise InputError(
                f"Cannot write {path}: {error.strerror or error}. It is as before; the chunk is "
                "taken again. Free some disk space or allow this account to write there, and "
                "repeat the command."
            ) from error


def refuse_older(state: MonitorState, folder: Path, *, last: int) -> None:
    """Refuses a state that is older than the reports beside it.

    A kill leaves at most one report that the state does not have yet. With an older state, chunks
    would be taken again, under numbers of others if records were deleted since.

    Args:
        state: The state.
        folder: The folder `monitoring/NAME`.
        last: Number of the newest report; -1 without one.

    Raises:
        InputError: The state was lost, or that of an earlier moment was restored.
    """
    following = 0 if state.reader is None else int(state.reader["next_number"])
    if last > following:
        raise InputError(
            f"{folder / _FILE} is missing or older than the reports: its next chunk is "
            f"{following}, and there are reports up to chunk {last}. Restore both from one backup, "
            f"or move the folder {folder} aside, and the monitor begins again with the recorded "
            "requests."
        )


def load_state(folder: Path) -> MonitorState:
    """Returns the state in a model's folder, or that of a new monitor.

    Args:
        folder: The folder `monitoring/NAME`.

    Raises:
        InputError: Another version of the project wrote it, or it cannot be read.
    """
    try:
        content = (folder / _FILE).read_bytes()
    except FileNotFoundError:
        return MonitorState()
    with state_errors_named(folder):
        values = json.loads(content)
        versions = {int(v): VersionState.from_json(s) for v, s in values["versions"].items()}
        reader = values["reader"]
        if reader is not None:
            Position.from_json(reader)
        return MonitorState(reader=reader, versions=versions)


@contextmanager
def state_errors_named(folder: Path) -> Iterator[None]:
    """Turns errors of taking over values of the state into one that says what to do.

    Args:
        folder: The folder `monitoring/NAME`.

    Raises:
        InputError: Another version of the project wrote them, or they were changed.
    """
    path = folder / _FILE
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read, or another version of the project wrote it: {error!r}. Move "
            f"the folder {folder} aside, and the monitor begins again with the recorded requests."
        ) from error
