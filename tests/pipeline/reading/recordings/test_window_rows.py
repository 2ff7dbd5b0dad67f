import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.config import Label
from pipeline.reading.recordings.recording import Recording
from pipeline.reading.recordings.window_rows import window_rows
from pipeline.reading.recordings.windows import Event
from pipeline.recording_options import Window

_LABEL = Label(column="fault")


def a_stream(num_samples=8, **options):
    samples = np.arange(num_samples, dtype=np.float32)
    return Recording(name="pump", path="pump.csv", channels={"x": samples}, **options)


def test_a_row_has_samples_times_events_and_label():
    flags = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    recording = a_stream(sample_labels=flags, rate_hz=2.0, context={"site": "north"})
    table, counts = window_rows(recording, Window(num_samples=4), label=_LABEL)
    assert table.to_pylist() == [
        {
            "x": [0.0, 1.0, 2.0, 3.0],
            "recording": "pump",
            "sampling_rate_hz": 2.0,
            "window_start": 0.0,
            "window_end": 2.0,  # the fifth sample's time
            "window": "0.0/2.0",
            "stretch": "pump",
            "event": "",
            "site": "north",
            "fault": "0",
        },
        {
            "x": [4.0, 5.0, 6.0, 7.0],
            "recording": "pump",
            "sampling_rate_hz": 2.0,
            "window_start": 2.0,
            "window_end": 4.0,
            "window": "2.0/4.0",
            "stretch": "pump",
            "event": "e1@2.0",
            "site": "north",
            "fault": "1",
        },
    ]
    assert table.schema.field("x").type == pa.list_(pa.float32())
    assert (counts.positive, counts.negative) == (1, 1)


def test_dates_are_timestamps_in_utc():
    times_s = 1_577_836_800.0 + np.arange(4)
    recording = a_stream(4, times_s=times_s, has_dates=True, sample_labels=np.ones(4, bool))
    table, _ = window_rows(recording, Window(num_samples=4), label=_LABEL)
    assert table.schema.field("window_start").type == pa.timestamp("us", tz="UTC")
    assert str(table["window_end"][0].as_py()) == "2020-01-01 00:00:04+00:00"
    assert table["event"].to_pylist() == ["e1@2020-01-01T00:00:00+00:00"]


def test_a_window_ends_exactly_where_the_next_one_starts():
    # 0.7 + 0.1 < 0.8 as float64; the second recording's periods vary by less than 1 %.
    jittered = np.arange(16) / 7 + np.tile([0.0, 0.001], 8)
    for recording in (a_stream(16, rate_hz=10.0), a_stream(16, rate_hz=7.0, times_s=jittered)):
        table, _ = window_rows(recording, Window(num_samples=4), label=None)
        assert table["window_end"].to_pylist()[:-1] == table["window_start"].to_pylist()[1:]


def test_windows_of_a_labelled_recording_have_its_label():
    table, _ = window_rows(a_stream(label="worn"), Window(num_samples=4), label=_LABEL)
    assert table["fault"].to_pylist() == ["worn", "worn"]
    # It has no events to measure by.
    assert "window" not in table.column_names


def test_the_label_takes_the_values_of_the_config():
    label = Label(column="state", positive="bad", values=("bad", "good"))
    events = [Event(first=0, stop=4, start_s=0.0)]
    table, _ = window_rows(a_stream(), Window(num_samples=4), label=label, events=events)
    assert table["state"].to_pylist() == ["bad", "good"]


def test_predictions_have_every_window_and_no_label():
    flags = np.array([0, 0, 0, 1, 0, 0, 0, 0], bool)
    options = Window(num_samples=4, positive_share=1.0)
    table, counts = window_rows(a_stream(sample_labels=flags), options, label=None)
    assert "fault" not in table.column_names
    assert (table.num_rows, counts.undecided) == (2, 0)


def test_stretches_are_named_by_the_recording():
    options = Window(num_samples=2, num_stretches=3)
    table, _ = window_rows(a_stream(30), options, label=_LABEL)
    assert set(table["stretch"].to_pylist()) == {"pump/1", "pump/2", "pump/3"}


def test_a_window_without_any_sample_is_left_out_and_one_with_some_is_kept():
    recording = a_stream()
    recording.channels["x"][:5] = np.nan
    table, counts = window_rows(recording, Window(num_samples=4), label=_LABEL)
    assert counts.empty == 1
    np.testing.assert_equal(table["x"].to_pylist(), [[np.nan, 5.0, 6.0, 7.0]])


def test_a_length_in_seconds_is_cut_by_the_rate():
    table, _ = window_rows(a_stream(rate_hz=4.0), Window(length_s=0.5, hop=0.5), label=_LABEL)
    assert table["x"].to_pylist()[:2] == [[0.0, 1.0], [1.0, 2.0]]


def test_a_length_in_seconds_without_a_rate_is_refused():
    with pytest.raises(InputError, match="length_s is 2, but the sampling rate of `pump`"):
        window_rows(a_stream(), Window(length_s=2.0), label=_LABEL)


@pytest.mark.parametrize(
    ("label", "texts"),
    [
        (Label(column="fault", negative="good"), ["good", "1"]),
        (Label(column="fault", negative="good", values=("good", "crack")), ["good", "crack"]),
        (Label(column="fault", positive=0), ["1", "0"]),
    ],
)
def test_a_window_has_the_words_of_the_label(label, texts):
    flags = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    recording = a_stream(sample_labels=flags, rate_hz=2.0)
    table, _ = window_rows(recording, Window(num_samples=4), label=label)
    assert table["fault"].to_pylist() == texts


def test_a_label_names_its_positive_value_or_its_negative_one():
    with pytest.raises(ValueError, match=r"positive is 'crack' and negative 'good': give one"):
        Label(column="fault", positive="crack", negative="good")
