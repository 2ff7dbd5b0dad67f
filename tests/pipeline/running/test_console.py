import io
import logging

import pytest
from rich.console import Console

from pipeline.running.console import RunConsole, format_duration
from pipeline.running.steps import FIRST_TIME, UNCHANGED, StepResult, StepState


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (41.4, "41 s"),
        (200.2, "3 min 20 s"),
        (119.9, "2 min 00 s"),
    ],
)
def test_durations_read_as_a_person_would_say_them(seconds, text):
    assert format_duration(seconds) == text


def _step(**changes: object) -> StepResult:
    values = {
        "name": "Trainer",
        "state": StepState.CACHED,
        "reason": "same inputs",
        "duration_s": 0.2,
        "execution_id": 3,
        "outputs": {},
    }
    return StepResult(**(values | changes))


def test_without_a_terminal_each_step_is_one_plain_line():
    stream = io.StringIO()
    with RunConsole(Console(file=stream, width=60)) as shown:
        shown.step_started("Trainer")
        logging.getLogger("faultline.progress").info("epoch 1/40")
        shown.step_ended(_step(), "eval PR-AUC 0.812, best epoch 12 of 20, threshold [0.31]")
    [line] = stream.getvalue().splitlines()
    assert line.split(maxsplit=4)[:4] == ["=", "Trainer", "cached", "0.2"]
    assert line.endswith("threshold [0.31] (same inputs)")
    assert "\x1b" not in line


def test_in_a_terminal_progress_shows_in_the_live_line():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with RunConsole(console) as shown:
        shown.step_started("Trainer")
        logging.getLogger("faultline.progress").info("epoch 7/40, eval PR-AUC 0.71")
        shown._live.refresh()
    assert "Trainer: epoch 7/40, eval PR-AUC 0.71, 0.0 s" in stream.getvalue()


def test_one_live_line_at_a_time_and_none_at_the_end():
    stream = io.StringIO()
    with RunConsole(Console(file=stream, force_terminal=True, width=100)) as shown:
        shown.step_started("Start")
        first = shown._live
        shown.step_started("Trainer")
        assert not first.is_started
        second = shown._live
    assert not second.is_started
    assert shown._live is None


def test_progress_outside_a_step_is_not_printed():
    stream = io.StringIO()
    with RunConsole(Console(file=stream)):
        logging.getLogger("faultline.progress").info("epoch 1/40")
    assert stream.getvalue() == ""


def _print_steps(*reasons: str, is_first_run: bool) -> list[str]:
    stream = io.StringIO()
    with RunConsole(Console(file=stream, width=60)) as shown:
        shown.say_code("c0ffee", is_first_run=is_first_run)
        for reason in reasons:
            shown.step_ended(_step(reason=reason), "")
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_the_first_run_says_so_once_and_not_at_every_step():
    header, *steps = _print_steps(FIRST_TIME, FIRST_TIME, is_first_run=True)
    assert header == "code c0ffee; first run of this use case"
    assert not any("first time" in step for step in steps)


def test_a_reason_that_many_steps_share_is_printed_once_and_others_each_time():
    reasons = (UNCHANGED, FIRST_TIME, "new data", UNCHANGED, FIRST_TIME, "new data")
    header, *steps = _print_steps(*reasons, is_first_run=False)
    assert header == "code c0ffee"
    assert [step.partition("(")[2].rstrip(")") for step in steps] == [
        UNCHANGED,
        FIRST_TIME,
        "new data",
        "",
        "",
        "new data",
    ]
