"""Bars by event: recall, false alarms an hour, delay."""

import math

import numpy as np
import pytest

from measuring.events.scores import event_scores, quantile_interval, rate_interval
from measuring.events.timeline import Timeline
from measuring.intervals import proportion_interval
from pipeline.components.evaluation.results import Evaluation
from pipeline.components.model_gate.bars import slices, whole_split
from pipeline.config import Bars, GateSlice


def evaluation(*, found=0, events=0, alarms=0, hours=0.0, delays=(), by_slice=False) -> Evaluation:
    delays = np.array(delays, np.float64)
    metrics = {
        "event_recall": found / events if events else math.nan,
        "false_alarms_per_hour": alarms / hours if hours else math.nan,
        "delay_s": float(np.median(delays)) if delays.size else math.nan,
        "num_events": float(events),
        "events_found": float(found),
        "healthy_hours": hours,
    }
    intervals = {
        "event_recall": proportion_interval(found, events, 0.95),
        "false_alarms_per_hour": rate_interval(alarms, hours, 0.95),
        "delay_s": quantile_interval(delays, 0.5, 0.95),
    }
    key = (("site", "a"),) if by_slice else ()
    return Evaluation(metrics, {key: metrics} if by_slice else {}, {key: intervals})


def judged(bars, **counts):
    [reason] = whole_split(evaluation(**counts), bars, 0.95)
    return reason


@pytest.mark.parametrize(
    ("found", "events", "word"),
    [(99, 100, "BLESSED"), (18, 20, "INCONCLUSIVE"), (5, 20, "REJECTED"), (0, 0, "INCONCLUSIVE")],
)
def test_the_lower_limit_of_the_event_recall_must_clear_its_bar(found, events, word):
    assert judged(Bars(event_recall=0.8), found=found, events=events).verdict == word


@pytest.mark.parametrize(
    ("alarms", "hours", "word"),
    [(2, 100.0, "BLESSED"), (8, 100.0, "INCONCLUSIVE"), (30, 100.0, "REJECTED")],
)
def test_the_upper_limit_of_the_false_alarms_must_clear_its_bar(alarms, hours, word):
    assert judged(Bars(false_alarms_per_hour=0.1), alarms=alarms, hours=hours).verdict == word


@pytest.mark.parametrize(
    ("delays", "word"),
    [
        (np.arange(20.0), "BLESSED"),
        (np.arange(20.0) * 3, "INCONCLUSIVE"),
        (np.arange(20.0) + 50, "REJECTED"),
        # The median of five has no upper limit, but its lower limit may be above the bar.
        (np.full(5, 10.0), "INCONCLUSIVE"),
    ],
)
def test_the_upper_limit_of_the_median_delay_must_clear_its_bar(delays, word):
    reason = judged(Bars(delay_s=30.0), delays=delays, found=len(delays), events=len(delays))
    assert reason.verdict == word


def test_too_few_events_say_how_many_a_perfect_model_needs():
    # ln(0.025) / ln(0.8) = 16.5.
    assert judged(Bars(event_recall=0.8), found=4, events=4).text == (
        "event recall 1.000 [0.398, 1.000] against 0.800: too small, 4 events; even a perfect "
        "model needs 17 to show it"
    )


def test_an_event_recall_near_its_bar_says_how_many_events_it_takes():
    text = judged(Bars(event_recall=0.8), found=18, events=20).text
    assert "more events needed for an answer in 80% of cases" in text


def test_too_little_healthy_time_says_how_much_a_silent_model_needs():
    # -ln(0.025) / 0.1 = 36.9 hours.
    assert judged(Bars(false_alarms_per_hour=0.1), hours=20.0).text == (
        "false alarms an hour 0 [0, 0.184] at most 0.1: too short, 20 healthy hours; even without "
        "a false alarm 36.9 are needed to show it"
    )


def test_a_rate_near_its_bar_says_how_many_hours_it_takes():
    text = judged(Bars(false_alarms_per_hour=0.1), alarms=8, hours=100.0).text
    assert "more healthy hours needed for an answer in 80% of cases" in text


def test_too_few_delays_say_how_many_a_median_needs():
    # 0.5^6 = 0.016 is the first at most 0.025.
    text = judged(Bars(delay_s=30.0), delays=[9.0] * 5, found=5, events=8).text
    assert text == (
        "median delay in s 9 at most 30: too small, 5 events found; the median's interval needs 6"
    )


def test_a_delay_near_its_bar_says_how_many_events_it_takes():
    text = judged(Bars(delay_s=30.0), delays=np.arange(20.0) * 3, found=20, events=20).text
    assert "more events needed" in text


def test_a_split_without_events_has_no_answer():
    reason = judged(Bars(delay_s=30.0))
    assert reason.verdict == "INCONCLUSIVE"
    assert "too small, 0 events found" in reason.text


@pytest.mark.parametrize(
    ("bars", "counts"),
    [
        (Bars(event_recall=0.8), {"found": 5, "events": 20}),
        (Bars(false_alarms_per_hour=0.1), {"alarms": 30, "hours": 100.0}),
        (Bars(delay_s=30.0), {"delays": np.arange(20.0) + 50, "found": 20, "events": 20}),
    ],
)
def test_a_slice_that_fails_has_a_p_value(bars, counts):
    asked = GateSlice(columns=("site",), bars=bars)
    [reason] = slices(evaluation(**counts, by_slice=True), asked, 0.95)
    assert reason.verdict == "REJECTED"
    assert reason.p_value is not None
    assert 0 <= reason.p_value < 0.025


def test_the_bars_read_what_is_measured():
    starts = np.arange(100) * 3_600.0
    timeline = Timeline(
        streams=np.zeros(100, np.uint64),
        starts_s=starts,
        ends_s=starts + 3_600,
        events=np.array(["", *[f"e1@{s}" if i % 4 == 1 else "" for i, s in enumerate(starts[1:])]]),
    )
    decisions = np.array([bool(names) for names in timeline.events])
    scores = event_scores(timeline, decisions, 0.95)
    measured = Evaluation(
        {name: value for name, (value, _) in scores.items()},
        {},
        {(): {name: interval for name, (_, interval) in scores.items() if interval}},
    )
    bars = Bars(event_recall=0.8, false_alarms_per_hour=0.1, delay_s=4_000.0)
    assert [reason.verdict for reason in whole_split(measured, bars, 0.95)] == ["BLESSED"] * 3
