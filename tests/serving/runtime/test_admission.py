"""The share of the threads, and the slots, that calls of one model may hold."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from serving.errors import ServingError
from serving.runtime.admission import Admission, ModelSlots
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


class TestSlots:
    @staticmethod
    def start(slots, pool, number, order) -> Future[None]:
        """Starts a call that notes its number once it has a slot; returns after it waits."""

        def call() -> None:
            with slots.hold("half"):
                order.append(number)

        future = pool.submit(call)
        time.sleep(0.05)
        return future

    def test_calls_beyond_the_slots_of_their_model_wait_in_their_order(self):
        slots, order = ModelSlots(1), []
        with ThreadPoolExecutor(5) as pool:
            with slots.hold("half"):
                waiting = [self.start(slots, pool, number, order) for number in range(5)]
                assert order == []
                with slots.hold("another"):  # has slots of its own
                    pass
            for future in waiting:
                future.result(5)
        assert order == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("timeout_s", [0.1, -1.0])
    def test_a_call_whose_deadline_passes_leaves_the_queue(self, timeout_s):
        slots = ModelSlots(1)
        with slots.hold("half"):
            for _ in range(3):
                with (
                    deadline_at(time.monotonic() + timeout_s),
                    pytest.raises(ServingError) as caught,
                    slots.hold("half"),
                ):
                    pass
                assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        # The slot did not go to a call that had left.
        with deadline_at(time.monotonic() + 1), slots.hold("half"):
            pass

    def test_a_free_slot_is_taken_even_past_the_deadline(self):
        # The call then fails like one without slots, in the run.
        with deadline_at(time.monotonic() - 1), ModelSlots(1).hold("half"):
            pass

    def test_no_more_calls_of_a_model_than_slots_run_at_a_time(self):
        slots, lock, running, most = ModelSlots(3), threading.Lock(), 0, 0

        def call(_: int) -> None:
            nonlocal running, most
            with slots.hold("half"):
                with lock:
                    running += 1
                    most = max(most, running)
                time.sleep(0.002)
                with lock:
                    running -= 1

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(call, range(200)))
        assert (running, most) == (0, 3)

    def test_an_admission_with_slots_refuses_no_call_for_want_of_a_slot(self):
        admission, admitted = Admission(100, num_slots=1), []

        def call() -> None:
            with admission.admit("half"):
                admitted.append(True)

        with ThreadPoolExecutor(20) as pool:
            with admission.admit("half"):
                futures = [pool.submit(call) for _ in range(20)]
                time.sleep(0.1)
                assert admitted == []
            for future in futures:
                future.result(5)
        assert len(admitted) == 20
