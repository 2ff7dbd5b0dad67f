"""Builds the wheel: all sources in one folder, so that their names hide no other package.

`datasets`, `models` or `common` at the top of an environment would be found by every program there.
A wheel therefore holds them in the folder `faultline_home`, which is no package, and one module
beside it: `faultline`, whose `main` puts that folder on its own module path. An editable install
leaves the sources where they are.
"""

import json
import runpy
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info
from setuptools.command.sdist import sdist

HOME, PROGRAM, BUILT_FROM = "faultline_home", "faultline.py", "built_from.json"
# What the sources look up beside themselves, and what people copy from: see docs/package.md.
FILES = (
    *("configs", "schema", "notebooks", "serving/deploy"),
    *("requirements.lock", "pyproject.toml", "README.md", "LICENSE"),
)


class BuildHome(build_py):
    """Copies packages, modules and files into `faultline_home`."""

    def finalize_options(self) -> None:
        """Moves the target one folder down, except for an editable install."""
        super().finalize_options()
        self.top = Path(self.build_lib)
        if not self.editable_mode:
            self.build_lib = str(self.top / HOME)

    def run(self) -> None:
        """Builds from nothing: an earlier build may have left files that are gone now."""
        if self.editable_mode:
            super().run()
            return
        record = commit()  # before there are new files
        shutil.rmtree(self.top, ignore_errors=True)
        super().run()
        copy_files(self.top / HOME, record)
        shutil.copy2(PROGRAM, self.top / PROGRAM)


class TopLevelNames(egg_info):
    """Records the only importable name; setuptools would list every package."""

    def run(self) -> None:
        """Overwrites `top_level.txt`."""
        super().run()
        (Path(self.egg_info) / "top_level.txt").write_text("faultline\n", encoding="utf-8")


class SourceDistribution(sdist):
    """Adds what a wheel is built from, and the commit."""

    def run(self) -> None:
        """Reads the commit before there are new files, which would count as changes."""
        self.record = commit()
        super().run()

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copies the files of the distribution, and those of `FILES`."""
        super().make_release_tree(base_dir, files)
        copy_files(Path(base_dir), self.record)


def copy_files(target: Path, record: dict[str, object]) -> None:
    """Copies `FILES` as far as they exist, and writes the commit that they are from."""
    for name in FILES:
        if Path(name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(name, target / name, ignore=ignored, dirs_exist_ok=True)
        elif Path(name).is_file():
            shutil.copy2(name, target / name)
    (target / BUILT_FROM).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def commit() -> dict[str, object]:
    """Returns the commit of the sources; a source distribution has recorded it."""
    if Path(BUILT_FROM).is_file():
        return dict(json.loads(Path(BUILT_FROM).read_text(encoding="utf-8")))
    sys.path.insert(0, str(Path().resolve()))  # that of a build has no working directory
    git_state = runpy.run_path("pipeline/lineage/git_state.py")
    return asdict(git_state["read_git"](Path()))


setup(cmdclass={"build_py": BuildHome, "egg_info": TopLevelNames, "sdist": SourceDistribution})
