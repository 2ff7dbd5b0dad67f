"""The distributions `faultline` and `faultline-client`, as far as their sources tell."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import faultline
from common.software.lock_file import read_lock
from tests.load_imports import PROJECT

_CLIENT = PROJECT / "clients" / "python"


def project(folder: Path) -> dict:
    """The `pyproject.toml` of a folder."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def test_both_distributions_have_one_version_and_one_licence():
    assert project(_CLIENT)["project"]["version"] == project(PROJECT)["project"]["version"]
    licence = (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert (_CLIENT / "LICENSE").read_text(encoding="utf-8") == licence
    # The whole text, with its appendix.
    assert "Apache License\n" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "APPENDIX: How to apply the Apache License to your work." in licence


def test_the_client_allows_the_versions_that_are_tested():
    asked = [Requirement(text) for text in project(_CLIENT)["project"]["dependencies"]]
    pins = {
        canonicalize_name(pin.name): pin.version for pin in read_lock(PROJECT / "requirements.lock")
    }
    assert {need.name for need in asked} == {"grpcio", "httpx", "numpy", "protobuf", "tenacity"}
    assert [need.name for need in asked if pins[need.name] not in need.specifier] == []


def test_every_file_of_a_package_goes_into_the_wheel():
    """Other files than modules need a pattern in pyproject.toml; setup.py copies serving/deploy."""
    data = project(PROJECT)["tool"]["setuptools"]["package-data"]
    patterns = [f"{package.replace('.', '/')}/{glob}" for package in data for glob in data[package]]
    folders = project(PROJECT)["tool"]["setuptools"]["packages"]["find"]["include"]
    left_out = [
        path.relative_to(PROJECT).as_posix()
        for folder in folders
        for path in (PROJECT / folder.rstrip("*")).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
        if not path.is_relative_to(PROJECT / "serving" / "deploy")
        if not any(path.relative_to(PROJECT).match(pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_nobody_is_told_to_install_our_name_from_a_public_index():
    texts = {
        path: path.read_text(encoding="utf-8")
        for folder in ("docs", "clients", "commands", "common", "pipeline", "production", "serving")
        for path in (PROJECT / folder).rglob("*")
        if path.suffix in {".py", ".md"}
    }
    texts[PROJECT / "README.md"] = (PROJECT / "README.md").read_text(encoding="utf-8")
    order = re.compile(r"pip3? install (?:-\S+ )*['\"]?faultline(?![\w./])")
    assert [path for path, text in texts.items() if order.search(text)] == []
    assert order.search("run `pip install 'faultline[gateway]'`")


def test_the_sources_are_beside_the_program_in_a_checkout_and_in_one_folder_of_a_wheel(tmp_path):
    assert faultline.HOME == PROJECT
    (tmp_path / "faultline_home").mkdir()
    (tmp_path / "faultline.py").write_bytes((PROJECT / "faultline.py").read_bytes())
    program = "import faultline; print(faultline.HOME)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path / 'faultline_home'}\n"


def test_the_program_puts_its_sources_before_all_other_packages(tmp_path):
    home = tmp_path / "faultline_home"
    for folder, text in ((home, "def main(): print('ours')"), (tmp_path, "raise ValueError")):
        (folder / "commands").mkdir(parents=True)
        (folder / "commands" / "__init__.py").touch()
        (folder / "commands" / "command_line.py").write_text(f"{text}\n")
    (tmp_path / "faultline.py").write_bytes((PROJECT / "faultline.py").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "faultline"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "ours\n", done.stderr


@pytest.mark.parametrize("before", [None, "/own/modules"])
def test_faultline_python_is_python_with_the_sources_first(before, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "execve", lambda *call: calls.append(call))
    monkeypatch.setattr(sys, "argv", ["faultline-python", "-m", "beam_runner"])
    if before is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", before)
    faultline.python()
    [(program, arguments, environment)] = calls
    assert (program, arguments) == (sys.executable, [sys.executable, "-m", "beam_runner"])
    assert environment["PYTHONPATH"] == ":".join(filter(None, [str(PROJECT), before]))
