"""Distributions built from a copy of the checkout, and environments that they are installed in."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
_BUILD = "import sys; from setuptools import build_meta; "
_BUILD += "print(getattr(build_meta, f'build_{sys.argv[1]}')(sys.argv[2]))"
_FILES = (
    *("setup.py", "pyproject.toml", "README.md", "LICENSE", "requirements.lock"),
    *("configs", "schema", "notebooks", "clients"),
)
# Notes the modules of the checkout that a process has loaded when it ends.
_LEAKS = """\
import atexit, sys

def note():
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    leaks = [
        file for file in files if file.startswith({project!r}) and not file.startswith({allowed!r})
    ]
    if leaks:
        with open({record!r}, "a") as stream:
            stream.write("\\n".join(leaks) + "\\n")

atexit.register(note)
"""


def packages() -> tuple[str, ...]:
    """The packages at the top of the checkout that the wheel holds."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    found = project["tool"]["setuptools"]["packages"]["find"]["include"]
    return tuple(pattern.rstrip("*") for pattern in found)


def copy_checkout(folder: Path) -> Path:
    """Copies what distributions are built from into a repository; returns `folder`."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    modules = [f"{name}.py" for name in project["tool"]["setuptools"]["py-modules"]]
    # A kernel that another test runs in notebooks/ has sockets there, which cannot be copied.
    ignored = shutil.ignore_patterns(
        "__pycache__", "*.egg-info", "src", "build", "dist", "kernel-ipc-*"
    )
    folder.mkdir(parents=True)
    for name in (*packages(), *modules, *_FILES):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, folder / name, ignore=ignored, symlinks=True)
        elif (PROJECT / name).is_file():
            shutil.copy2(PROJECT / name, folder / name)
    shutil.copy2(PROJECT / ".gitignore", folder)
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    _git(folder, "commit", "-q", "-m", "a copy")
    return folder


def commit(folder: Path) -> str:
    """The commit of a repository."""
    return _git(folder, "rev-parse", "HEAD")


def _git(folder: Path, *arguments: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=own,
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


def build(kind: str, source: Path, target: Path) -> Path:
    """Builds a distribution as pip does; returns its file.

    Args:
        kind: `wheel`, `sdist` or `editable`.
        source: Folder with `pyproject.toml`.
        target: Folder for the file.
    """
    target.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _BUILD, kind, str(target)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return target / done.stdout.strip().splitlines()[-1]


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip.

    Attributes:
        folder: Its folder.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where packages are installed."""
        return next((self.folder / "lib").glob("python3*")) / "site-packages"

    @property
    def leaks(self) -> Path:
        """The modules of the checkout that its processes loaded; missing if there are none."""
        return self.folder / "leaks.txt"

    def variables(self) -> dict[str, str]:
        """The environment variables of a shell in which it is active."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return kept | {"PATH": f"{self.folder / 'bin'}:{kept['PATH']}"}

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end."""
        return subprocess.run(
            command,
            cwd=cwd,
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )

    def install(self, *arguments: str) -> None:
        """Installs packages by uv; skips the test where they are neither cached nor reachable."""
        done = _uv(self.python, arguments)
        if "error sending request" in done.stderr or "Failed to fetch" in done.stderr:
            pytest.skip(f"the packages cannot be downloaded here: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr

    def borrow_dependencies(self) -> None:
        """Puts this environment's packages on the path, without its `.pth` files.

        One of these names the checkout. The processes note what they load from there.
        """
        ours = sysconfig.get_path("purelib")
        (self.site_packages / "borrowed.pth").write_text(f"{ours}\nimport leak_check\n")
        text = _LEAKS.format(
            project=f"{PROJECT}/", allowed=f"{sys.prefix}/", record=str(self.leaks)
        )
        (self.site_packages / "leak_check.py").write_text(text)


def new_environment(folder: Path) -> Environment:
    """Makes an environment with this interpreter."""
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    if (Path(sys.prefix) / "glibc").is_dir():
        # Set-up has given this interpreter a newer glibc; the one of the system has none.
        (folder / "bin" / "python3").unlink()
        shutil.copy2(Path(sys.executable).resolve(), folder / "bin" / "python3")
    return Environment(folder)


def _uv(python: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip(f"uv is not installed at {uv}; `make setup` installs it")
    return subprocess.run(
        [str(uv), "pip", "install", "-q", "--python", str(python), *arguments],
        env={**os.environ, "UV_CACHE_DIR": str(Path(sys.prefix) / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
