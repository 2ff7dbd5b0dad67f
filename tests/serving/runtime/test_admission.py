"""The share of the threads that calls of one model may hold."""

import threading
import time
from contextlib import ExitStack

import grpc
import pytest

from serving.errors import ServingError
from serving.runtime.admission import Admission
from serving.runtime.deadlines import deadline_at


def num_admitted(admission: Admission, model: str, holding: ExitStack) -> int:
    """Holds as many calls of a model as are admitted."""
    number = 0
    while True:
        try:
            holding.enter_context(admission.admit(model))
        except ServingError:
            return number
        number += 1


def test_each_hung_model_holds_half_of_what_the_others_leave():
    admission = Admission(100)
    with ExitStack() as holding:
        # A call is admitted while its model holds fewer threads than are free: 50 of 100, then 25
        # of 50, then 13 of 25.
        models = ("first", "second", "third")
        assert [num_admitted(admission, model, holding) for model in models] == [50, 25, 13]
        with admission.admit("healthy"):
            pass


def test_threads_that_are_free_again_can_be_held_again():
    admission = Admission(10)
    for _ in range(3):
        with ExitStack() as holding:
            assert num_admitted(admission, "half", holding) == 5


def test_the_refusal_names_the_model():
    admission = Admission(2)
    with (
        admission.admit("half"),
        pytest.raises(ServingError, match="Calls of model half in progress: 1; free") as caught,
        admission.admit("half"),
    ):
        pass
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_a_closed_admission_refuses_all_and_waits_for_those_in_progress():
    admission = Admission(10)
    assert admission.wait_until_idle(0)
    with admission.admit("half"):
        admission.close()
        assert not admission.wait_until_idle(0.01)
        with pytest.raises(ServingError, match="The server is stopping"), admission.admit("other"):
            pass
        idle: list[bool] = []
        waiting = threading.Thread(target=lambda: idle.append(admission.wait_until_idle(10)))
        waiting.start()
    waiting.join(10)
    assert idle == [True]


def test_calls_past_their_deadlines_are_not_waited_for():
    admission = Admission(10)
    started_s = time.monotonic()
    with (
        deadline_at(started_s + 0.1),
        admission.admit("hung"),
        deadline_at(started_s + 0.3),
        admission.admit("hung"),
    ):
        admission.close()
        # Both calls are still in progress, the second one past its deadline after 0.3 s.
        assert not admission.wait_until_idle(10)
        assert 0.3 <= time.monotonic() - started_s < 5
    assert admission.wait_until_idle(0)
