"""A program in a fork of the warm process, beside the same with an interpreter of its own."""

import os
import signal
import subprocess
import sys

import pytest

from tests.e2e.forking import run_in_fork

pytestmark = pytest.mark.e2e

_PROGRAM = """
import atexit, json, os, signal, sys
atexit.register(print, "at exit")
state = {
    "name": __name__,
    "file": __file__,
    "arguments": sys.argv,
    "path": sys.path,
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "leads a session": os.getsid(0) == os.getpgrp() == os.getpid(),
    "signals": [str(signal.getsignal(number)) for number in (2, 1, 15)],
    "files": sorted(os.listdir("/proc/self/fd")),
    "umask": os.umask(0o22),
    "project": sorted({"common", "models", "pipeline", "tests"} & set(sys.modules)),
}
print(json.dumps(state, indent=1, sort_keys=True))
print("to people", file=sys.stderr)
exec(sys.argv[1])
"""
_ENDINGS = {
    "pass": 0,
    "sys.exit(7)": 7,
    "sys.exit('in words')": 1,
    "os._exit(3)": 3,
    "os.kill(os.getpid(), signal.SIGINT)": -signal.SIGINT,
    "os.kill(os.getpid(), signal.SIGTERM)": -signal.SIGTERM,
    "os.kill(os.getpid(), signal.SIGKILL)": -signal.SIGKILL,
}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "source" / "program.py"
    path.parent.mkdir()
    path.write_text(_PROGRAM)
    return str(path)


@pytest.mark.parametrize(("ending", "code"), _ENDINGS.items())
def test_a_program_is_in_the_state_of_a_new_interpreter_and_ends_like_it(
    program, tmp_path, ending, code
):
    environment = {**os.environ, "HOME": str(tmp_path), "ONLY_HERE": "ü"}
    forked = run_in_fork([program, ending], cwd=tmp_path, environment=environment, timeout_s=60)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    own = subprocess.run(
        [sys.executable, program, ending],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert forked[:2] == (own.returncode, own.stdout)
    assert forked[0] == code
    # A traceback of the fork also has the lines that started the program.
    assert forked[2].splitlines()[0] == own.stderr.splitlines()[0] == "to people"
    assert forked[2].splitlines()[-1] == own.stderr.splitlines()[-1]


def test_the_libraries_are_there(program, tmp_path):
    libraries = "print({'tensorflow', 'tfx', 'apache_beam'} <= set(sys.modules))"
    _, out, _ = run_in_fork(
        [program, libraries], cwd=tmp_path, environment=os.environ, timeout_s=60
    )
    assert out.splitlines()[-2] == "True"


def test_a_program_that_does_not_end_is_killed_with_what_it_started(program, tmp_path):
    child = "import subprocess; subprocess.run(['sleep', '600'])"
    with pytest.raises(subprocess.TimeoutExpired):
        run_in_fork([program, child], cwd=tmp_path, environment=os.environ, timeout_s=2)
    # The pipes are closed, so nobody holds them; and the next program runs.
    assert (
        run_in_fork([program, "pass"], cwd=tmp_path, environment=os.environ, timeout_s=60)[0] == 0
    )
