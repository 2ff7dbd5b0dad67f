"""Checks that this machine can run the pipeline, each with a result and a remedy."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.output_folder import OutputFolder
from common.paths import BUILT_FROM
from common.software.lock_file import Pin, read_lock, runtime_pins
from pipeline.components.pusher.version_folder import find_damaged_versions, served_versions
from pipeline.doctor.loading import MODULES, load_modules

if TYPE_CHECKING:
    from rich.console import RenderableType

PYTHON_VERSIONS = ((3, 11), (3, 12), (3, 13))
MIN_GLIBC = (2, 39)  # platform tag of the wheels of ml-metadata and TFDV
MIN_FREE_BYTES = 2 * 1024**3
VENV_GIB = 4.1  # measured: du of .venv after set-up, its cache included
BEAM_RUNNER = "FnApiRunner, in_memory"
_BEAM_OPTIONS = "pipeline/wiring/beam_options.py"
_ABSENT = "not installed"
_TESTED_WITH = "tested with "
_SET_UP = "Run `make setup` in the project's folder."
_INSTALL_AGAIN = "Install the wheel with the versions of requirements.lock (docs/package.md)."


@dataclass(frozen=True, kw_only=True)
class Check:
    """Result of checking one requirement of a run.

    Attributes:
        name: Name of the requirement.
        found: The actual state.
        expected: The required state.
        ok: Whether the requirement is met.
        hint: Remedy if it is not met; otherwise empty.
        in_table: Whether the table shows the check even if it passes.
        stops_run: Whether a run fails if the check does not pass.
    """

    name: str
    found: str
    expected: str
    ok: bool
    hint: str = ""
    in_table: bool = True
    stops_run: bool = True

    def to_json(self) -> dict[str, Any]:
        """Returns the check as a JSON object."""
        internal = {"in_table", "stops_run"}
        return {key: value for key, value in asdict(self).items() if key not in internal}


def run_checks(output_dir: Path, lock_path: Path) -> list[Check]:
    """Runs all checks of this machine; takes about ten seconds because it loads TensorFlow.

    Args:
        output_dir: Folder that runs would write to; it need not exist.
        lock_path: The project's requirements.lock.
    """
    loaded = load_modules(MODULES.values())
    is_wheel = (lock_path.parent / BUILT_FROM).is_file()
    installation = [
        check_python(sys.version_info[:2]),
        check_glibc(_glibc_version()),
        *check_packages(lock_path, _installed_version, is_wheel=is_wheel),
        *check_modules(loaded),
    ]
    return [
        *(map(_without_make, installation) if is_wheel else installation),
        check_beam_runner(loaded),
        check_free_disk(output_dir, _free_bytes),
        check_output_folder(output_dir),
        *check_pushed_versions(output_dir),
    ]


def _without_make(check: Check) -> Check:
    """Returns a check whose hint needs no checkout."""
    return replace(check, hint=_INSTALL_AGAIN) if "make setup" in check.hint else check


def check_python(version: tuple[int, int]) -> Check:
    """Checks the interpreter's major and minor version."""
    *others, last = [f"{major}.{minor}" for major, minor in PYTHON_VERSIONS]
    expected = f"{', '.join(others)} or {last}"
    ok = version in PYTHON_VERSIONS
    hint = "" if ok else f"Make .venv with Python {expected}: make setup PYTHON=python{last}"
    return Check(
        name="Python", found=platform.python_version(), expected=expected, ok=ok, hint=hint
    )


def check_glibc(version: str | None) -> Check:
    """Checks the C library of this process; None means that it is not glibc."""
    ok = version is not None and tuple(map(int, version.split(".")[:2])) >= MIN_GLIBC
    return Check(
        name="glibc",
        found=version or "none",
        expected=f">= {MIN_GLIBC[0]}.{MIN_GLIBC[1]}",
        ok=ok,
        hint="" if ok else f"{_SET_UP} It gives .venv a newer one on Debian 12 and Ubuntu 22.04.",
    )


def _glibc_version() -> str | None:
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        return None
    return name.removeprefix("glibc ") if name else None


def check_packages(
    lock_path: Path, installed_version: Callable[[str], str | None], *, is_wheel: bool = False
) -> list[Check]:
    """Checks the version of every package that the lock file pins for this machine.

    Args:
        lock_path: The lock file.
        installed_version: Returns a package's installed version, or None where there is none.
        is_wheel: Whether an installer has chosen the versions, within the ranges of the wheel: then
            they may differ from the lock file.
    """
    from packaging.markers import Marker

    try:
        pins = read_lock(lock_path)
    except (OSError, ValueError) as error:
        hint = "Run from the project's folder, or restore the file from git."
        return [
            Check(
                name="requirements.lock",
                found=str(error),
                expected="a lock file",
                ok=False,
                hint=hint,
            )
        ]
    runtime = {pin.name for pin in runtime_pins(pins)}
    here = [pin for pin in pins if not pin.marker or Marker(pin.marker).evaluate()]
    checks = [
        _check_package(
            pin,
            installed_version(pin.name),
            optional=pin.name not in runtime,
            any_version=is_wheel,
        )
        for pin in here
    ]
    wrong = sum(not check.ok for check in checks)
    absent = sum(check.ok and check.found == _ABSENT for check in checks)
    others = sum(check.ok and check.expected.startswith(_TESTED_WITH) for check in checks)
    summary = Check(
        name="requirements.lock",
        found=f"{len(checks) - wrong - absent - others} of {len(checks)} packages as pinned"
        + (f", {others} in another version" if others else "")
        + (f", {absent} for development left out" if absent else ""),
        expected="all that a run needs",
        ok=not wrong,
        hint=_SET_UP if wrong else "",
    )
    return [summary, *checks]


