import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measuring.events.timeline import (
    Timeline,
    false_alarms_above,
    healthy_times,
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


def false_alarms(timeline, decisions):
    return match_alarms(timeline, np.array(decisions)).false_alarms.tolist()


# An event of 50 s in another stream, so that alarms up to this length are one.
LONG = Timeline(
    streams=np.array([9], np.uint64),
    starts_s=np.array([0.0]),
    ends_s=np.array([50.0]),
    events=np.array(["e1@0.0"], object),
)


def test_a_run_of_alarms_is_one_alarm():
    timeline = merge_timelines([windows([""] * 6), LONG])
    assert false_alarms(timeline, [1, 1, 0, 1, 1, 1, 0]) == [2, 0]


def test_an_alarm_that_lasts_longer_than_half_of_the_events_is_several():
    # The events last 1, 2 and 4 s: alarms of 6 s count as three of 2 s, those of 5 s too.
    events = ["e1@0.0", "", "e2@2.0", "e2@2.0", "", *["e3@5.0"] * 4]
    timeline = merge_timelines([windows([""] * 12, stream=1), windows(events, stream=2)])
    silent = [0] * len(events)
    assert false_alarms(timeline, [1] * 6 + [0] + [1] * 5 + silent) == [6, 0]
    assert false_alarms(timeline, [1, 1, 0, 1, 1] + [0] * 7 + silent) == [2, 0]


def test_a_permanent_alarm_is_false_where_its_part_touches_no_event():
    # Parts of 2 s: the event lasts from 4 to 6 s.
    timeline = windows(["", "", "", "", "e1@4.0", "e1@4.0", "", ""])
    assert false_alarms(timeline, [1] * 8) == [3]


def test_without_events_an_alarm_lasts_one_window():
    assert false_alarms(windows([""] * 4), [1, 1, 0, 1]) == [3]


def test_a_run_that_touches_an_event_is_not_false():
    timeline = merge_timelines([windows(["", "", "e1@2.5", "", ""]), LONG, LONG])
    assert false_alarms(timeline, [0, 1, 1, 1, 0, 0, 0]) == [0, 0]
    # The run before the event ends before it.
    assert false_alarms(timeline, [1, 0, 1, 0, 0, 0, 0]) == [1, 0]


def test_a_gap_in_time_and_another_stream_end_a_run():
    timeline = merge_timelines(
        [windows([""]), windows([""], start=1.5), windows([""], stream=7, start=2.5), LONG]
    )
    assert false_alarms(timeline, [1, 1, 1, 0]) == [2, 1, 0]


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
    assert healthy_times(windows([""] * 3, length=2.0)).tolist() == [4.0]
    # Without the middle one, which touches an event, still 0 to 2 s and 2 to 4 s.
    assert healthy_times(windows(["", "e1@1.9", ""], length=2.0)).tolist() == [4.0]


def test_healthy_time_is_by_stream():
    timeline = merge_timelines([windows(["", "", "e1@2.5"]), windows([""], stream=5)])
    assert match_alarms(timeline, np.zeros(4)).healthy_s.tolist() == [2.0, 1.0]


def test_false_alarms_are_counted_at_each_threshold():
    timeline = merge_timelines([windows([""] * 3), LONG])
    scores = np.array([0.9, 0.1, 0.8, 0.0])
    # At 0.1 the two alarms join.
    counts = false_alarms_above(timeline, scores, np.array([0.95, 0.9, 0.8, 0.1]))
    assert counts.tolist() == [[0, 0], [1, 0], [2, 0], [1, 0]]


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


def counted_one_by_one(timeline, alarms):
    """False alarms, by walking through the windows of each stream."""
    ends = {}
    for stream, end, name in zip(timeline.streams, timeline.ends_s, timeline.events, strict=True):
        if name:
            ends[stream] = max(end, ends.get(stream, 0.0))
    lengths = [end - 0.5 for end in ends.values()]
    longest = np.median(lengths or [(timeline.ends_s - timeline.starts_s).min(initial=9)])
    num_false, run = 0, None  # a run: its stream, start and end, and whether its part is not false
    rows = sorted(range(len(alarms)), key=lambda i: (timeline.streams[i], timeline.starts_s[i]))
    for i in rows:
        stream, start, end = timeline.streams[i], timeline.starts_s[i], timeline.ends_s[i]
        if run is not None and not (alarms[i] and run[0] == stream and start <= run[2]):
            num_false += not run[3]
            run = None
        if alarms[i] and run is None:
            run = [stream, start, end, False, 0]
        if not alarms[i]:
            continue
        part = int((start - run[1]) / longest + 1e-9)
        if part != run[4]:
            num_false += not run[3]
            run[3], run[4] = False, part
        run[2], run[3] = end, run[3] or bool(timeline.events[i])
    return num_false + (run is not None and not run[3])


@given(scored_timelines())
def test_false_alarms_are_those_counted_one_by_one(scored):
    timeline, scores = scored
    expected = [counted_one_by_one(timeline, scores >= level) for level in range(7)]
    counts = false_alarms_above(timeline, scores, np.arange(7.0))
    assert counts.sum(axis=1).tolist() == expected


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
