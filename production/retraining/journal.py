"""The journal of a model's retrainings: each line is a transition, with the state after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.guards.chained_lines import ChainedLines, Line
from production.monitoring.exposition.kept import Kept
from production.retraining.state import Retraining

FILE = "journal.jsonl"
WEEK = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the journal.

    Attributes:
        sequence: Its number, from 1.
        time: When it was written.
        event: Kind of the transition: `propose`, `start`, `approve`, `decline`, `span`, `data`,
            `train` or `end`.
        by: The person, or `faultline`.
        why: The reason.
        retraining: The state after.
    """

    sequence: int
    time: datetime
    event: str
    by: str
    why: str
    retraining: Retraining

    @classmethod
    def of(cls, line: Line) -> "Entry":
        """Returns the entry of a line."""
        values = line.values
        return cls(
            sequence=values["sequence"],
            time=datetime.fromisoformat(values["time"]),
            event=values["event"],
            by=values["by"],
            why=values["why"],
            retraining=Retraining.from_json(values["retraining"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the entry as JSON values."""
        own = {"time": self.time.isoformat(), "retraining": self.retraining.to_json()}
        return vars(self) | own


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is recorded of a transition besides its state.

    Attributes:
        event: Its kind, see `Entry`.
        by: The person, or `faultline`.
        why: The reason.
    """

    event: str
    by: str
    why: str


class Journal:
    """The journal of one model.

    Args:
        folder: The folder `retraining/NAME`; made by the first entry.
        now: Returns the time.
    """

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder
        self.now = now
        self._lines = ChainedLines(
            folder / FILE,
            remedy="Restore it from a backup. Without one, move it aside: a new journal then "
            "begins, without the earlier retrainings.",
        )
        # The loop asks twice a second.
        self._kept = Kept(FILE, lambda _: self._entries(self._lines.read()))

    def read(self) -> tuple[Entry, ...]:
        """Returns all entries, the oldest first.

        Raises:
            InputError: A line was changed or is missing, or the file cannot be read.
        """
        return self._kept.of(self.folder)

    def append(
        self, change: Callable[[Sequence[Entry], datetime], Retraining], note: Note
    ) -> Entry:
        """Appends a transition, which is on the disk when this returns.

        Args:
            change: Returns the state after, from the entries so far and the time. What it raises
                leaves the journal unchanged.
            note: Who decides what, and why.

        Raises:
            InputError: The journal cannot be read or written.
        """

        def make(lines: Sequence[Line]) -> dict[str, Any]:
            now = self.now()
            retraining = change(self._entries(lines), now)
            return {"time": now.isoformat(), **vars(note), "retraining": retraining.to_json()}

        return Entry.of(self._lines.append(make))

    def _entries(self, lines: Sequence[Line]) -> tuple[Entry, ...]:
        entries = []
        for number, line in enumerate(lines, start=1):
            try:
                entries.append(Entry.of(line))
            except (ValueError, KeyError, TypeError) as error:
                raise self._lines.damage(number, "it cannot be read") from error
        return tuple(entries)


def retrainings_of(entries: Sequence[Entry]) -> list[Retraining]:
    """Returns the latest state of each retraining, the oldest first."""
    return list({entry.retraining.id: entry.retraining for entry in entries}.values())


def current_of(entries: Sequence[Entry]) -> Retraining | None:
    """Returns the retraining in progress, or None."""
    latest = entries[-1].retraining if entries else None
    return latest if latest is not None and latest.is_active else None


def trained_since(entries: Sequence[Entry], since: datetime) -> list[Retraining]:
    """Returns the retrainings whose run began at `since` or later."""
    times = {entry.retraining.id: entry.time for entry in entries if entry.event == "train"}
    return [one for one in retrainings_of(entries) if one.id in times and times[one.id] >= since]
