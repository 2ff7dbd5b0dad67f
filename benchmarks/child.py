"""Measurements in a process of their own, which imports and caches of this one cannot change."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


def run_module(name: str, *arguments: str) -> Any:
    """Runs `python -m NAME` and returns the JSON value in the last line that it prints.

    Raises:
        subprocess.CalledProcessError: It failed; its messages are on standard error.
    """
    command = [sys.executable, "-m", name, *arguments]
    done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])
