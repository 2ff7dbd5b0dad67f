"""Exit codes of commands, and the printing of their errors."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import click

EXIT_ERROR, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def exits_cleanly(command: Callable[..., int]) -> Callable[..., None]:
    """Turns a command's result and errors into exit codes; bad input prints no traceback."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        from common.guards.stopping import as_stop, stop_number, stop_signals
        from common.guards.vector_instructions import limit_vector_instructions

        limit_vector_instructions()
        with stop_signals():
            try:
                code = command(*args, **kwargs)
            except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001 - the last resort
                code = _report(as_stop(caught))
        if number := stop_number():
            # Libraries may have threads that never end, or that die with the interpreter.
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(128 + number)
        sys.exit(code)

    return wrapper


def _report(error: BaseException) -> int:
    """Prints why a command ended and returns its exit code; any other error is raised again."""
    from common.errors import InputError, StepFailedError
    from common.guards.redaction import redact_text
    from common.guards.stopping import exit_code, stop_words
    from common.guards.terminal import visible

    if isinstance(error, KeyboardInterrupt):
        code, words = exit_code(error), stop_words(error)
        with suppress(OSError):  # after SIGHUP there may be no terminal any more
            click.echo(
                "Stopped." if code == EXIT_INTERRUPTED else f"{words[0].upper()}{words[1:]}.",
                err=True,
            )
        return code
    if isinstance(error, PermissionError) and error.filename:
        error = InputError(f"This account may not access {error.filename}: {error.strerror}.")
    if not isinstance(error, InputError | StepFailedError):
        raise error
    words = "\n".join(map(visible, redact_text(str(error)).split("\n")))
    click.echo(f"Error: {words}", err=True)
    return EXIT_BAD_INPUT if isinstance(error, InputError) else EXIT_ERROR


def quiet_libraries() -> None:
    """Keeps ML Metadata's C++ log off the screen; has no effect after its first import."""
    os.environ.setdefault("GLOG_minloglevel", "3")
