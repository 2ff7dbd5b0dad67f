"""Errors that the command line turns into exit codes."""


class InputError(ValueError):
    """Invalid user input: a file, row, column or YAML key.

    The message states what was found, what was expected and what to do. The command line prints it
    without a traceback and exits with code 2.
    """


class StepFailedError(RuntimeError):
    """A step of a run failed for a reason other than user input; the cause is attached."""
