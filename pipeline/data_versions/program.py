"""The program `dvc`, which fetches data from remotes."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from common.errors import InputError
from common.git.urls import show_urls
from common.guards.redaction import redact_text

VARIABLE = "FAULTLINE_DVC"
_ERROR = "ERROR:"


class DvcFailedError(Exception):
    """The program `dvc` failed; the message is its own, without credentials."""


def find_dvc(environ: Mapping[str, str] = os.environ) -> str:
    """Returns the program `dvc`: the one that FAULTLINE_DVC names, else that on the path.

    Raises:
        InputError: There is none.
    """
    named = environ.get(VARIABLE)
    program = shutil.which(named or "dvc", path=environ.get("PATH"))
    if program is None:
        what = f"{VARIABLE} names {named}, which is no program" if named else "there is no `dvc`"
        raise InputError(
            f"--data-rev fetches data by the program dvc, and {what}. Install DVC "
            "(https://dvc.org/doc/install) in an environment of its own, and put `dvc` on the PATH "
            f"or name it in {VARIABLE}."
        )
    return program


def get_data(dvc: str, repository: Path, path: str, *, commit: str, target: Path) -> None:
    """Writes a file or folder of a repository as it was at a commit; reads DVC's cache and remotes.

    Args:
        dvc: The program.
        repository: The repository.
        path: The file or folder in it.
        commit: The commit.
        target: Where it goes; nothing may be there.

    Raises:
        DvcFailedError: DVC failed.
    """
    # A git hook sets variables that point to its own repository.
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        [dvc, "get", "--rev", commit, "-o", str(target), "--", str(repository), path],
        env=own | {"DVC_NO_ANALYTICS": "1", "NO_COLOR": "1"},
        cwd=target.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith(_ERROR)] or lines
        words = " ".join(line.removeprefix(_ERROR).strip() for line in errors)
        text = show_urls(redact_text(words))
        raise DvcFailedError(text or f"dvc ended with code {done.returncode}")
