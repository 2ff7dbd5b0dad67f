"""The journal of a model's rollouts: append-only JSON lines, chained by their digests.

The journal is the truth; whatever else records a rollout follows it. A line is on the disk before
anything acts on it. A kill in the middle of a write leaves a last line without its end, which
readers ignore and the next writer removes: nobody was told of that transition.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from common.errors import InputError
from production.rollout.state import State, label

_LOCK_TIMEOUT_S = 10.0
_NO_LINE = "0" * 64


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
        return {
            "sequence": self.sequence,
            "time": self.time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "event": self.note.event,
            "by": self.note.by,
            "why": self.note.why,
            "evidence": dict(self.note.evidence),
            "from": self.before,
            "to": describe(self.state),
            "state": self.state.to_json(),
            "previous": self.previous,
        }


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
        self.path = folder / "journal.jsonl"
        self._now = now

    def read(self) -> tuple[Entry, ...]:
        """Returns all entries, the oldest first; a torn last line is none.

        Raises:
            InputError: A line was changed or is missing, or the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _unusable(self.path, error) from error
        return _parse(whole_lines(content), self.path)

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
        lock = FileLock(self.folder / "lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_LOCK_TIMEOUT_S)
        except Timeout as error:
            raise InputError(
                f"Another command has held {lock.lock_file} for {_LOCK_TIMEOUT_S:.0f} s. Wait for "
                "it to end, and repeat this one."
            ) from error
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            return self._append(change, note)
        finally:
            lock.release()

    def _append(self, change: Callable[[Sequence[Entry], datetime], State], note: Note) -> Entry:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise _unusable(self.path, error) from error
        try:
            content = _read_all(descriptor)
            whole = whole_lines(content)
            entries = _parse(whole, self.path)
            now = self._now()
            entry = Entry(
                sequence=len(entries) + 1,
                time=now,
                note=note,
                before=describe(entries[-1].state) if entries else "",
                state=change(entries, now),
                previous=_digest_of_last(whole),
            )
            if len(whole) < len(content):
                os.ftruncate(descriptor, len(whole))
            line = _line(entry)
            self._write(descriptor, line, len(whole))
        finally:
            os.close(descriptor)
        _sync_folder(self.folder)
        return replace(entry, digest=_digest(line))

    def _write(self, descriptor: int, line: bytes, start: int) -> None:
        try:
            written = os.write(descriptor, line)
            if written < len(line):
                raise OSError(f"only {written} of {len(line)} bytes fit")
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, start)
            raise InputError(
                f"Cannot write {self.path}: {error.strerror or error}. Nothing was changed. Free "
                "some disk space, and repeat the command."
            ) from error


def describe(state: State) -> str:
    """Returns a state in a few words, such as `wells/1; wells/2 running at 5 %`."""
    if state.active is None:
        return label(state.stable)
    rollout = state.active
    step = f"{rollout.phase.words} at {rollout.stage.percent} %"
    return f"{label(state.stable)}; {label(rollout.candidate)} {step}"


def _line(entry: Entry) -> bytes:
    text = json.dumps(entry.to_json(), separators=(",", ":"), ensure_ascii=False, default=str)
    # A command line may hold bytes that are no text.
    return text.encode(errors="replace") + b"\n"


def whole_lines(content: bytes) -> bytes:
    """Returns lines without a torn last one, which a kill in the middle of a write leaves."""
    return content[: content.rfind(b"\n") + 1]


def _digest_of_last(whole: bytes) -> str:
    lines = whole.splitlines()
    return _digest(lines[-1]) if lines else _NO_LINE


def _digest(line: bytes) -> str:
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def _parse(whole: bytes, path: Path) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    previous = _NO_LINE
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = _entry(json.loads(line), _digest(line))
        except (ValueError, KeyError, TypeError) as error:
            raise _damage(path, number, "it cannot be read") from error
        if entry.sequence != number or entry.previous != previous:
            raise _damage(path, number, "it does not follow from the line before")
        previous = entry.digest
        entries.append(entry)
    return tuple(entries)


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"The journal {path} cannot be opened: {error.strerror or error}. Its folders must be "
        "folders, and this account must be allowed to read and write there."
    )


def _damage(path: Path, number: int, problem: str) -> InputError:
    return InputError(
        f"{path}, line {number}: {problem}. The journal was changed by something other than "
        "Faultline. Restore it from a backup; ML Metadata has the same transitions. Without a "
        "backup, move it aside: the next rollout then starts a new one."
    )


def _entry(values: Mapping[str, Any], digest: str) -> Entry:
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
        digest=digest,
    )


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
