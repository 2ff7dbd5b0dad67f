"""Supervised processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from production.gateway.processes import Command, Supervised, end_leftovers, end_words, pause_s


def until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def has_become(pid, program):
    """Whether the child is what it was to become, so that the kernel knows whose it is."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(program)


def stopped(process):
    process.stop(time.monotonic() + 10)
    return process


def test_pauses_double_up_to_half_a_minute():
    assert [pause_s(n) for n in (1, 2, 3, 4, 8, 9, 10_000)] == [
        0.0,
        0.5,
        1.0,
        2.0,
        30.0,
        30.0,
        30.0,
    ]


@pytest.mark.parametrize(
    ("returncode", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-11, "signal 11 (SIGSEGV)"), (-40, "signal 40")],
)
def test_the_end_of_a_process_in_words(returncode, words):
    assert end_words(returncode) == words


def test_a_process_that_ends_is_started_again(tmp_path):
    process = Supervised("one", tmp_path, lambda: Command(arguments=["sleep", "60"]))
    process.step()
    first = process.pid
    os.kill(first, signal.SIGKILL)

    until(lambda: process.step() or process.pid not in {first, None})
    assert (process.num_starts, process.num_ends) == (2, 1)
    assert process.last_end == "signal 9 (SIGKILL)"
    assert is_running(process.pid)
    pid = stopped(process).pid
    assert pid is None


def test_a_process_that_ends_again_waits_before_it_is_started(tmp_path):
    process = Supervised("one", tmp_path, lambda: Command(arguments=["false"]))
    until(lambda: process.step() or process.num_starts == 2)
    second_s = time.monotonic()
    until(lambda: process.step() or process.num_starts == 3)
    assert time.monotonic() - second_s >= 0.5
    stopped(process)


def test_a_process_that_ignores_sigterm_is_killed_at_the_end_of_the_grace(tmp_path):
    script = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
    process = Supervised("deaf", tmp_path, lambda: Command(arguments=["sh", "-c", script]))
    process.step()
    pid = process.pid
    until(lambda: "deaf" in process.log.read_text())
    process.stop(time.monotonic() + 0.3)
    assert process.returncode == -signal.SIGKILL
    assert process.num_ends == 0  # it did not end by itself
    assert not is_running(pid)
    assert not list(tmp_path.glob("*.pid"))


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path):
    folder = tmp_path / "later"
    process = Supervised("one", folder, lambda: Command(arguments=["sleep", "60"]))
    with pytest.raises(FileNotFoundError):
        process.step()
    folder.mkdir()
    until(lambda: process.step() or process.pid is not None)
    assert process.num_starts == 1
    stopped(process)


def test_its_log_is_for_its_owner_only(tmp_path):
    process = Supervised("one", tmp_path, lambda: Command(arguments=["echo", "words"]))
    process.step()
    until(lambda: process.log.read_text() == "words\n")
    assert process.log.stat().st_mode & 0o777 == 0o600
    stopped(process)


def test_a_large_log_is_set_aside_when_the_process_is_started(tmp_path):
    with (tmp_path / "one.log").open("wb") as log:
        log.truncate(65 * 2**20)
    process = Supervised("one", tmp_path, lambda: Command(arguments=["echo", "words"]))
    process.step()
    until(lambda: process.log.read_text() == "words\n")
    assert (tmp_path / "one.log.1").stat().st_size == 65 * 2**20
    stopped(process)


_SUPERVISOR = """
import sys, time
from pathlib import Path
from production.gateway.processes import Command, Supervised
process = Supervised("one", Path(sys.argv[1]), lambda: Command(arguments=sys.argv[2:]))
process.step()
time.sleep(60)
"""


def supervisor(folder, *arguments):
    return subprocess.Popen([sys.executable, "-c", _SUPERVISOR, str(folder), *arguments])


def read_pid(folder):
    path = folder / "one.pid"
    return int(path.read_text().split()[0]) if path.exists() else 0


def test_the_processes_of_a_killed_supervisor_end_with_it(tmp_path):
    parent = supervisor(tmp_path, "sleep", "60")
    pid = until(lambda: read_pid(tmp_path))
    until(lambda: has_become(pid, b"sleep"))
    parent.kill()
    parent.wait()
    until(lambda: not is_running(pid))
    assert end_leftovers(tmp_path, grace_s=5) == []
    assert not list(tmp_path.glob("*.pid"))


def test_what_outlives_its_killed_supervisor_is_ended_by_the_next_one(tmp_path):
    script = "trap '' TERM; echo deaf; while true; do sleep 0.1; done"
    parent = supervisor(tmp_path, "sh", "-c", script)
    pid = until(lambda: read_pid(tmp_path))
    until(lambda: "deaf" in (tmp_path / "one.log").read_text())
    parent.kill()
    parent.wait()
    assert is_running(pid)
    assert end_leftovers(tmp_path, grace_s=0.2) == ["one"]
    assert not is_running(pid)


@pytest.mark.parametrize("text", ["", "12", "no number", "{pid} 1"])
def test_a_process_of_another_program_is_left_alone(text, tmp_path):
    other = subprocess.Popen(["sleep", "60"])
    try:
        (tmp_path / "one.pid").write_text(text.format(pid=other.pid))
        assert end_leftovers(tmp_path, grace_s=0) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
