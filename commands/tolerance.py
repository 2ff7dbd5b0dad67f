"""Commands that go on for days survive problems that pass or that a person removes."""

from collections.abc import Callable
from typing import TypeVar

from common.errors import InputError, StepFailedError

_Result = TypeVar("_Result")
# A full disk, a lock, a damaged file, a server that is down.
_PASSING = (InputError, StepFailedError, OSError)


class Tolerant:
    """Calls actions whose errors may pass; says each problem once.

    Args:
        say: Prints a line for people.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._problems: dict[Callable[[], object], str] = {}

    def __call__(self, action: Callable[[], _Result]) -> _Result | None:
        """Calls an action, which the caller calls again later; returns None if it failed."""
        try:
            result = action()
        except _PASSING as error:
            if self._problems.get(action) != str(error):
                self._problems[action] = str(error)
                self._say(f"Tries again: {error}")
            return None
        self._problems.pop(action, None)
        return result
