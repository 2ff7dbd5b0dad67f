"""Errors that the command line turns into exit codes."""


class InputError(ValueError):
    """Bad input: a file, row, column or YAML key that the user gave.

    The message says what was found, what was expected and what to do. The command line prints it
    without a traceback and ends with exit code 2.
    """


class StepFailedError(RuntimeError):
    """A step of a run failed for a reason that is not the user's; the cause is attached."""
