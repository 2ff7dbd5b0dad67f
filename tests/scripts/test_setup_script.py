"""What scripts/setup.sh does when, with fakes in place of Python, uv and the glibc script."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
# Answers the script's questions; `-m venv FOLDER` copies it there, with a fake uv beside it.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
*version_info*) echo {version} ;;
*calcsize*) echo {bits} ;;
*ensurepip*) exit {no_venv} ;;
*_base_executable*) echo "$0" ;;
*CXX*) echo {compiler} ;;
*get_path*) echo {headers} ;;
--version) echo Python {version} ;;
"-m venv"*)
    echo "$@" >>"$LOG"
    for folder; do :; done
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python"
    printf '#!/bin/sh\\necho uv "$@" >>"$LOG"\\n' >"$folder/bin/uv"
    printf 'sleep ${{UV_SLEEP:-0}}\\nexit ${{UV_EXIT:-0}}\\n' >>"$folder/bin/uv"
    chmod +x "$folder/bin/uv" ;;
"-m pip"*) echo pip >>"$LOG" ;;
esac
"""


@dataclass
class Project:
    """A folder with the set-up script and fakes around it."""

    folder: Path

    @property
    def stamp(self) -> Path:
        return self.folder / ".venv" / ".installed"

    def host(self, *, release: str) -> None:
        text = f'echo "glibc $1" >>"$LOG"\necho {release}\n'
        if release == "unsupported":
            text = "echo no glibc here >&2\nexit 2\n"
        (self.folder / "scripts" / "newer_glibc.sh").write_text(text)

    def python(self, name: str = "python3", **answers: str | int) -> Path:
        headers = self.folder.parent / "include"
        headers.mkdir(exist_ok=True)
        (headers / "Python.h").touch()
        usual = {"version": "3.12", "bits": 64, "no_venv": 0, "compiler": "sh", "headers": headers}
        path = self.folder.parent / name
        path.write_text(FAKE_PYTHON.format(**usual | answers))
        path.chmod(0o755)
        return path

    def set_up(self, python: Path | None = None, *, uv_exit: int = 0) -> tuple[int, str, list[str]]:
        """Runs the script; returns its exit code, its errors and what it called."""
        log = self.folder.parent / "log"
        log.write_text("")
        environment = {
            "PATH": f"{self.folder.parent}:{os.environ['PATH']}",
            "LOG": str(log),
            "UV_EXIT": str(uv_exit),
        }
        if python is not None:
            environment["PYTHON"] = str(python)
        process = subprocess.run(
            ["sh", self.folder / "scripts" / "setup.sh"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        calls = [" ".join(line.split()[:3]) for line in log.read_text().splitlines()]
        return process.returncode, process.stderr, calls


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPTS / "setup.sh", folder / "scripts")
    for name in ("requirements.lock", "pyproject.toml", "scripts/bootstrap.txt"):
        (folder / name).touch()
    project = Project(folder)
    project.host(release="enough")
    project.python()
    return project


ALL_CALLS = ["glibc --check", "-m venv .venv", "pip", "uv pip sync", "uv pip install"]


def test_a_fresh_folder_gets_everything_and_a_second_call_installs_nothing(
    project: Project,
) -> None:
    assert project.set_up() == (0, "", ALL_CALLS)
    assert project.set_up() == (0, "", [])


def test_an_old_glibc_gets_a_copied_interpreter_and_the_newer_libraries(project: Project) -> None:
    project.host(release="trixie")

    code, _, calls = project.set_up()

    assert code == 0
    copied = ["glibc --check", "-m venv --copies", "pip", "glibc .venv"]
    assert calls == [*copied, "uv pip sync", "uv pip install"]


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "scripts/bootstrap.txt"])
def test_a_change_installs_only_the_difference(project: Project, name: str) -> None:
    project.set_up()
    (project.folder / name).write_text("changed")

    assert project.set_up() == (0, "", ["uv pip sync", "uv pip install"])


