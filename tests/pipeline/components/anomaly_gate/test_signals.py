import math

import pyarrow as pa
import pytest

from models.features import Signal
from pipeline.components.anomaly_gate.signals import SignalCounts, count_signals, judge_signals
from pipeline.config import Validation

SIGNALS = {"v": Signal(num_samples=3, sampling_rate_hz=500, rate_column="rate")}


def _counts(values: list[list[float]], rates: list[float]) -> SignalCounts:
    batch = pa.record_batch(
        {
            "v": pa.array(values, pa.large_list(pa.float32())),
            "rate": pa.array([[rate] for rate in rates], pa.large_list(pa.float32())),
        }
    )
    return count_signals([batch, batch], SIGNALS)["v"]


def test_good_recordings_are_only_counted():
    counts = _counts([[1, 2, 3], [4, 5, 6]], [500, 500])
    assert counts == SignalCounts(recordings=4)


def test_a_recording_counts_once_however_many_samples_are_missing():
    counts = _counts([[1, math.nan, math.nan], [math.inf, 5, 6], [7, 8, 9]], [500] * 3)
    assert counts.with_gaps == 4  # two recordings in each of the two batches


@pytest.mark.parametrize(("lengths", "with_gaps"), [("pad", 3), (None, 4)])
def test_padding_is_no_gap(lengths, with_gaps):
    nan = math.nan
    # Padded, with a gap, with a gap and padded, without a sample.
    rows = [[1, 2, nan], [nan, 2, 3], [1, 2, 3], [nan, 2, nan], [nan, nan, nan]]
    batch = pa.record_batch({"v": pa.array(rows, pa.large_list(pa.float32()))})
    signals = {"v": Signal(num_samples=3, lengths=lengths)}
    assert count_signals([batch], signals)["v"].with_gaps == with_gaps


def test_a_recording_of_another_duration_is_counted():
    assert _counts([[1, 2], [1, 2, 3], [1, 2, 3, 4]], [500] * 3).wrong_length == 4


def test_an_empty_recording_is_missing_and_not_of_another_duration():
    counts = _counts([[1, 2, 3], []], [500] * 2)
    assert (counts.missing, counts.wrong_length) == (2, 0)


def _count_columns(**columns: pa.Array) -> SignalCounts:
    return count_signals([pa.record_batch(columns)], SIGNALS)["v"]


def test_samples_beyond_2_to_the_53_are_no_gaps():
    counts = _count_columns(v=pa.array([[2**53 + 1, 2, 3]]), rate=pa.array([[500]]))
    assert counts == SignalCounts(recordings=1)


RATES = pa.array([[500.0], [500.0]])
SAMPLES = pa.array([[1.0, 2.0, 3.0]] * 2)


@pytest.mark.parametrize(
    "samples",
    [pa.array([None, None], pa.list_(pa.float32())), pa.array([[b"1"], [b"2"]]), pa.nulls(2)],
    ids=["null", "text", "of no type"],
)
def test_a_signal_without_numbers_is_missing_in_every_row(samples):
    assert _count_columns(v=samples, rate=RATES) == SignalCounts(recordings=2, missing=2)


def test_a_signal_whose_column_is_not_there_is_missing_in_every_row():
    # The rate is the last column: it must not be read in the signal's place.
    assert _count_columns(rate=RATES) == SignalCounts(recordings=2, missing=2)


def test_rates_whose_column_is_not_there_are_all_wrong():
    assert _count_columns(v=SAMPLES) == SignalCounts(recordings=2, wrong_rate=2)


def test_a_rate_that_is_not_one_number_is_wrong():
    rates = pa.array([[500.0, 500.0], None], pa.list_(pa.float64()))
    assert _count_columns(v=SAMPLES, rate=rates).wrong_rate == 2


def test_whole_numbers_are_samples_and_rates_too():
    counts = _count_columns(v=pa.array([[1, 2, 3]] * 2), rate=pa.array([[500], [400]]))
    assert counts == SignalCounts(recordings=2, wrong_rate=1)


@pytest.mark.parametrize(
    ("rate", "wrong"),
    [
        *[(500, 0), (504.9, 0), (495.1, 0), (505.1, 2), (494.9, 2)],
        *[(0, 2), (-500, 2), (math.nan, 2), (math.inf, 2)],
    ],
)
def test_a_rate_more_than_one_percent_off_is_counted(rate, wrong):
    assert _counts([[1, 2, 3]], [rate]).wrong_rate == wrong


def _judge(counts: SignalCounts, **limits: float):
    return list(judge_signals({"v": counts}, SIGNALS, Validation(**limits), "train"))


def test_troubles_within_the_limit_warn_and_beyond_it_stop():
    counts = SignalCounts(recordings=100, with_gaps=5)
    [within] = _judge(counts, max_gap_share=0.05)
    [beyond] = _judge(counts, max_gap_share=0.04)
    assert (within.stops, beyond.stops) == (False, True)
    assert beyond.found == "5 of 100 recordings (5.0%) have missing or non-finite samples"
    assert beyond.expected == "at most 4.0% (validation.max_gap_share)"


def test_another_duration_always_stops():
    [finding] = _judge(SignalCounts(recordings=1000, wrong_length=1))
    assert finding.stops
    # 3 samples at 500 Hz are 6 ms.
    assert finding.expected == "3 samples, 0.006 s"


def test_a_wrong_rate_names_the_nominal_one():
    [finding] = _judge(SignalCounts(recordings=10, wrong_rate=9), max_wrong_rate_share=0.5)
    assert finding.found == "9 of 10 recordings (90.0%) were not sampled at 500 Hz, by `rate`"
    assert finding.stops


def test_a_single_missing_recording_stops():
    [finding] = _judge(SignalCounts(recordings=1000, missing=1))
    assert finding.stops
    assert finding.found == "1 of 1,000 recordings (0.1%) are missing or hold no numbers"
