"""Alarms of streams: runs of windows whose decision is positive."""

import pyarrow as pa

from pipeline.prediction.files.alarms import find_alarms, note_alarms
from pipeline.prediction.options import PredictSummary


def windows(recording, decisions, *, size=2.0, hop=1.0, start=0.0):
    """Predictions of neighbouring windows, with the place as probability in percent."""
    num = len(decisions)
    return pa.table({
        "recording": [recording] * num,
        "window_start": [start + hop * i for i in range(num)],
        "window_end": [start + hop * i + size for i in range(num)],
        "decision": decisions,
        "probability": [i / 100 for i in range(num)],
    })  # fmt: skip


def test_a_run_of_alarming_windows_is_one_alarm():
    alarms = find_alarms([windows("a", [0, 1, 1, 0, 1])])
    assert alarms.to_pylist() == [
        {"recording": "a", "start": 1.0, "end": 4.0, "num_windows": 2, "probability": 0.02},
        {"recording": "a", "start": 4.0, "end": 6.0, "num_windows": 1, "probability": 0.04},
    ]


def test_a_run_ends_with_its_recording():
    alarms = find_alarms([windows("a", [0, 1]), windows("b", [1, 0])])
    assert alarms["recording"].to_pylist() == ["a", "b"]


def test_a_run_ends_at_a_gap_between_windows():
    # The windows of the second part start at 10, the first part's end at 3.
    alarms = find_alarms([windows("a", [1, 1]), windows("a", [1], start=10.0)])
    assert alarms["num_windows"].to_pylist() == [2, 1]


def test_rows_may_come_in_any_order():
    first, second = windows("a", [0, 1]), windows("a", [1, 0], start=2.0)
    assert find_alarms([second, first])["num_windows"].to_pylist() == [2]


def test_rows_that_are_no_windows_have_no_alarms():
    assert find_alarms([pa.table({"row": [1], "decision": [1], "probability": [0.5]})]) is None


def test_alarms_are_written_beside_the_predictions(tmp_path):
    summary = PredictSummary(model="m", source="s", output="o")
    note_alarms(find_alarms([windows("a", [1])]), tmp_path / "out.csv", summary)
    assert (summary.alarms, summary.num_alarms) == (str(tmp_path / "out-alarms.csv"), 1)
    assert (tmp_path / "out-alarms.csv").read_text().splitlines()[1].startswith('"a",0,2,1')
