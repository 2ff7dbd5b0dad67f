import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from measuring.events.names import event_name
from pipeline.reading.recordings.windows import (
    NEGATIVE,
    POSITIVE,
    UNDECIDED,
    Cutting,
    Event,
    WindowCounts,
    check_event_recordings,
    cut_stretches,
    cut_windows,
    events_of_intervals,
    events_of_samples,
    kept_windows,
)


def labels_of(num_samples, events, **options):
    cutting = Cutting(**{"size": 4, "hop": 4} | options)
    return cut_windows(num_samples, cutting, events).labels.tolist()


def an_event(first, stop):
    return Event(first=first, stop=stop, start_s=float(first))


def test_runs_of_positive_samples_are_events():
    flags = np.array([1, 0, 0, 1, 1], bool)
    events = events_of_samples(flags, np.array([0.0, 0.5, 1.0, 1.5, 2.0]))
    assert [(event.first, event.stop, event.start_s) for event in events] == [
        (0, 1, 0),
        (3, 5, 1.5),
    ]


def test_a_stream_without_positive_samples_has_no_event():
    assert events_of_samples(np.zeros(5, bool), np.arange(5.0)) == ()


def test_an_interval_has_the_samples_from_its_start_to_its_end():
    [event] = events_of_intervals(
        [(1.0, 2.0, "crack")], np.arange(6) / 2, recording="a", period_s=0.5
    )
    # Samples at 1.0, 1.5 and 2.0 s.
    assert event == Event(first=2, stop=5, start_s=1.0, kind="crack")


def test_an_event_between_two_samples_has_the_next_one():
    [event] = events_of_intervals([(1.2, 1.3, "")], np.arange(4.0), recording="a", period_s=1.0)
    assert (event.first, event.stop) == (2, 3)


def test_an_event_in_the_time_of_the_last_sample_has_the_last_one():
    [event] = events_of_intervals([(3.5, 9.0, "")], np.arange(4.0), recording="a", period_s=1.0)
    assert (event.first, event.stop, event.start_s) == (3, 4, 3.5)


def test_an_event_that_began_before_the_recording_starts_with_it():
    [event] = events_of_intervals([(-5.0, 1.0, "")], np.arange(4.0), recording="a", period_s=1.0)
    assert (event.first, event.stop, event.start_s) == (0, 2, 0.0)


def test_events_of_a_table_are_ordered_by_their_start():
    rows = [(3.0, 3.0, "b"), (1.0, 1.0, "a")]
    events = events_of_intervals(rows, np.arange(5.0), recording="a", period_s=1.0)
    assert [event.kind for event in events] == ["a", "b"]


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2.0, 1.0, "of `pump` ends at 1 s, before its start at 2 s"),
        (7.0, 8.0, "of `pump` from 7 s to 8 s is outside the recording, which is from 0 s to 4 s"),
        (1706709600.5, 1706709660.0, "from 2024-01-31T14:00:00.500Z to 2024-01-31T14:01:00Z is"),
        (-3.0, -1.0, "is outside the recording"),
        (float("nan"), 1.0, "ends at 1 s, before its start at nan"),
    ],
)
def test_an_impossible_event_is_refused(start, end, message):
    with pytest.raises(InputError, match=message):
        events_of_intervals([(start, end, "")], np.arange(4.0), recording="pump", period_s=1.0)


def test_an_event_that_is_listed_twice_is_refused():
    rows = [(1.0, 2.0, "hot"), (1.0, 2.0, "cold"), (1.0, 2.0, "hot")]
    with pytest.raises(InputError, match="of `pump` from 1 s to 2 s is in 2 equal rows"):
        events_of_intervals(rows, np.arange(4.0), recording="pump", period_s=1.0)
    # Two kinds at the same time are two events.
    assert len(events_of_intervals(rows[:2], np.arange(4.0), recording="pump", period_s=1.0)) == 2


def test_events_of_unknown_recordings_are_refused():
    with pytest.raises(InputError, match="names `c`, but there is no such recording among 2"):
        check_event_recordings(["a", "c"], ["a", "b"])
    check_event_recordings(["a"], ["a", "b"])


def test_the_share_of_the_window_decides():
    # Windows 0-3, 4-7 and 8-11; the event covers one sample of the first, all of the second, and
    # two of the third, which is half.
    assert labels_of(12, [an_event(3, 10)]) == [UNDECIDED, POSITIVE, POSITIVE]
    assert labels_of(12, [an_event(3, 10)], positive_share=0.75) == [UNDECIDED, POSITIVE, UNDECIDED]


def test_a_short_event_makes_the_window_positive_that_holds_its_share():
    # Two of three samples are in the second window: a third of the event is in the first.
    assert labels_of(8, [an_event(3, 6)]) == [UNDECIDED, POSITIVE]
    # One sample of a window of four is a quarter of it, but all of the event.
    assert labels_of(8, [an_event(5, 6)]) == [NEGATIVE, POSITIVE]


def test_two_events_count_together():
    windows = cut_windows(4, Cutting(size=4, hop=4), [an_event(0, 1), an_event(2, 3)])
    assert windows.labels.tolist() == [POSITIVE]
    assert windows.touched == ((0, 1),)


def test_half_windows_overlap_by_half():
    windows = cut_windows(9, Cutting(size=4, hop=2), [])
    # The ninth sample is in no window.
    assert windows.first.tolist() == [0, 2, 4]