def _check_package(pin: Pin, installed: str | None, *, optional: bool, any_version: bool) -> Check:
    """Checks one package; development packages may be missing, as in the image."""
    differs = installed not in (None, pin.version)
    ok = installed == pin.version or (differs and any_version) or (optional and installed is None)
    tested = _TESTED_WITH if differs and any_version else ""
    return Check(
        name=pin.name,
        found=installed or _ABSENT,
        expected=tested + pin.version + (" for development" if optional else ""),
        ok=ok,
        hint="" if ok else _SET_UP,
        in_table=pin.is_direct,
    )


def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_modules(loaded: Mapping[str, str]) -> list[Check]:
    """Checks that each of `MODULES` loads.

    Args:
        loaded: The result of `load_modules`.
    """
    checks = []
    for label, module in MODULES.items():
        error = loaded.get(module, "the process ended before or while it was loaded")
        found = "loads" if not error else _shortened(error)
        hint = "" if not error else f"{_SET_UP} Then see: .venv/bin/python -c 'import {module}'"
        checks.append(Check(name=label, found=found, expected="loads", ok=not error, hint=hint))
    return checks


def _shortened(text: str, limit: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]} …"


def check_beam_runner(loaded: Mapping[str, str]) -> Check:
    """Checks the Beam runner of local runs; Beam's own default would download a program."""
    found = loaded.get("beam", "unknown")
    ok = found == BEAM_RUNNER
    hint = "" if ok else f"Correct LOCAL_BEAM_ARGS in {_BEAM_OPTIONS}, or fix the import error."
    return Check(name="Beam runner", found=found, expected=BEAM_RUNNER, ok=ok, hint=hint)


def check_free_disk(output_dir: Path, free_bytes: Callable[[Path], int]) -> Check:
    """Checks the free space where runs would write.

    Args:
        output_dir: Folder that runs would write to.
        free_bytes: Returns the free bytes of the disk that an existing folder is on.
    """
    free = free_bytes(_existing_parent(output_dir))
    ok = free >= MIN_FREE_BYTES
    return Check(
        name="Free disk",
        found=f"{free / 1024**3:.1f} GiB",
        expected=f">= {MIN_FREE_BYTES / 1024**3:.0f} GiB for runs; set-up takes {VENV_GIB} GiB",
        ok=ok,
        hint="" if ok else f"Free some space below {output_dir}, or choose another with --output.",
    )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def check_output_folder(output_dir: Path) -> Check:
    """Checks that runs can write to a folder by writing to it; leaves nothing behind."""
    error = ""
    try:
        with tempfile.TemporaryFile(dir=_existing_parent(output_dir)):
            pass
    except OSError as problem:
        error = problem.strerror or str(problem)
    return Check(
        name="Output folder",
        found=f"{output_dir}: {error}" if error else f"{output_dir} is writable",
        expected="a folder that can be written",
        ok=not error,
        hint="Give a folder that you may write to with --output." if error else "",
    )


def check_pushed_versions(output_dir: Path) -> list[Check]:
    """Checks that the served versions hold the files that were pushed; no check before a push."""
    root = OutputFolder(output_dir.absolute()).serving("x").parent
    try:
        bases = [base for base in sorted(root.iterdir()) if served_versions(base)]
    except OSError:  # nothing was pushed, or the folder is unreadable
        return []
    damage = [
        f"{base.name}/{version}: {change}"
        for base in bases
        for version, change in find_damaged_versions(base).items()
    ]
    check = Check(
        name="Pushed versions",
        found="; ".join(damage) or "unchanged since their push",
        expected="the files that were pushed",
        ok=not damage,
        hint="The next run pushes the newest model again; withdraw an older one." if damage else "",
        stops_run=False,
    )
    return [check] if bases else []


def _existing_parent(path: Path) -> Path:
    path = path.absolute()
    # Unlike Path.exists, this one is False for a folder inside one that cannot be searched.
    return next(folder for folder in (path, *path.parents) if os.path.exists(folder))  # noqa: PTH110


def render_checks(checks: Sequence[Check]) -> "RenderableType":
    """Returns a table of direct dependencies and failed checks, and the remedies."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table("", "check", "found", "expected", box=None, pad_edge=False)
    for check in checks:
        if check.in_table or not check.ok:
            mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
            table.add_row(mark, *map(escape, (check.name, check.found, check.expected)))
    wrong = [check for check in checks if not check.ok]
    # Packages with the same hint share one line.
    names = {hint: _names(wrong, hint) for hint in dict.fromkeys(check.hint for check in wrong)}
    hints = [Text.assemble((named, "red"), f": {hint}") for hint, named in names.items()]
    stops = any(check.stops_run for check in wrong)
    verdict = "A run would fail here." if stops else "This machine can run the pipeline."
    return Group(table, Text(), *hints, Text(verdict))


def _names(checks: Sequence[Check], hint: str) -> str:
    return ", ".join(check.name for check in checks if check.hint == hint)
