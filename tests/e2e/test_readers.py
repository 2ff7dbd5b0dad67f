"""Commands of an account that may read the output folder and not write to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.harness import PROJECT, Done, Faultline, wells_csv, write_wells

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        os.getuid() != 0 or shutil.which("setpriv") is None,
        reason="needs root, who can give files to another account, and setpriv",
    ),
]

_NOBODY = 65534
# Root without its right to pass over permissions. It stays root, who can read this interpreter.
_WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner")


@pytest.fixture(scope="module")
def faultline(tmp_path_factory) -> Faultline:
    faultline = Faultline(PROJECT, tmp_path_factory.mktemp("readers") / "work")
    write_wells(faultline.cwd, wells_csv())
    done = faultline("run", "--config", "wells.yaml")
    assert done.code == 0, done.err + faultline.last_log()
    assert (faultline.output / "metadata.db").stat().st_mode & 0o777 == 0o600
    return faultline


def start_as_reader(faultline: Faultline, home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*_WITHOUT_RIGHTS, sys.executable, str(faultline.source / "faultline.py"), *arguments],
        cwd=home,
        env=os.environ | {"HOME": str(home), "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def as_reader(faultline: Faultline, home: Path, *arguments: str) -> Done:
    process = start_as_reader(faultline, home, *arguments)
    try:
        out, err = process.communicate(timeout=300)
    finally:
        process.kill()
    return Done(process.returncode, out, err)


@pytest.fixture
def home(tmp_path):
    """A folder that the reader may write to."""
    return tmp_path


@pytest.fixture(scope="module")
def readable(faultline):
    """The folder of the run, which belongs to another account and which all may read."""
    for path in (faultline.cwd, *faultline.cwd.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY)
        path.chmod(0o755 if path.is_dir() else 0o644)
    return faultline.cwd


def state_of(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs",),
        ("runs", "--json"),
        ("lineage", "latest", "--short"),
        ("explain", "3"),
        ("predict", "{place}/wells.csv", "--config", "{place}/wells.yaml", "--batch"),
    ],
)
def test_a_reader_gets_answers_and_writes_nothing(faultline, readable, home, arguments):
    before = state_of(readable)
    named = [argument.format(place=readable) for argument in arguments]
    done = as_reader(faultline, home, *named, "--output", str(readable / "output"))
    assert done.code == 0, done.err
    assert "Traceback" not in done.out + done.err
    assert state_of(readable) == before


def test_doctor_tells_a_reader_that_a_run_could_not_write(faultline, readable, home):
    done = as_reader(faultline, home, "doctor", "--json", "--output", str(readable / "output"))
    assert "Traceback" not in done.out + done.err
    checks = {check["name"]: check["ok"] for check in json.loads(done.out)}
    assert checks["Output folder"] is False
    assert checks["Pushed versions"] is True


def test_a_reader_can_serve(faultline, readable, home):
    flags = ("--", "--port=0", "--rest_api_port=-1")
    output = str(readable / "output")
    process = start_as_reader(faultline, home, "serve", "--output", output, *flags)
    try:
        line = process.stdout.readline()
        deadline = time.monotonic() + 120
        while "gRPC on" not in line and process.poll() is None and time.monotonic() < deadline:
            line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "gRPC on" in line, err
    assert "Traceback" not in err


def test_what_may_not_be_read_is_said_in_one_line(faultline, readable, home):
    database = readable / "output" / "metadata.db"
    database.chmod(0o600)
    try:
        done = as_reader(faultline, home, "runs", "--output", str(readable / "output"))
    finally:
        database.chmod(0o644)
    assert done.code == 2
    assert done.err.startswith(f"Error: This account may not read {database}.")
