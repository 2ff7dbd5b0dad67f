"""Files of the controller: what of the journal it has applied, and whether it is alive."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from common.errors import InputError
from common.output_folder import hold, is_held

_APPLIED = "applied.json"
_CONTROLLER_LOCK = "controller.lock"
_POLL_S = 0.01

Kept = TypeVar("Kept")


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How far the gateway has followed the journal.

    Attributes:
        sequence: Number of the last entry that the gateway's traffic follows.
        problem: Why the traffic of an entry could not be applied; empty without a problem.
        problem_of: Number of that entry; 0 without a problem.
    """

    sequence: int
    problem: str = ""
    problem_of: int = 0


def write_json(path: Path, values: Any) -> None:
    """Writes a file that a reader sees either as it was or as it is to be."""
    incoming = path.with_name(f".{path.name}.incoming")
    with incoming.open("w", encoding="utf-8") as file:
        json.dump(values, file, separators=(",", ":"))
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    incoming.replace(path)


def read_json(path: Path, kind: type[Kept]) -> Kept | None:
    """Returns what `write_json` wrote of a dataclass; None without a file.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}. Remove it.") from error


def write_applied(folder: Path, applied: Applied) -> None:
    """Says what the gateway has applied."""
    write_json(folder / _APPLIED, asdict(applied))


def forget_applied(folder: Path) -> None:
    """Forgets what the gateway applied of an earlier journal, which was moved aside."""
    (folder / _APPLIED).unlink(missing_ok=True)


def read_applied(folder: Path) -> Applied | None:
    """Returns what the gateway has applied; None if none ever did.

    Raises:
        InputError: The file cannot be read.
    """
    return read_json(folder / _APPLIED, Applied)


@contextmanager
def controlling(folder: Path) -> Iterator[None]:
    """Is the only controller of a model; ends with the process, however it ends.

    Raises:
        InputError: Another process is.
    """
    refusal = (
        f"Another `faultline serve --gateway` serves {folder.name} from this output folder. "
        "Stop it first."
    )
    with hold(folder / _CONTROLLER_LOCK, refusal):
        yield


def is_controlled(folder: Path) -> bool:
    """Whether a gateway runs that follows the journal; needs no right to write."""
    return is_held(folder / _CONTROLLER_LOCK)


def wait_until_applied(folder: Path, sequence: int, *, timeout_s: float) -> Applied | None:
    """Waits until the gateway has applied an entry of the journal.

    Args:
        folder: The model's folder of rollouts.
        sequence: Number of the entry.
        timeout_s: Longest wait in seconds.

    Returns:
        What is applied; None if the gateway ended first or needed longer.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        applied = read_applied(folder)
        if applied and applied.sequence >= sequence:
            return applied
        if time.monotonic() > deadline or not is_controlled(folder):
            return None
        time.sleep(_POLL_S)
