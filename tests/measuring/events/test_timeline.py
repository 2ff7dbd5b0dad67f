import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measuring.events.timeline import (
    Timeline,
    false_alarms_by_score,
    healthy_time,
    match_alarms,
    merge_timelines,
)


def windows(events, *, length=1.0, hop=1.0, stream=0, start=0.0):
    """Windows of one stream, one after the other, with the events that each touches."""
    starts = start + hop * np.arange(len(events))
    return Timeline(
        streams=np.full(len(events), stream, np.uint64),
        starts_s=starts,
        ends_s=starts + length,
        events=np.array(events, object),
    )


def test_a_run_of_alarms_is_one_alarm():
    alarms = match_alarms(windows([""] * 6), np.array([1, 1, 0, 1, 1, 1]))
    assert alarms.false_alarms.tolist() == [2]


def test_a_run_that_touches_an_event_is_not_false():
    timeline = windows(["", "", "e1@2.5", "", ""])
    assert match_alarms(timeline, np.array([0, 1, 1, 1, 0])).false_alarms.tolist() == [0]
    # The run before the event ends before it.
    assert match_alarms(timeline, np.array([1, 0, 1, 0, 0])).false_alarms.tolist() == [1]


def test_a_gap_in_time_and_another_stream_end_a_run():
    timeline = merge_timelines(
        [windows([""]), windows([""], start=1.5), windows([""], stream=7, start=2.5)]
    )
    assert match_alarms(timeline, np.ones(3)).false_alarms.tolist() == [2, 1]


def test_the_delay_is_from_the_start_of_the_event_to_the_end_of_the_first_alarming_window():
    timeline = windows(["", "e1@1.25", "e1@1.25 e2@2.5", "e2@2.5"])
    # The windows end at 1, 2, 3 and 4 s: e1 is found at 3 s, and so is e2.
    assert match_alarms(timeline, np.array([0, 0, 1, 1])).delays_s.tolist() == [1.75, 0.5]
    assert match_alarms(timeline, np.array([0, 1, 0, 0])).delays_s[0] == 0.75


def test_a_missed_event_has_no_delay():
    delays = match_alarms(windows(["e1@0.0", "", "e2@2.0"]), np.array([0, 1, 1])).delays_s
    np.testing.assert_equal(delays, [np.nan, 1.0])


def test_events_of_two_streams_with_one_name_are_two():
    timeline = merge_timelines([windows(["e1@0.0"]), windows(["e1@0.0"], stream=3)])
    assert match_alarms(timeline, np.array([1, 0])).delays_s.size == 2


def test_overlapping_windows_count_once_as_healthy_time():
    # Three windows of 2 s, each a second after the last: 4 s.
    assert healthy_time(windows([""] * 3, length=2.0)) == 4.0
    # Without the middle one, which touches an event, still 0 to 2 s and 2 to 4 s.
    assert healthy_time(windows(["", "e1@1.9", ""], length=2.0)) == 4.0


def test_healthy_time_is_by_stream():
    timeline = merge_timelines([windows(["", "", "e1@2.5"]), windows([""], stream=5)])
    assert match_alarms(timeline, np.zeros(4)).healthy_s.tolist() == [2.0, 1.0]


def test_the_number_of_false_alarms_falls_where_two_join():
    counts = false_alarms_by_score(windows([""] * 3), np.array([0.9, 0.1, 0.8]))
    assert counts.tolist() == [0, 1, 2, 1]


def test_equal_scores_raise_their_alarms_together():
    counts = false_alarms_by_score(windows([""] * 3), np.array([0.5, 0.1, 0.5]))
    assert counts.tolist() == [0, 2, 1]


@st.composite
def scored_timelines(draw):
    parts = []
    for stream in range(draw(st.integers(1, 3))):
        names = draw(st.lists(st.sampled_from(["", "", "", "e1@0.5"]), min_size=1, max_size=12))
        part = windows(names, stream=stream, length=draw(st.sampled_from([1.0, 2.0])))
        kept = draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
        parts.append(part.rows(np.flatnonzero(kept)))
    timeline = merge_timelines(parts)
    size = timeline.streams.size
    scores = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    order = np.array(draw(st.permutations(range(size))), np.int64)
    return timeline.rows(order), np.array(scores, np.float64)


@given(scored_timelines())
def test_counts_by_score_are_those_of_the_decisions_at_each_score(scored):
    timeline, scores = scored
    levels = np.unique(scores)[::-1]
    expected = [0] + [
        int(match_alarms(timeline, scores >= level).false_alarms.sum()) for level in levels
    ]
    assert false_alarms_by_score(timeline, scores).tolist() == expected


@given(scored_timelines())
def test_the_order_of_the_windows_does_not_matter(scored):
    timeline, scores = scored
    order = np.argsort(scores, kind="stable")
    one, other = (
        match_alarms(timeline, scores > 2),
        match_alarms(timeline.rows(order), scores[order] > 2),
    )
    assert one.false_alarms.tolist() == other.false_alarms.tolist()
    assert one.healthy_s == pytest.approx(other.healthy_s)
    np.testing.assert_equal(np.sort(one.delays_s), np.sort(other.delays_s))
