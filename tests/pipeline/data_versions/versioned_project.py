"""A project with data under DVC, written without the program: its files are plain YAML and JSON."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.output_folder import OutputFolder
from pipeline.config import Config
from pipeline.config_loading import load_config
from pipeline.data_versions.outputs import folder_md5, listing_bytes

ROWS = "a,y\n1,0\n2,1\n"
OTHER_ROWS = "a,y\n1,0\n2,0\n"
_CONFIG = """\
name: wells
label: {column: y, positive: 1}
data:
  path: %s
features:
  a: {kind: numeric}
"""


def md5(content: str | bytes) -> str:
    """The MD5 of a content."""
    raw = content.encode() if isinstance(content, str) else content
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def git(folder: Path, *arguments: str) -> str:
    """Runs git with an identity of its own, outside any hook's repository."""
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder, env=own, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def tracking(name: str, digest: str, extra: str = "") -> str:
    """The content of a `.dvc` file, as DVC 3 writes it."""
    return f"outs:\n- md5: {digest}\n  size: 12\n  hash: md5\n  path: {name}\n{extra}"


@dataclass(frozen=True)
class VersionedProject:
    """A repository with a config in `configs/`, and data beside it.

    Attributes:
        root: Its folder.
        output: An output folder.
    """

    root: Path
    output: OutputFolder

    def write(self, name: str, content: str | bytes) -> Path:
        """Writes a file, with its folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def track(self, name: str, digest: str) -> None:
        """Writes the `.dvc` file of a file or folder."""
        self.write(f"{name}.dvc", tracking(Path(name).name, digest))

    def track_folder(self, name: str, files: Mapping[str, str], *, in_cache: bool = True) -> str:
        """Writes a folder with its `.dvc` file and, in DVC's cache, its listing."""
        listing = {path: md5(content) for path, content in files.items()}
        for path, content in files.items():
            self.write(f"{name}/{path}", content)
        digest = folder_md5(listing)
        self.track(name, digest)
        if in_cache:
            place = f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
            self.write(place, listing_bytes(listing))
        return digest

    def commit(self, message: str = "change") -> str:
        """Commits everything that is not ignored, and returns the commit."""
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", message)
        return git(self.root, "rev-parse", "HEAD")

    def config(self, path: str) -> Config:
        """The use case with data at a path, relative to the folder of the config."""
        return load_config(self.write("configs/wells.yaml", _CONFIG % path))


def make_project(folder: Path) -> VersionedProject:
    """Makes a repository with DVC; git ignores its cache and the data, as DVC asks."""
    root = folder / "project"
    root.mkdir()
    git(root, "init", "--quiet")
    project = VersionedProject(root, OutputFolder(folder / "output"))
    project.output.root.mkdir()
    project.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    project.write(
        ".dvc/config", "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    )
    project.write(".gitignore", "/data/x.csv\n/data/days\n")
    return project
