"""Files of JSON lines that survive a kill: a line is on the disk once it is appended."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from common.errors import InputError
from common.guards import durable_files
from common.output_folder import open_private

_LOCK_TIMEOUT_S = 10.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock, so that one writer at a time appends to a file.

    Args:
        path: File of the lock; its folder is made.

    Raises:
        InputError: Another command holds it for too long, or the folder cannot be written to.
    """
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LOCK_TIMEOUT_S)
    except Timeout as error:
        raise InputError(
            f"Another command has held {path} for {_LOCK_TIMEOUT_S:.0f} s. Wait for it to end, and "
            "repeat this one."
        ) from error
    except OSError as error:
        raise InputError(
            f"Cannot write to {path.parent}: {error.strerror or error}. It must be a folder that "
            "this account may write to."
        ) from error
    try:
        yield
    finally:
        lock.release()


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Appends a line, which is on the disk when this returns.

    A last line that a kill cut short is removed: nobody acted on it.

    Args:
        path: The file; one writer at a time. Its folder is made. A new file is for its owner only,
            since lines quote what clients send.
        values: JSON values of the line.

    Raises:
        InputError: The disk is full, or the file cannot be written; it is then as before.
    """
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b", buffering=0, opener=open_private) as file:
            line = text.encode(errors="replace") + b"\n"
            durable_files.append_line(file.fileno(), line)
        durable_files.sync(path.parent)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Nothing was changed. Free some disk "
            "space or allow this account to write there, and repeat the command."
        ) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of a file; none if there is no file. A line that was cut short is none.

    Raises:
        InputError: A line is no JSON object, or the file cannot be read.
    """
    lines, problems = read_sound_lines(path)
    if problems:
        raise InputError(problems[0])
    return list(lines.values())


def read_sound_lines(path: Path) -> tuple[dict[int, dict[str, Any]], list[str]]:
    """Returns the lines of a file that are sound, and what is wrong with the others.

    Args:
        path: The file; without it there are no lines.

    Returns:
        Number of each sound line, from 1, to its values; and a sentence for each damaged line.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    lines, problems = {}, []
    for number, line in enumerate(durable_files.whole_lines(content).splitlines(), 1):
        values = _parse(line)
        if values is None:
            problems.append(
                f"{path}, line {number}: it is no JSON object. The file was changed by something "
                "other than Faultline. Restore it from a backup, or move it aside."
            )
        else:
            lines[number] = values
    return lines, problems


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
