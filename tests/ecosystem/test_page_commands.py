"""Blocks of the pages, executed as they are printed, in folders that have what they need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.page_blocks import EXECUTED, PROJECT, blocks, entries

pytestmark = pytest.mark.ecosystem

_LONGEST_S = 600
_PROGRAM = {"sh": "sh -eu", "bash": "bash -eu", "python": f"{sys.executable} -"}
_LINKED = ("common", "configs", "kubeflow_runner.py", "requirements.lock", "schema", "serving")
[_MAKE_READINGS] = [
    text for page, text in blocks("python") if page == "docs/tutorial.md" and "csv" in text
]
CASES = [
    pytest.param(language, text, EXECUTED[entry], id=f"{page} {text[:24]}")
    for language in _PROGRAM
    for page, text in blocks(language)
    for entry in entries(page, text)
    if entry in EXECUTED
]


def execute(program: str, text: str, folder: Path) -> str:
    """Gives a block to its interpreter in a folder; returns what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        program.split(),
        input=text,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with links to what the checkout has, so that nothing is written into it."""
    folder = tmp_path_factory.mktemp("files")
    for name in _LINKED:
        (folder / name).symlink_to(PROJECT / name)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder with a finished run of the use case `wells`, whose model is also named `pump`."""
    folder = tmp_path_factory.mktemp("run")
    execute(_PROGRAM["python"], _MAKE_READINGS.replace("readings.csv", "wells.csv"), folder)
    commands = (
        "faultline init wells.csv --label failed\nfaultline run --config configs/wells.yaml\n"
    )
    execute(_PROGRAM["sh"], commands, folder)
    serving = folder / "output" / "serving"
    (serving / "pump").symlink_to(serving / "wells")
    return folder


@pytest.mark.parametrize(("language", "text", "state"), CASES)
def test_a_block_can_be_executed_as_it_is_printed(language, text, state, request):
    if "kubeflow_runner" in text:
        pytest.importorskip("kfp", reason="kfp is not installed: make ecosystem-tools")
    execute(_PROGRAM[language], text, request.getfixturevalue(state))
