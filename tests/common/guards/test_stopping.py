import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from common.guards.stopping import (
    Stopped,
    as_stop,
    check_not_stopped,
    exit_code,
    stop_number,
    stop_signals,
    stop_words,
)

PROJECT = Path(__file__).resolve().parents[3]


def run(code: str) -> tuple[int, str]:
    """Runs a program that stops itself; returns its exit code and its output."""
    head = (
        "import os, signal, sys, time\n"
        "from common.guards.stopping import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def handled(number):
    """Python's own handling of a signal, also where the tests run in the background."""
    inherited = signal.signal(number, signal.default_int_handler)
    yield
    signal.signal(number, inherited)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises_stopped_with_its_number(number, handled):
    before = signal.getsignal(number)
    with stop_signals():
        with pytest.raises(Stopped) as caught:
            os.kill(os.getpid(), number)
        assert exit_code(caught.value) == 128 + number
        assert as_stop(RuntimeError("a library's")).number == number
    assert signal.getsignal(number) == before


def test_a_request_stays_until_the_next_command_and_is_none_without_a_signal():
    with stop_signals():
        check_not_stopped()
        error = RuntimeError()
        assert as_stop(error) is error
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            check_not_stopped()
        as_stop(KeyboardInterrupt())
        os.kill(os.getpid(), signal.SIGTERM)  # while the command ends: nothing is raised
    with stop_signals():
        assert stop_number() == 0


def test_words_and_codes_of_an_interrupt_without_a_signal_are_those_of_ctrl_c():
    assert (stop_words(KeyboardInterrupt()), exit_code(KeyboardInterrupt())) == (
        "stopped by Ctrl-C",
        130,
    )
    assert stop_words(Stopped(signal.SIGTERM)) == "stopped by SIGTERM"


def test_another_thread_changes_no_handler():
    before = signal.getsignal(signal.SIGTERM)
    handlers = []

    def work():
        with stop_signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [before]


def test_a_lost_exception_is_raised_again():
    code, out = run(
        "import common.guards.stopping as stopping\n"
        "stopping._RAISE_AGAIN_S = 0.3\n"
        "with stop_signals():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except BaseException:\n"
        "        pass  # as a callback from C does\n"
        "    try:\n"
        "        time.sleep(30)\n"
        "    except Stopped as error:\n"
        "        print('again', error.number)\n"
        "        as_stop(error)\n"
    )
    assert (code, out) == (0, "again 2\n")


def test_a_process_that_does_not_end_by_itself_is_ended():
    code, _ = run(
        "import common.guards.stopping as stopping\n"
        "stopping._END_WITHIN_S = 0.5\n"
        "with stop_signals():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except Stopped as error:\n"
        "        as_stop(error)\n"
        "    time.sleep(30)\n"
    )
    assert code == 143


def test_an_ignored_signal_stays_ignored():
    code, out = run(
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with stop_signals():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('alive')\n"
    )
    assert (code, out) == (0, "alive\n")
