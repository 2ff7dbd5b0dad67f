"""Paths as people read them."""

import os
from pathlib import Path

BUILT_FROM = "built_from.json"
"""File beside the sources of a wheel, with their commit; setup.py writes it."""


def tidy_path(path: Path) -> Path:
    """Returns the path without `x/..` and `.` parts where it still means the same file.

    It would not where `x` is a link to a folder elsewhere; then the path stays as it is.

    >>> tidy_path(Path("configs/../schema/signals.pbtxt")).as_posix()
    'schema/signals.pbtxt'
    """
    tidied = Path(os.path.normpath(path))
    return tidied if os.path.realpath(tidied) == os.path.realpath(path) else path


def shown_path(path: str | Path) -> str:
    """Returns a path as a person types it here: relative if it is below the working directory."""
    whole, here = Path(path).absolute(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(path)
