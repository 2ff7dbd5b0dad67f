"""Repeated attempts to read rows."""

from collections.abc import Callable

import pytest

from common.errors import InputError
from pipeline.reading.sql.failures import TransientError, UnreachableError
from pipeline.reading.sql.retries import read_again


def failing(*errors: Exception) -> Callable[[], str]:
    """Returns a function that raises these errors, one at each call, and then reads."""
    left = list(errors)

    def read() -> str:
        if left:
            raise left.pop(0)
        return "rows"

    return read


def test_rows_are_read_again_after_a_lost_connection_and_a_restart():
    said: list[str] = []
    read = failing(TransientError("Lost."), UnreachableError("Starting."))
    assert read_again(read, on_failure=said.append, waits_s=(0, 0)) == "rows"
    assert said == ["Lost. Trying again in 0 s.", "Starting. Trying again in 0 s."]


def test_the_last_error_says_how_often_it_was_tried():
    read = failing(*[TransientError("Lost.")] * 3)
    with pytest.raises(InputError, match=r"Lost\. This was attempt 3 of 3\."):
        read_again(read, on_failure=str, waits_s=(0, 0))


@pytest.mark.parametrize("error", [InputError("No such table."), UnreachableError("Nobody.")])
def test_other_errors_and_a_server_that_is_not_there_are_not_tried_again(error):
    with pytest.raises(type(error), match=rf"^{error}$"):
        read_again(failing(error), on_failure=pytest.fail, waits_s=(0, 0))
