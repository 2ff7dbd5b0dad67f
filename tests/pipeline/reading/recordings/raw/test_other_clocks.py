"""Columns of times beside that of a recording's samples."""

import numpy as np
import pyarrow as pa
import pytest

from common.errors import InputError
from pipeline.config import Data
from pipeline.reading.recordings.raw.other_clocks import other_clocks

TIMES_S = np.arange(20) * 0.01


def clocks(**columns):
    batch = pa.RecordBatch.from_pydict({"time": TIMES_S} | columns)
    return other_clocks([batch], list(columns), "time", Data(path="-"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Time B", TIMES_S),
        ("elapsed_ms", TIMES_S * 1_000),
        ("ts", (1_700_000_000 + TIMES_S) * 1_000),
        ("t", [str(value) for value in TIMES_S]),
    ],
)
def test_a_second_column_with_the_times_of_the_samples_is_no_channel(name, values):
    assert clocks(**{name: values}) == {name}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("torque", TIMES_S),  # a ramp, but not named as a time
        ("temperature", TIMES_S),
        ("t", np.sin(TIMES_S * 100)),  # named as a time, but it goes back
    ],
)
def test_a_ramp_and_a_measurement_named_t_are_channels(name, values):
    assert clocks(**{name: values}) == set()


@pytest.mark.parametrize(
    "values", [TIMES_S * 2, [*TIMES_S[:10], *[None] * 10]], ids=["other steps", "fewer samples"]
)
def test_a_column_with_the_times_of_other_samples_is_refused(values):
    with pytest.raises(InputError, match="`Time B` is a column of times with other steps"):
        clocks(**{"Time B": values})
