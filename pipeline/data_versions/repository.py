"""Repositories with DVC: their files in the working copy and at a commit."""

import os
import shlex
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from common.git.calls import run_git
from common.git.urls import show_url
from pipeline.data_versions.outputs import (
    LOCK_FILE,
    PIPELINE_FILE,
    SUFFIX,
    TrackedOutput,
    is_tracking_file,
    outputs_of,
)

_EXPORT_TIMEOUT_S = 600
_GIT_ERRORS = (FileNotFoundError, subprocess.SubprocessError)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository with DVC.

    Attributes:
        root: Its top folder; without git, the folder that holds `.dvc`.
        dvc_root: The folder that holds `.dvc`.
        head: The commit of the working copy, or empty without one.
    """

    root: Path
    dvc_root: Path
    head: str = ""

    def name_of(self, path: str | Path) -> str:
        """Returns the path of a file in the repository, with slashes."""
        return Path(path).relative_to(self.root).as_posix()

    def origin(self) -> str:
        """Returns the URL that the repository was cloned from, without credentials, or empty."""
        try:
            url = run_git(self.root, "remote", "get-url", "origin").decode().strip()
        except _GIT_ERRORS:
            return ""
        return show_url(url)

    def read(self, name: str) -> bytes | None:
        """Returns the content of a file of the working copy, or None without one."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def tracking_files(self) -> list[str]:
        """Returns the files of the working copy that record outputs, committed or not."""
        command = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--")
        try:
            listed = run_git(self.root, *command, f"*{SUFFIX}", LOCK_FILE, f"*/{LOCK_FILE}")
        except _GIT_ERRORS:
            return sorted(self._walked())
        names = {os.fsdecode(name) for name in listed.split(b"\0") if name}
        return sorted(name for name in names if is_tracking_file(name) and self._has(name))

    def _walked(self) -> Iterable[str]:
        for here, folders, names in os.walk(self.dvc_root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (self.name_of(Path(here, name)) for name in names if is_tracking_file(name))

    def _has(self, name: str) -> bool:
        return (self.root / name).is_file()

    def commit_of(self, revision: str) -> str:
        """Returns the full commit of a revision, such as a tag or a short commit.

        Raises:
            InputError: git knows no such revision.
        """
        name = f"{revision}^{{commit}}"  # no option of git ends so
        try:
            found = run_git(self.root, "rev-parse", "--verify", "--quiet", name)
        except _GIT_ERRORS as error:
            raise InputError(
                f"--data-rev: git knows no revision {revision or repr(revision)} in {self.root}. "
                f"Give a commit, a tag or a branch that `git -C {shlex.quote(str(self.root))} "
                "log --all` shows; `git fetch` gets new ones."
            ) from error
        return found.decode().strip()

    def names_at(self, commit: str) -> list[str]:
        """Returns all files that git has at a commit."""
        listed = run_git(self.root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        return [os.fsdecode(name) for name in listed.split(b"\0") if name]

    def contents_at(self, commit: str, names: Iterable[str]) -> dict[str, bytes]:
        """Returns the content of files at a commit, by path; files that it lacks are left out."""
        # git takes one name a line.
        wanted = [name for name in names if "\n" not in name]
        request = b"".join(os.fsencode(f"{commit}:{name}\n") for name in wanted)
        answer = run_git(self.root, "cat-file", "--batch", stdin=request) if wanted else b""
        contents, start = {}, 0
        for name in wanted:
            end = answer.index(b"\n", start)
            head = answer[start:end]
            start = end + 1
            if head.endswith((b" missing", b" ambiguous")):
                continue
            size = int(head.rpartition(b" ")[2])
            contents[name] = answer[start : start + size]
            start += size + 1
        return contents

    def export(self, commit: str, target: Path) -> None:
        """Writes the files that git has at a commit to a folder; touches nothing else.

        Raises:
            InputError: git cannot read the commit's files.
        """
        # An index of its own leaves that of the working copy as it is.
        index = {"GIT_INDEX_FILE": str(target) + ".index"}
        try:
            run_git(self.root, "read-tree", commit, env=index)
            run_git(
                self.root, "checkout-index", "--all", "--force", f"--prefix={target}/",
                env=index, timeout_s=_EXPORT_TIMEOUT_S,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(
                f"git cannot write the files of {commit[:12]} of {self.root}: {' '.join(words)}. "
                "Check the repository with `git fsck`."
            ) from error
        finally:
            Path(index["GIT_INDEX_FILE"]).unlink(missing_ok=True)

    def changed_in(self, target: Path, commit: str, names: Iterable[str]) -> list[str]:
        """Returns the files of an exported folder that differ from those of the commit."""
        wanted = list(names)
        if not wanted:
            return []
        git_dir = run_git(self.root, "rev-parse", "--absolute-git-dir").decode().strip("\n")
        env = {
            "GIT_DIR": git_dir,
            "GIT_WORK_TREE": str(target),
            "GIT_INDEX_FILE": str(target) + ".index",
        }
        try:
            run_git(target, "read-tree", commit, env=env)
            listed = run_git(
                target, "diff", "--name-only", "-z", "--no-ext-diff",
                env=env, timeout_s=_EXPORT_TIMEOUT_S,
            )  # fmt: skip
        finally:
            Path(env["GIT_INDEX_FILE"]).unlink(missing_ok=True)
        return sorted({os.fsdecode(name) for name in listed.split(b"\0")} & set(wanted))


def find_dvc_root(path: Path) -> Path | None:
    """Returns the nearest folder at or above a path that holds `.dvc`, or None.

    Args:
        path: A file or folder, absolute; it need not exist.
    """
    return next((folder for folder in (path, *path.parents) if (folder / ".dvc").is_dir()), None)


def open_repository(dvc_root: Path) -> Repository:
    """Returns the repository whose DVC folder is in `dvc_root`."""
    try:
        prefix = run_git(dvc_root, "rev-parse", "--show-prefix").decode().strip("\n/")
        depth = len(Path(prefix).parts)
        root = dvc_root.parents[depth - 1] if depth else dvc_root
    except _GIT_ERRORS:
        return Repository(root=dvc_root, dvc_root=dvc_root)
    try:
        head = run_git(dvc_root, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()
    except _GIT_ERRORS:
        head = ""
    return Repository(root=root, dvc_root=dvc_root, head=head)


def outputs_in(
    names: Iterable[str], read: Callable[[str], bytes | None]
) -> Mapping[str, TrackedOutput]:
    """Returns the outputs that tracking files record, by path in the repository."""
    return {output.path: output for name in names for output in outputs_of(name, read)}


def with_pipelines(names: Iterable[str]) -> list[str]:
    """Returns tracking files and, of each `dvc.lock`, the `dvc.yaml` beside it."""
    listed = list(names)
    locks = [name for name in listed if Path(name).name == LOCK_FILE]
    return listed + [Path(name).with_name(PIPELINE_FILE).as_posix() for name in locks]
