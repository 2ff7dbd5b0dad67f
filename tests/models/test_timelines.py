import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from models.timelines import merge_known, timeline_of


def a_batch(**columns):
    """Columns of lists, as tfx_bsl decodes them; None is an empty list or a missing column."""
    texts = pa.list_(pa.binary())
    arrays = {
        name: values
        if isinstance(values, pa.Array)
        else pa.array([None if v is None else [v] for v in values], texts)
        for name, values in columns.items()
    }
    return pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))


def test_windows_are_read_with_their_limits_streams_and_events():
    timeline = timeline_of(
        a_batch(
            window=[b"0.5/1.5", b"1400000000.125/1400000000.25", b"1e-05/2.0"],
            event=[b"e1@0.75", None, b"e1@0.5 e2@1.0"],
            stretch=[b"pump/1", b"pump/2", b"pump/1"],
            recording=[b"pump", b"pump", b"pump"],
        )
    )
    assert timeline.starts_s.tolist() == [0.5, 1_400_000_000.125, 1e-5]
    assert timeline.ends_s.tolist() == [1.5, 1_400_000_000.25, 2.0]
    assert timeline.events.tolist() == ["e1@0.75", "", "e1@0.5 e2@1.0"]
    assert timeline.streams[0] == timeline.streams[2] != timeline.streams[1]


def test_a_batch_in_which_no_window_touches_an_event_has_an_empty_column():
    timeline = timeline_of(a_batch(window=[b"0.0/1.0"], event=pa.nulls(1)))
    assert timeline.events.tolist() == [""]


def test_streams_have_one_number_in_all_batches():
    first = timeline_of(a_batch(window=[b"0.0/1.0"], event=[None], recording=[b"b"]))
    second = timeline_of(a_batch(window=[b"0.0/1.0"] * 2, event=[None] * 2, recording=[b"a", b"b"]))
    assert first.streams[0] == second.streams[1] != second.streams[0]


def test_windows_of_a_table_of_ones_own_have_starts_and_ends_as_numbers():
    limits = {
        "window_start": pa.array([[60], [120]], pa.list_(pa.int64())),
        "window_end": pa.array([[120.0], [180.0]], pa.list_(pa.float32())),
    }
    timeline = timeline_of(a_batch(event=[b"e1@90", None], **limits))
    assert timeline.starts_s.tolist() == [60, 120]
    assert timeline.ends_s.tolist() == [120, 180]


@pytest.mark.parametrize("name", ["event", "window"])
def test_other_examples_have_no_timeline(name):
    assert timeline_of(a_batch(**{name: [b"0.0/1.0"]})) is None


def test_a_window_without_limits_is_refused():
    with pytest.raises(InputError, match="1 of 2 windows have no start or no end"):
        timeline_of(a_batch(window=[b"0.0/1.0", None], event=[None, None]))


def test_parts_are_merged_in_order_unless_one_has_no_windows():
    parts = [timeline_of(a_batch(window=[text], event=[None])) for text in (b"2.0/3.0", b"0.0/1.0")]
    np.testing.assert_equal(merge_known(parts).starts_s, [2.0, 0.0])
    assert merge_known([*parts, None]) is None
    assert merge_known([]) is None
