"""Git commit of the code of a run."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from common.git.calls import TIMEOUT_S, run_git
from common.paths import BUILT_FROM

UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class GitState:
    """The commit of the code.

    Attributes:
        commit: Full commit id, or `unknown`.
        dirty: Whether files differed from the commit, untracked ones included.
        note: Why the commit is unknown; empty if it is known.
    """

    commit: str = UNKNOWN
    dirty: bool = False
    note: str = ""


def read_own_git(project: Path) -> GitState:
    """Returns the commit of Faultline's own sources; a wheel holds that of its build.

    Args:
        project: Folder of the sources.
    """
    record = project / BUILT_FROM
    if record.is_file():
        return GitState(**json.loads(record.read_text(encoding="utf-8")))
    return read_git(project)


def read_git(folder: Path, *, whole_repository: bool = False) -> GitState:
    """Returns the commit of a project, or why it is unknown.

    Args:
        folder: The project's folder, or with `whole_repository` any folder of its repository.
        whole_repository: Whether files of the repository outside `folder` count too.
    """
    files = ":/" if whole_repository else "."
    try:
        if not _git(folder, "ls-files", "--", files):
            # The project may be an unversioned folder inside another repository.
            return GitState(note="the project's files are not under version control")
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--", files)
    except FileNotFoundError:
        return GitState(note="git is not installed")
    except subprocess.TimeoutExpired:
        return GitState(note=f"git did not answer within {TIMEOUT_S} s")
    except subprocess.CalledProcessError as error:
        return GitState(note=_git_reason(error.stderr.decode(errors="replace")))
    return GitState(commit=commit, dirty=bool(changes))


def _git(folder: Path, *arguments: str) -> str:
    return run_git(folder, *arguments).decode(errors="surrogateescape").strip()


def _git_reason(stderr: str) -> str:
    """Returns the kind of failure, without the paths in git's message."""
    if "not a git repository" in stderr:
        return "not a git repository"
    if "dubious ownership" in stderr:
        return "git does not trust the folder's owner"
    return "git cannot determine the commit"
