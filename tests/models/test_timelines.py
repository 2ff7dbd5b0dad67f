import numpy as np
import pyarrow as pa
import pytest

from models.timelines import merge_known, timeline_of


def a_batch(**columns):
    """Columns of lists, as tfx_bsl decodes them; None is a missing value."""
    arrays = {
        name: values
        if isinstance(values, pa.Array)
        else pa.array([None if v is None else [v] for v in values], pa.list_(pa.binary()))
        for name, values in columns.items()
    }
    return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))


def a_window(text, stretch=b"pump/1", event=None):
    return a_batch(window=[text], stretch=[stretch], event=[event])


def test_windows_are_read_with_their_limits_stretches_and_events():
    timeline = timeline_of(
        a_batch(
            window=[b"0.5/1.5", b"1400000000.125/1400000000.25", b"1e-05/2.0"],
            event=[b"e1@0.75", None, b"e1@0.5 e2@1.0"],
            stretch=[b"pump/1", b"pump/2", b"pump/1"],
        )
    )
    assert timeline.starts_s.tolist() == [0.5, 1_400_000_000.125, 1e-5]
    assert timeline.ends_s.tolist() == [1.5, 1_400_000_000.25, 2.0]
    assert timeline.events.tolist() == ["e1@0.75", "", "e1@0.5 e2@1.0"]
    assert timeline.streams[0] == timeline.streams[2] != timeline.streams[1]


def test_a_batch_in_which_no_window_touches_an_event_has_an_empty_column():
    timeline = timeline_of(a_batch(window=[b"0.0/1.0"], stretch=[b"a"], event=pa.nulls(1)))
    assert timeline.events.tolist() == [""]


def test_stretches_have_one_number_in_all_batches():
    first = timeline_of(a_window(b"0.0/1.0", b"b"))
    second = timeline_of(a_batch(window=[b"0.0/1.0"] * 2, stretch=[b"a", b"b"], event=[None, None]))
    assert first.streams[0] == second.streams[1] != second.streams[0]


@pytest.mark.parametrize("name", ["event", "window", "stretch"])
def test_examples_without_one_of_the_columns_are_not_windows(name):
    batch = a_window(b"0.0/1.0")
    assert timeline_of(batch.drop_columns([name])) is None


@pytest.mark.parametrize(
    "window", [[b"evening", b"0.0/1.0"], [b"0.0/1.0", None], pa.array([[3], [4]])]
)
def test_a_column_window_of_another_meaning_is_not_that_of_windows(window):
    batch = a_batch(window=window, stretch=[b"a"] * 2, event=[b"login"] * 2)
    assert timeline_of(batch) is None


def test_parts_are_merged_in_order_unless_one_has_no_windows():
    parts = [timeline_of(a_window(text)) for text in (b"2.0/3.0", b"0.0/1.0")]
    np.testing.assert_equal(merge_known(parts).starts_s, [2.0, 0.0])
    assert merge_known([*parts, None]) is None
    assert merge_known([]) is None