def test_what_was_interrupted_is_made_anew_but_not_downloaded_again(project: Project) -> None:
    code, _, _ = project.set_up(uv_exit=130)
    assert code == 130
    assert not project.stamp.exists()
    cached, half = (project.folder / ".venv" / name for name in ("cache", "lib"))
    cached.mkdir()
    half.mkdir()

    assert project.set_up() == (0, "", ALL_CALLS)
    assert cached.exists()
    assert not half.exists()


def test_an_interrupted_change_is_not_taken_for_ready(project: Project) -> None:
    project.set_up()
    (project.folder / "requirements.lock").write_text("changed")
    project.set_up(uv_exit=1)
    (project.folder / "requirements.lock").write_text("")

    assert project.set_up() == (0, "", ALL_CALLS)


def test_a_moved_folder_is_set_up_anew(project: Project) -> None:
    project.set_up()
    moved = Project(project.folder.rename(project.folder.with_name("moved")))

    assert moved.set_up() == (0, "", ALL_CALLS)


def test_another_python_makes_another_environment(project: Project) -> None:
    project.set_up()

    assert project.set_up(project.python("other", version="3.13")) == (0, "", ALL_CALLS)
    # Without a wish, what is there is good.
    assert project.set_up() == (0, "", [])


def test_an_environment_whose_interpreter_broke_is_made_anew(project: Project) -> None:
    project.set_up()
    (project.folder / ".venv" / "bin" / "python").unlink()

    assert project.set_up() == (0, "", ALL_CALLS)


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        ({"version": "3.10"}, "is Python 3.10, and TFX 1.21 needs 3.11, 3.12 or 3.13. Name one"),
        ({"version": "3.14"}, "is Python 3.14, and TFX 1.21 needs 3.11, 3.12 or 3.13. Name one"),
        ({"bits": 32}, "is a 32-bit build, and the wheels of TFX are 64-bit. Name a 64-bit"),
        ({"no_venv": 1}, "has no venv module. Install it (Debian, Ubuntu: apt-get install"),
        (
            {"compiler": "no-g++"},
            "no C++ compiler (no-g++) to compile a dependency, pyfarmhash. Install",
        ),
        (
            {"headers": "/nowhere"},
            "no Python.h in /nowhere to compile a dependency, pyfarmhash. Install",
        ),
    ],
    ids=["old", "new", "32-bit", "no-venv", "no-compiler", "no-headers"],
)
def test_a_python_that_cannot_work_stops_set_up_before_anything_is_made(
    project: Project, fake: dict[str, str | int], message: str
) -> None:
    code, error, calls = project.set_up(project.python("other", **fake))

    assert (code, calls) == (2, [])
    assert message in error
    assert not (project.folder / ".venv").exists()


def test_a_missing_python_stops_set_up(project: Project) -> None:
    code, error, calls = project.set_up(project.folder / "nothing")

    assert (code, calls) == (2, [])
    assert "nothing is not on the path. Install Python 3.11, 3.12 or 3.13" in error


def test_a_host_that_cannot_work_stops_set_up_before_anything_is_made(project: Project) -> None:
    project.host(release="unsupported")

    assert project.set_up() == (2, "no glibc here\n", [])
    assert not (project.folder / ".venv").exists()


def test_on_a_terminal_the_packages_are_counted_on_one_line(project: Project) -> None:
    (project.folder / "requirements.lock").write_text("one==1 \\\n    --hash=sha256:0\ntwo==2\n")
    (project.folder / ".venv" / "cache" / "archive-v0" / "unpacked").mkdir(parents=True)
    terminal, stderr = os.openpty()
    environment = {
        "PATH": f"{project.folder.parent}:{os.environ['PATH']}",
        "LOG": str(project.folder.parent / "log"),
        "UV_SLEEP": "0.3",
    }
    setup = ["sh", project.folder / "scripts" / "setup.sh"]
    subprocess.run(setup, env=environment, stderr=stderr, check=True)
    printed = os.read(terminal, 10_000).decode()
    os.close(stderr)
    os.close(terminal)

    assert printed.count("\n") == 1
    assert "Installing the packages of requirements.lock: 1 of 2 unpacked\r" in printed
