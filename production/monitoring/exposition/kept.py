"""A cache of what was read from files, each until it changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The contents of one file in each of several folders."""

    def __init__(self, name: str, read: Callable[[Path], Value]) -> None:
        """Reads nothing yet.

        Args:
            name: Name of the file.
            read: Reads it, given its folder; the file may be absent.
        """
        self._name, self._read = name, read
        self._values: dict[Path, tuple[tuple[int, ...], Value]] = {}

    def of(self, folder: Path) -> Value:
        """Returns what is in the file of a folder; raises what reading it raises."""
        stamp = _stamp(folder / self._name)
        kept = self._values.get(folder)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        # A file that changes while it is read has another stamp at the next call.
        value = self._read(folder)
        self._values[folder] = (stamp, value)
        return value


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return ()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
