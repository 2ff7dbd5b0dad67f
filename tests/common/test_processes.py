import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.errors import InputError
from common.processes import (
    EngineFailedError,
    check_ports,
    child_process,
    free_ports,
    is_port_taken,
    wait_for_port,
)


def test_a_program_that_ends_before_it_answers_is_told_with_its_last_words(tmp_path):
    log = tmp_path / "log"
    [port] = free_ports(1)
    command = ["sh", "-c", "echo no memory left; exit 3"]

    with (
        child_process(command, log=log) as process,
        pytest.raises(EngineFailedError, match=r"ended with code 3[\s\S]*no memory left"),
    ):
        wait_for_port(process, port, log=log, timeout_s=10)


def test_a_program_that_does_not_answer_in_time_is_told(tmp_path):
    log = tmp_path / "log"
    [port] = free_ports(1)

    with (
        child_process(["sleep", "60"], log=log) as process,
        pytest.raises(EngineFailedError, match=f"No answer on port {port} within 0 s"),
    ):
        wait_for_port(process, port, log=log, timeout_s=0.2)

    assert process.returncode is not None


def test_a_child_ends_with_a_parent_that_is_killed(tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from common.processes import child_process\n"
        f"with child_process(['sleep', '60'], log=Path({str(tmp_path / 'log')!r})) as process:\n"
        f"    Path({str(pid_file)!r}).write_text(str(process.pid) + chr(10))\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    child = wait_for(lambda: pid_file.exists() and pid_file.read_text().strip())
    # By then the child is what it was to become, and the kernel knows whose it is.
    wait_for(lambda: Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep"))

    parent.kill()
    parent.wait()

    assert wait_for(lambda: not is_alive(child))


def test_only_a_port_that_another_program_listens_on_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert is_port_taken("127.0.0.1", port)
    assert not is_port_taken("127.0.0.1", port)
    assert not is_port_taken("127.0.0.1", -1)
    assert not is_port_taken("no-such-host.invalid", port)


def test_all_ports_that_are_taken_are_named_with_flags_for_others():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InputError) as refusal:
            check_ports("127.0.0.1", {"gRPC": port, "REST": port, "none": 0}, command="serve it")
    assert str(refusal.value) == (
        f"Already in use on 127.0.0.1: port {port} (gRPC) and port {port} (REST). Stop the program "
        "that listens there, or choose other ports, such as:\n"
        "serve it -- --port=9000 --rest_api_port=9001"
    )
    check_ports("127.0.0.1", {"gRPC": port, "REST": -1}, command="serve it")


def is_alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("it did not happen within 20 s")
