"""Append-only JSON lines, chained by their digests: a journal that shows whether it was changed.

A line is on the disk before anything acts on it. A kill in the middle of a write leaves a last line
without its end, which readers ignore and the next writer removes: nothing has acted on it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from common.errors import InputError
from common.guards.durable_files import append_line, sync, whole_lines

_LOCK_TIMEOUT_S = 10.0
_NO_LINE = "0" * 64


class JournalError(InputError):
    """A file of chained lines was changed, or cannot be read or written now."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line.

    Attributes:
        values: The JSON object: `sequence`, its number from 1; what was appended; `previous`, the
            SHA-256 of the line before without its line feed, zeros in the first line.
        digest: SHA-256 of this line.
    """

    values: Mapping[str, Any]
    digest: str


class ChainedLines:
    """A file of chained lines, which one process at a time appends to.

    Args:
        path: The file; its folder is made by the first line and has the lock.
        remedy: What to do about a changed file, one or more sentences.
    """

    def __init__(self, path: Path, *, remedy: str) -> None:
        self.path = path
        self._remedy = remedy

    def read(self) -> tuple[Line, ...]:
        """Returns all lines, the oldest first; a torn last line is left out.

        Raises:
            JournalError: A line was changed or is missing, or the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unusable(error) from error
        return self._parse(whole_lines(content))

    def append(self, make: Callable[[Sequence[Line]], Mapping[str, Any]]) -> Line:
        """Appends a line, which is on the disk when this returns.

        Args:
            make: Returns what the line holds, from the lines so far. It is called while nobody else
                can write, and must be quick. What it raises leaves the file unchanged.

        Raises:
            JournalError: A line was changed, another command holds the lock, the disk is full, or
                the folder or a file in it cannot be made or opened.
        """
        lock = FileLock(self.path.with_name("lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=_LOCK_TIMEOUT_S)
        except Timeout as error:
            raise JournalError(
                f"Another command has held {lock.lock_file} for {_LOCK_TIMEOUT_S:.0f} s. Wait for "
                "it to end, and repeat this one."
            ) from error
        except OSError as error:
            raise self._unusable(error) from error
        try:
            return self._append(make)
        finally:
            lock.release()

    def damage(self, number: int, problem: str) -> JournalError:
        """Returns the error of a line that was changed.

        Args:
            number: Number of the line, from 1.
            problem: What is wrong with it.
        """
        return JournalError(
            f"{self.path}, line {number}: {problem}. The journal was changed by something other "
            f"than Faultline. {self._remedy}"
        )

    def _append(self, make: Callable[[Sequence[Line]], Mapping[str, Any]]) -> Line:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            lines = self._parse(whole_lines(_read_all(descriptor)))
            values = {
                "sequence": len(lines) + 1,
                **make(lines),
                "previous": lines[-1].digest if lines else _NO_LINE,
            }
            line = _encode(values)
            self._write(descriptor, line)
        finally:
            os.close(descriptor)
        sync(self.path.parent)
        return Line(values=values, digest=_digest(line))

    def _write(self, descriptor: int, line: bytes) -> None:
        try:
            append_line(descriptor, line)
        except OSError as error:
            raise JournalError(
                f"Cannot write {self.path}: {error.strerror or error}. Nothing was changed. Free "
                "some disk space, and repeat the command."
            ) from error

    def _parse(self, whole: bytes) -> tuple[Line, ...]:
        lines: list[Line] = []
        previous = _NO_LINE
        for number, text in enumerate(whole.splitlines(), start=1):
            try:
                values = json.loads(text)
                place = (values["sequence"], values["previous"])
            except (ValueError, KeyError, TypeError) as error:
                raise self.damage(number, "it cannot be read") from error
            if place != (number, previous):
                raise self.damage(number, "it does not follow from the line before")
            previous = _digest(text)
            lines.append(Line(values=values, digest=previous))
        return tuple(lines)

    def _unusable(self, error: OSError) -> JournalError:
        return JournalError(
            f"The journal {self.path} cannot be opened: {error.strerror or error}. Its folders "
            "must be folders, and this account must be allowed to read and write there."
        )


def _encode(values: Mapping[str, Any]) -> bytes:
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, default=str)
    # A command line may hold bytes that are no text.
    return text.encode(errors="replace") + b"\n"


def _digest(line: bytes) -> str:
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)
