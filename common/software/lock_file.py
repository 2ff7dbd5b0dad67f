"""Reads `requirements.lock`: all pins, and those that runs need.

`python -m common.software.lock_file requirements.lock` prints the latter, for the container image;
with `serving/deploy/packages.txt` as a second argument, the packages that this file names, for the
serving image. It needs only the standard library, because it runs before anything is installed.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Below a package, uv lists its dependents: other packages, and the project itself.
_PROJECT = re.compile(r".*\(pyproject\.toml\)")
_PROJECT_GROUP = re.compile(r".*\(pyproject\.toml:.+\)")
_HEAD = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.*?))? \\$")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package of the lock file.

    Attributes:
        name: Name of the package.
        version: Its only version.
        marker: Environment marker, such as `python_full_version < '3.12'`; empty
            for all.
        required_by: Its dependents, as uv names them.
        text: Its lines in the lock file, including hashes.
    """

    name: str
    version: str
    marker: str
    required_by: frozenset[str]
    text: str

    @property
    def is_direct(self) -> bool:
        """Whether it is a direct run-time dependency of the project."""
        return any(_PROJECT.fullmatch(asker) for asker in self.required_by)


def read_lock(path: Path) -> list[Pin]:
    """Returns the packages that a lock file pins, in its order.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is not what `uv pip compile --generate-hashes` writes.
    """
    pins, block = [], list[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith((" ", "#")) and block:
            pins.append(_pin(block, path))
            block = []
        if line and not line.startswith("#"):
            block.append(line)
    return [*pins, _pin(block, path)] if block else pins


def _pin(block: Sequence[str], path: Path) -> Pin:
    head = _HEAD.match(block[0])
    if head is None:
        raise ValueError(
            f"{path}: cannot read {block[0]!r}, expected NAME==VERSION and hashes. "
            "Write the lock file with `make lock`."
        )
    if next(line for line in reversed(block) if not line.startswith("    #")).endswith("\\"):
        raise ValueError(
            f"{path}: the hashes of {head['name']} end in the middle; the file is cut off. "
            "Write the lock file with `make lock`."
        )
    notes = (line.strip().removeprefix("#").strip() for line in block if line.startswith("    #"))
    askers = (note.removeprefix("via").strip() for note in notes)
    return Pin(
        name=head["name"],
        version=head["version"],
        marker=head["marker"] or "",
        required_by=frozenset(filter(None, askers)),
        text="\n".join(block),
    )


def runtime_pins(pins: Iterable[Pin]) -> list[Pin]:
    """Returns the packages that a run needs, without those that only development needs.

    Raises:
        ValueError: The lock file does not list the dependents of a package.
    """
    pins = list(pins)
    needed = {pin.name for pin in pins if pin.is_direct}
    while True:
        more = {pin.name for pin in pins if needed & _packages(pin)} - needed
        if not more:
            return [pin for pin in pins if pin.name in needed]
        needed |= more


def _packages(pin: Pin) -> set[str]:
    if not pin.required_by:
        raise ValueError(
            f"The lock file does not say what needs {pin.name}; expected a `# via` below it. "
            "Write the lock file with `make lock`."
        )
    return {asker for asker in pin.required_by if not _PROJECT_GROUP.fullmatch(asker)}


def named_pins(pins: Iterable[Pin], names: Iterable[str]) -> list[Pin]:
    """Returns the packages of some names, without their dependencies.

    Raises:
        ValueError: The lock file does not pin one of them.
    """
    by_name = {pin.name: pin for pin in pins}
    names = list(names)
    if missing := [name for name in names if name not in by_name]:
        raise ValueError(
            f"The lock file does not pin {', '.join(missing)}. Correct the names, or write the "
            "lock file with `make lock`."
        )
    return [by_name[name] for name in names]


def read_names(path: Path) -> list[str]:
    """Returns the names in a file with one package a line and comments.

    Raises:
        OSError: The file cannot be read.
    """
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def main(arguments: Sequence[str]) -> None:
    """Prints the part of the lock file `arguments[0]` that a run needs.

    Args:
        arguments: The lock file and, optionally, a file with the names of the packages to print.
    """
    lock, *names = map(Path, arguments)
    pins = read_lock(lock)
    pins = named_pins(pins, read_names(names[0])) if names else runtime_pins(pins)
    sys.stdout.write("\n".join(pin.text for pin in pins) + "\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
