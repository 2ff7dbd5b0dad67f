import numpy as np
import pyarrow as pa
import pytest

from pipeline.reading.columns import Column
from pipeline.reading.files.pieces import RawBatch
from pipeline.reading.lengths import expected_samples, fit_lengths
from pipeline.reading.typing_rows import type_batch
from tests.pipeline.reading.specs import spec

NAN = float("nan")


def fitted(lists, num_samples, how):
    column = pa.array(lists, pa.large_list(pa.float32()))
    result, unfit = fit_lengths(column, num_samples, how)
    return result.to_pylist(), unfit.tolist()


def test_cut_keeps_the_first_samples_and_refuses_shorter_recordings():
    lists, unfit = fitted([[1, 2, 3, 4], [5, 6, 7], [8, 9]], 3, "cut")
    assert lists == [[1, 2, 3], [5, 6, 7], [8, 9]]
    assert unfit == [False, False, True]


def test_pad_appends_gaps_and_refuses_longer_recordings():
    lists, unfit = fitted([[1, 2], [3, 4, 5], [6, 7, 8, 9]], 3, "pad")
    assert lists[0] == pytest.approx([1, 2, NAN], nan_ok=True)
    assert lists[1:] == [[3, 4, 5], [6, 7, 8, 9]]
    assert unfit == [False, False, True]


def test_resample_interpolates_between_the_first_and_the_last_sample():
    # Five positions on three samples: 0, 0.5, 1, 1.5, 2. Three on five samples: 0, 2, 4.
    lists, unfit = fitted([[0, 10, 40], [7]], 5, "resample")
    assert lists == [[0, 5, 10, 25, 40], [7]]
    assert unfit == [False, True]
    assert fitted([[0, 1, 4, 9, 16]], 3, "resample")[0] == [[0, 4, 16]]


def test_resample_keeps_a_gap_next_to_samples_that_are_hit():
    # Positions 0, 0.5, 1, 1.5, 2: both samples between the gap and a neighbour are gaps.
    [samples], _ = fitted([[1, NAN, 3]], 5, "resample")
    assert samples == pytest.approx([1, NAN, NAN, NAN, 3], nan_ok=True)


@pytest.mark.parametrize("how", ["cut", "pad", "resample"])
def test_an_empty_recording_remains_empty_and_one_of_the_right_length_as_it_is(how):
    assert fitted([[], [1.5, 2.5]], 2, how) == ([[], [1.5, 2.5]], [False, False])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("cut", "at least 9 samples"),
        ("pad", "at most 9 samples"),
        ("resample", "at least 2 samples"),
    ],
)
def test_the_expectation_is_in_words(how, expected):
    assert expected_samples(9, how) == expected


def test_a_row_whose_recording_does_not_fit_is_set_aside_with_the_reason():
    column = Column(name="wave", type="float list")
    raw = RawBatch(
        batch=pa.record_batch({"wave": pa.array([[1.0, 2.0, 3.0], [4.0]])}),
        rows=np.array([1, 2]),
    )
    typed = type_batch(
        raw, [column], spec(signals={"wave": 2}, lengths={"wave": "cut"}), path="a.parquet"
    )
    assert typed.batch.column("wave").to_pylist() == [[1.0, 2.0]]
    [bad] = typed.bad_rows
    assert (bad.row, bad.column) == (2, "wave")
    assert bad.reason == "`[4.0]` found, expected at least 2 samples"
