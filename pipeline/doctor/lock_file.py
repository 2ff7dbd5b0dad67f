"""Reads `requirements.lock`: all pins, and those that runs need.

`python -m pipeline.doctor.lock_file requirements.lock` prints the latter, for the container image.
It needs only the standard library, because it runs before anything is installed.
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


def main(arguments: Sequence[str]) -> None:
    """Prints the part of the lock file `arguments[0]` that a run needs."""
    pins = runtime_pins(read_lock(Path(arguments[0])))
    sys.stdout.write("\n".join(pin.text for pin in pins) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
