"""Calls of git that only read a repository."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_S = 20


def run_git(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """Returns what git prints.

    Args:
        folder: The folder that git runs in.
        *arguments: The subcommand and its arguments.
        stdin: What git reads from its standard input.
        env: Variables to set besides those of this process.
        timeout_s: Time limit, in seconds.

    Raises:
        FileNotFoundError: git is not installed.
        subprocess.TimeoutExpired: git did not answer in time.
        subprocess.CalledProcessError: git failed; its words are in `stderr`, as bytes.
    """
    # A git hook sets variables that point to its own repository.
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        # Reading must not refresh the index during a concurrent commit.
        ["git", "--no-optional-locks", *arguments],
        cwd=folder,
        env=own | dict(env or {}),
        input=stdin,
        capture_output=True,
        check=True,
        timeout=timeout_s,
    )
    return done.stdout
