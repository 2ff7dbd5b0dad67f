"""Wheel of the project, which ships its code to workers on other machines."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common.digests import code_digest
from common.errors import StepFailedError

PACKAGES = (
    "common",
    "measuring",
    "models",
    "serving",
    "datasets",
    "pipeline",
    "production",
    "commands",
)
_FILES = (
    *("faultline.py", "local_runner.py", "beam_runner.py", "kubeflow_runner.py"),
    *("pyproject.toml", "README.md", "LICENSE"),
)
_BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


def wheel_digest(project: Path) -> str:
    """Returns the digest of the code that goes into the wheel."""
    return code_digest([project / name for name in (*PACKAGES, "pyproject.toml")])


def build_wheel(project: Path, folder: Path) -> Path:
    """Returns the project's wheel, rebuilding it only if its code has changed.

    Args:
        project: The project's folder.
        folder: Folder for wheels, each in a subfolder named after its code digest.

    Raises:
        StepFailedError: The wheel cannot be built.
    """
    kept = folder / wheel_digest(project)[:16]
    if wheels := sorted(kept.glob("*.whl")):
        return wheels[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # Build from a copy: setuptools leaves folders beside its output.
        source, built = Path(scratch) / "source", Path(scratch) / "built"
        _copy(project, source)
        built.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", _BUILD, str(built)],
            check=False,  # the reason is reported below
            cwd=source,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StepFailedError(f"The project's wheel could not be built: {last}")
        built.rename(kept)
    [wheel] = kept.glob("*.whl")
    return wheel


def _copy(project: Path, source: Path) -> None:
    source.mkdir()
    for name in PACKAGES:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(project / name, source / name, ignore=ignore)
    for name in _FILES:
        if (project / name).exists():
            shutil.copy2(project / name, source / name)
