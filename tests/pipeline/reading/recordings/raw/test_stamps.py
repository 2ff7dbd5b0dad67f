from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from pipeline.column_format import ColumnFormat
from pipeline.reading.recordings.raw.stamps import read_stamps

_NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


def texts(*values):
    return pa.array([value if value is None else value.encode() for value in values])


@pytest.mark.parametrize(
    ("column", "form", "expected"),
    [
        (texts("2026-01-31 12:00:00.25", " 2026-01-31T12:00:01"), None, [0.25, 1]),
        (texts("2026-01-31T12:00:00.5Z", "2026-01-31T13:00:01+01:00"), None, [0.5, 1]),
        (texts("31.01.2026 12:00:00,5"), {"format": "%d.%m.%Y %H:%M:%S.%f"}, [0.5]),
        (texts("2026-01-31 13:00:00"), {"zone": "Europe/Berlin"}, [0]),
        (pa.array([_NOON * 1000 + 250]), {"unit": "ms"}, [0.25]),
        (texts(f"{_NOON + 2}"), None, [2]),
        (pa.array([datetime(2026, 1, 31, 12, 0, 0, 250_000)]), None, [0.25]),
        (pa.array([46053.5]), {"unit": "excel"}, [0]),
    ],
)
def test_dates_keep_the_fractions_of_a_second(column, form, expected):
    form = form and ColumnFormat(type="time", **form)
    seconds, has_dates, bad = read_stamps(column, form)
    assert has_dates
    assert not bad.any()
    np.testing.assert_allclose(seconds - _NOON, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("column", "form", "expected"),
    [
        (texts("0", "0,5", None), None, [0, 0.5, np.nan]),
        (pa.array([0, 7]), None, [0, 7]),
        (texts("250"), {"unit": "ms", "elapsed": True}, [0.25]),
        (pa.array([timedelta(milliseconds=1500)]), None, [1.5]),
        (pa.array([datetime(2026, 1, 31, 0, 0, 2).time()]), None, [2]),
        (texts("23:59:50", " 1:00", None, "00:00:01,5"), None, [86_390, 3_600, np.nan, 1.5]),
    ],
)
def test_other_times_count_from_the_start(column, form, expected):
    form = form and ColumnFormat(type="time", **form)
    seconds, has_dates, bad = read_stamps(column, form, decimal=",")
    assert not has_dates
    assert not bad.any()
    np.testing.assert_allclose(seconds, expected)


@pytest.mark.parametrize(
    "column",
    [
        texts("0.5", "soon"),
        texts("2026-01-31 12:00:00", "tomorrow"),
        texts("0.5", "24:00:00"),
        # Milliseconds since 1970, which nothing declares.
        pa.array([0.0, _NOON * 1000]),
    ],
)
def test_what_is_no_such_time_is_bad(column):
    assert read_stamps(column, None)[2].tolist() == [False, True]


def test_truth_values_are_no_times():
    assert read_stamps(pa.array([True, None]), None)[2].tolist() == [True, False]
