"""Repeated attempts to read rows when the server breaks off."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from tenacity import RetryCallState, Retrying, stop_after_attempt, wait_chain, wait_fixed

from common.errors import InputError
from pipeline.reading.sql.failures import TransientError, UnreachableError

# Long enough for a server to start again.
WAITS_S = (2.0, 8.0, 20.0)
Result = TypeVar("Result")


def read_again(
    read: Callable[[], Result],
    *,
    on_failure: Callable[[str], None],
    waits_s: Sequence[float] = WAITS_S,
) -> Result:
    """Calls a function that reads rows, again if the server broke off.

    Each attempt has to begin anew, with a connection and a snapshot of its own: rows of two
    snapshots are no snapshot. A server that the first attempt cannot reach is not waited for.

    Args:
        read: Reads the rows; leaves nothing when it fails.
        on_failure: Gets a sentence on each attempt that another one follows.
        waits_s: Seconds before the second and every further attempt.

    Raises:
        InputError: That of the last attempt, with the number of attempts.
    """

    def say(state: RetryCallState) -> None:
        wait_s = state.next_action.sleep if state.next_action is not None else 0.0
        on_failure(f"{_error_of(state)} Trying again in {wait_s:.0f} s.")

    attempts = Retrying(
        retry=_may_pass,
        wait=wait_chain(*map(wait_fixed, waits_s)),
        stop=stop_after_attempt(len(waits_s) + 1),
        before_sleep=say,
        reraise=True,
    )
    try:
        return attempts(read)
    except InputError as error:
        number = int(attempts.statistics["attempt_number"])
        if number == 1:
            raise
        raise InputError(f"{error} This was attempt {number} of {len(waits_s) + 1}.") from None


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


def _may_pass(state: RetryCallState) -> bool:
    error = _error_of(state)
    is_restarting = state.attempt_number > 1 and isinstance(error, UnreachableError)
    return is_restarting or isinstance(error, TransientError)
