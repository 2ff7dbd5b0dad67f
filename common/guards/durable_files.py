"""Files whose content is on the disk before anything acts on it."""

import os
from pathlib import Path


def whole_lines(content: bytes) -> bytes:
    """Returns lines without a torn last one, which a kill in the middle of a write leaves."""
    return content[: content.rfind(b"\n") + 1]


def append_line(descriptor: int, line: bytes) -> None:
    """Appends a line, which is on the disk when this returns; a torn line before it is removed.

    Args:
        descriptor: A file that is open to read and to append; one writer at a time.
        line: The line, with its end.

    Raises:
        OSError: The line does not fit, or cannot be written; the file then has the whole lines that
            it had before.
    """
    size = _mend(descriptor)
    try:
        written = os.write(descriptor, line)
        if written < len(line):
            raise OSError(f"only {written} of {len(line)} bytes fit")
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def sync(path: Path) -> None:
    """Puts a file, or the entries of a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mend(descriptor: int) -> int:
    """Removes a torn last line; returns the size of the file."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    whole = len(whole_lines(os.pread(descriptor, size, 0)))
    os.ftruncate(descriptor, whole)
    return whole
