"""The journal of a model's rollouts, the truth that whatever else records a rollout follows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.guards.chained_lines import ChainedLines, Line
from production.rollout.state import State, label


@dataclass(frozen=True, kw_only=True)
class Note:
    """What is recorded of a transition besides its states.

    Attributes:
        event: Its kind, such as `start` or `roll_back`.
        by: The person or the part of Faultline that decided.
        why: The reason.
        evidence: The figures it rests on, as JSON values.
    """

    event: str
    by: str
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the journal.

    Attributes:
        sequence: Its number, from 1.
        time: When it was written.
        note: Who decided what, and why.
        before: Short description of the state before; empty in the first line.
        state: The state after.
        previous: SHA-256 of the line before, without its line feed; zeros in the first line.
        digest: SHA-256 of this line; empty as long as it is not written.
    """

    sequence: int
    time: datetime
    note: Note
    before: str
    state: State
    previous: str
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the entry as a JSON object."""
        own = _own_values(self.time, self.note, self.before, self.state)
        return {"sequence": self.sequence, **own, "previous": self.previous}


class Journal:
    """The journal of one model.

    Args:
        folder: The model's folder of rollouts; made by the first entry.
        now: Returns the time.
    """

    def __init__(
        self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder
        self._now = now
        self._lines = ChainedLines(
            folder / "journal.jsonl",
            remedy="Restore it from a backup; ML Metadata has the same transitions. Without a "
            "backup, move it aside: the next rollout then starts a new one.",
        )

    @property
    def path(self) -> Path:
        """The file."""
        return self._lines.path

    def read(self) -> tuple[Entry, ...]:
        """Returns all entries, the oldest first; a torn last line is none.

        Raises:
            InputError: A line was changed or is missing, or the file cannot be read.
        """
        return self._entries(self._lines.read())

    def state(self) -> State | None:
        """Returns the current state; None if nothing was ever recorded.

        Raises:
            InputError: As `read`.
        """
        entries = self.read()
        return entries[-1].state if entries else None

    def append(self, change: Callable[[Sequence[Entry], datetime], State], note: Note) -> Entry:
        """Appends a transition, which is on the disk when this returns.

        Args:
            change: Returns the state after, from the entries so far and the time. It is called
                while nobody else can write, and must be quick. What it raises leaves the journal
                unchanged.
            note: Who decides what, and why.

        Raises:
            InputError: A line was changed, another command holds the lock, the disk is full, or the
                folder or a file in it cannot be made or opened.
        """

        def make(lines: Sequence[Line]) -> Mapping[str, Any]:
            entries = self._entries(lines)
            now = self._now()
            before = describe(entries[-1].state) if entries else ""
            return _own_values(now, note, before, change(entries, now))

        return _entry(self._lines.append(make))

    def _entries(self, lines: Sequence[Line]) -> tuple[Entry, ...]:
        entries = []
        for number, line in enumerate(lines, start=1):
            try:
                entries.append(_entry(line))
            except (ValueError, KeyError, TypeError) as error:
                raise self._lines.damage(number, "it cannot be read") from error
        return tuple(entries)


def describe(state: State) -> str:
    """Returns a state in a few words, such as `wells/1; wells/2 running at 5 %`."""
    if state.active is None:
        return label(state.stable)
    rollout = state.active
    step = f"{rollout.phase.words} at {rollout.stage.percent} %"
    return f"{label(state.stable)}; {label(rollout.candidate)} {step}"


def _own_values(time: datetime, note: Note, before: str, state: State) -> dict[str, Any]:
    """Returns what a line holds besides its place in the chain."""
    return {
        "time": time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "event": note.event,
        "by": note.by,
        "why": note.why,
        "evidence": dict(note.evidence),
        "from": before,
        "to": describe(state),
        "state": state.to_json(),
    }


def _entry(line: Line) -> Entry:
    values = line.values
    return Entry(
        sequence=values["sequence"],
        time=datetime.fromisoformat(values["time"]),
        note=Note(
            event=values["event"],
            by=values["by"],
            why=values["why"],
            evidence=values["evidence"],
        ),
        before=values["from"],
        state=State.from_json(values["state"]),
        previous=values["previous"],
        digest=line.digest,
    )