def test_seconds_become_samples():
    assert Cutting.of_seconds(1.0, 1.0, 100.0) == (100, 100)
    assert Cutting.of_seconds(0.001, 0.5, 10.0) == (1, 1)


def test_stretches_have_a_gap_of_one_window():
    # Ideal gaps of 2 samples around 10 and 20.
    assert cut_stretches(30, [], num_stretches=3, size=2) == [(0, 9), (11, 19), (21, 30)]


def test_a_border_moves_off_an_event():
    [first, second] = cut_stretches(40, [an_event(18, 24)], num_stretches=2, size=2)
    # The nearest gap to 19 that touches none of the samples 18 to 23: 16 and 17.
    assert (first, second) == ((0, 16), (18, 40))


def test_a_border_without_a_free_place_is_left_out():
    assert cut_stretches(40, [an_event(0, 40)], num_stretches=2, size=2) == [(0, 40)]


def test_too_many_stretches_are_refused_with_the_most_there_is_room_for():
    with pytest.raises(InputError, match="of 30 samples has room for 3"):
        cut_stretches(30, [], num_stretches=5, size=5)


def test_windows_without_samples_and_undecided_ones_are_counted_and_left_out():
    windows = cut_windows(16, Cutting(size=4, hop=4), [an_event(3, 8)])
    has_sample = np.ones(16, bool)
    has_sample[8:12] = False
    kept, counts = kept_windows(windows, has_sample, ["e1@3.0"])
    assert kept.first.tolist() == [4, 12]
    assert counts == WindowCounts(cut=4, positive=1, negative=1, undecided=1, empty=1, num_events=1)
    assert counts.notes() == [
        "1 of 4 windows touch an event but hold too little of it to be positive; they are left out",
        "1 of 4 windows have no sample; they are left out",
    ]


def test_an_event_in_no_window_is_reported_as_lost():
    windows = cut_windows(9, Cutting(size=4, hop=4), [an_event(8, 9)])
    _, counts = kept_windows(windows, np.ones(9, bool), ["e1@8.0"])
    assert counts.lost_events == ("e1@8.0",)
    assert counts.notes() == ["1 of 1 events are in no window: e1@8.0"]


@st.composite
def streams(draw):
    num_samples = draw(st.integers(60, 300))
    size = draw(st.integers(1, 8))
    flags = np.zeros(num_samples, bool)
    for _ in range(draw(st.integers(0, 5))):
        first = draw(st.integers(0, num_samples - 1))
        flags[first : first + draw(st.integers(1, 30))] = True
    cutting = Cutting(
        size=size,
        hop=draw(st.integers(1, size)),
        positive_share=draw(st.sampled_from([0.2, 0.5, 1.0])),
        num_stretches=draw(st.sampled_from([None, 2, 3])),
    )
    return flags, cutting


@given(streams())
def test_no_sample_is_in_windows_of_two_stretches_and_neighbours_are_a_window_apart(stream):
    flags, cutting = stream
    windows = cut_windows(
        len(flags), cutting, events_of_samples(flags, np.arange(len(flags)) * 1.0)
    )
    assert (np.diff(windows.stretches) >= 0).all()
    for place in np.flatnonzero(np.diff(windows.stretches)):
        last_stop = windows.first[place] + windows.size
        assert windows.first[place + 1] - last_stop >= cutting.size


@given(streams())
def test_no_event_is_in_two_stretches(stream):
    flags, cutting = stream
    events = events_of_samples(flags, np.arange(len(flags)) * 1.0)
    windows = cut_windows(len(flags), cutting, events)
    stretches_of = [
        {
            int(s)
            for s, numbers in zip(windows.stretches, windows.touched, strict=True)
            if i in numbers
        }
        for i in range(len(events))
    ]
    assert all(len(stretches) <= 1 for stretches in stretches_of)


@given(streams(), st.floats(0, 1))
def test_counts_add_up_and_every_event_is_kept_or_lost(stream, missing):
    flags, cutting = stream
    events = events_of_samples(flags, np.arange(len(flags)) * 1.0)
    names = [event_name(i, event.start_s, has_dates=False) for i, event in enumerate(events)]
    has_sample = np.ones(len(flags), bool)
    has_sample[: int(missing * len(flags))] = False
    windows = cut_windows(len(flags), cutting, events)
    kept, counts = kept_windows(windows, has_sample, names)
    assert counts.cut == counts.positive + counts.negative + counts.undecided + counts.empty
    assert len(kept.first) == counts.positive + counts.negative
    in_rows = {names[i] for numbers in kept.touched for i in numbers}
    assert in_rows | set(counts.lost_events) == set(names)
    assert not in_rows & set(counts.lost_events)


@given(streams())
def test_labels_agree_with_a_plain_count_of_samples(stream):
    flags, cutting = stream
    events = events_of_samples(flags, np.arange(len(flags)) * 1.0)
    windows = cut_windows(len(flags), cutting, events)
    for first, label in zip(windows.first, windows.labels, strict=True):
        inside = flags[first : first + cutting.size]
        share = cutting.positive_share
        short = any(
            sum(first <= i < first + cutting.size for i in range(e.first, e.stop))
            >= share * (e.stop - e.first)
            for e in events
            if e.stop - e.first < cutting.size
        )
        positive = inside.any() and (inside.sum() >= share * cutting.size or short)
        expected = POSITIVE if positive else UNDECIDED if inside.any() else NEGATIVE
        assert label == expected
