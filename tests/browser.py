"""Headless Chromium, for tests that look at pages."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_TIMEOUT_S = 100


def needs_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test as end to end, and skips it where Chromium is not installed."""
    skip = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
    marked: Callable[..., None] = pytest.mark.e2e(skip(test))
    return marked


def open_page(page: Path, scratch: Path) -> tuple[list[str], int]:
    """Opens a page; returns what its console printed, and the size of a picture of it in bytes.

    Args:
        page: The page; files beside it are read as it links them.
        scratch: A folder for the browser's profile and the picture.
    """
    picture = scratch / "page.png"
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--v=0", "--virtual-time-budget=5000", f"--user-data-dir={scratch / 'profile'}"),
            *("--window-size=1400,3000", f"--screenshot={picture}", page.absolute().as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return lines, picture.stat().st_size
