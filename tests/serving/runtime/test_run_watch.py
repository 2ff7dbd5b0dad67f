"""When a model counts as hung; the clock is the test's."""

import math

import pytest

from serving.runtime import run_watch
from serving.runtime.deadlines import deadline_at
from serving.runtime.run_watch import RunWatch


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(run_watch, "time", clock)
    return clock


def time_out(watch: RunWatch, clock: Clock, *, after_s: float = 1.0) -> None:
    with deadline_at(clock.now_s + after_s), watch.watched():
        clock.now_s += after_s


def test_three_requests_in_a_row_that_time_out_make_a_model_hung(clock):
    watch = RunWatch()
    for _ in range(2):
        time_out(watch, clock)
    assert not watch.is_hung()
    time_out(watch, clock)
    assert watch.is_hung()


def test_an_answer_ends_it(clock):
    watch = RunWatch()
    for _ in range(5):
        time_out(watch, clock)
    watch.answered()
    assert not watch.is_hung()
    for _ in range(2):
        time_out(watch, clock)
    assert not watch.is_hung()


def test_without_new_requests_it_ends_after_30_seconds(clock):
    watch = RunWatch()
    for _ in range(5):
        time_out(watch, clock)
    clock.now_s += 29
    assert watch.is_hung()
    clock.now_s += 2
    assert not watch.is_hung()


def test_deadlines_that_are_too_short_for_any_model_do_not_count(clock):
    watch = RunWatch()
    for _ in range(100):
        time_out(watch, clock, after_s=0.01)
    assert not watch.is_hung()


def test_requests_still_running_after_their_deadline_count(clock):
    watch = RunWatch()
    with deadline_at(clock.now_s + 1):
        numbers = [watch.begin() for _ in range(3)]
    clock.now_s += 0.9
    assert not watch.is_hung()
    clock.now_s += 0.2
    assert watch.is_hung()
    watch.answered()
    for number in numbers:
        watch.end(number)
    assert not watch.is_hung()


def test_runs_that_never_end_do_not_make_an_idle_model_hung_for_ever(clock):
    watch = RunWatch()
    with deadline_at(clock.now_s + 1):
        for _ in range(3):
            watch.begin()
    clock.now_s += 30
    assert watch.is_hung()
    clock.now_s += 2
    assert not watch.is_hung()


def test_a_run_that_never_ends_does_not_make_a_model_hung_that_has_answered_since(clock):
    watch = RunWatch()
    with deadline_at(clock.now_s + 1):
        watch.begin()
    clock.now_s += 5
    watch.answered()
    clock.now_s += 11
    assert not watch.is_hung()


def test_a_request_without_a_deadline_counts_after_10_seconds_without_any_answer(clock):
    watch = RunWatch()
    with deadline_at(math.inf):
        watch.begin()
    clock.now_s += 9
    assert not watch.is_hung()
    watch.answered()  # another request
    clock.now_s += 9
    assert not watch.is_hung()
    clock.now_s += 2
    assert watch.is_hung()
