"""One way to stop a command: Ctrl-C, SIGTERM and SIGHUP end it in order, with 128 + the signal.

Python raises an exception for a signal in whatever the main thread does. Libraries lose it: in a
callback from C, in a destructor, or as the cause of an error of their own. So the request is also
kept, and asked for before each step and before the push; as long as nobody has handled it, it is
raised again.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_S = 0.25
_RAISE_AGAIN_S = 3.0
# Within the 30 s that Kubernetes and compose grant.
_END_WITHIN_S = 20.0


class Stopped(KeyboardInterrupt):
    """A signal asked this process to stop.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass
class _Request:
    """The request to stop.

    Attributes:
        number: The signal, or 0 without a request.
        handled_s: Monotonic time at which the command began to end; 0 before.
        is_open: Whether signals are handled here.
    """

    number: int = 0
    handled_s: float = 0.0
    is_open: bool = False


_request = _Request()


@contextmanager
def stop_signals() -> Iterator[None]:
    """Raises `Stopped` in the main thread on Ctrl-C, SIGTERM and SIGHUP while the context is open.

    A signal that this process was started to ignore, as by `nohup`, stays ignored. An inner context
    and one of another thread change nothing.
    """
    if _request.is_open or threading.current_thread() is not threading.main_thread():
        yield
        return
    _request.number, _request.handled_s, _request.is_open = 0, 0.0, True
    heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _on_signal) for number in heeded}
    main = threading.get_ident()
    threading.Thread(target=_insist, args=(main,), name="stop", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _request.is_open = False


def stop_number() -> int:
    """Returns the signal that asked this process to stop, or 0."""
    return _request.number


def check_not_stopped() -> None:
    """Checks that nobody asked this process to stop.

    Raises:
        Stopped: Somebody did, even if the exception was lost on its way.
    """
    if _request.number:
        raise Stopped(_request.number)


def as_stop(error: BaseException) -> BaseException:
    """Returns the error, or `Stopped` if it is only what a library made of a request to stop.

    The caller ends the command: from here on, the signal is not raised again.
    """
    if not _request.number:
        return error
    _request.handled_s = _request.handled_s or time.monotonic()
    return error if isinstance(error, Stopped) else Stopped(_request.number)


def stop_words(error: BaseException) -> str:
    """Returns what stopped a run: `stopped by Ctrl-C` or `stopped by SIGTERM`."""
    number = error.number if isinstance(error, Stopped) else signal.SIGINT
    return f"stopped by {'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name}"


def exit_code(error: BaseException) -> int:
    """Returns the exit code of a stopped command: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    if _request.handled_s:
        return  # the command is ending; a second signal must not cost the summary
    _request.number = _request.number or number
    raise Stopped(_request.number)


def _insist(main: int) -> None:
    """Raises a signal again that was lost, and ends a process that does not end by itself."""
    raised_s = 0.0
    while _request.is_open or _request.number:
        time.sleep(_POLL_S)
        now = time.monotonic()
        if not _request.number:
            continue
        if _request.handled_s:
            if now - _request.handled_s > _END_WITHIN_S:
                os._exit(128 + _request.number)
        elif raised_s == 0.0:
            raised_s = now
        elif now - raised_s > _RAISE_AGAIN_S:
            raised_s = now
            signal.pthread_kill(main, _request.number)
