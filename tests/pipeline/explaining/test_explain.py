"""The values of a row in words, and the times of its samples."""

import numpy as np
import pytest

from models.features import Audio, Categorical, Numeric, Signal, Time
from pipeline.explaining.explain import _rate_hz, _value_text
from pipeline.explaining.rows import Row

SOUND = Audio(sampling_rate_hz=8_000, duration_s=1)
SIGNAL = Signal(num_samples=2, sampling_rate_hz=500.0, rate_column="rate")


@pytest.mark.parametrize(
    ("value", "feature", "text"),
    [
        (np.float32(4.5), Numeric(), "4.5"),
        (np.float32(np.nan), Numeric(), ""),
        (np.int64(7), Categorical(), "7"),
        (np.int64(-(2**63)), Categorical(), ""),
        (b"caf\xc3\xa9", Categorical(), "café"),
        (b"", Categorical(), ""),
        # The first second of 2020.
        (np.int64(1_577_836_800), Time(), "2020-01-01T00:00:00Z"),
        (b"RIFF\xff" * 300, SOUND, "a file of 1,500 bytes"),
        (b"", SOUND, ""),
        (np.array([1.0, 2.0]), SIGNAL, "2 samples"),
        (np.array([1.0, np.nan]), SIGNAL, "2 samples, 1 missing"),
    ],
)
def test_a_value_in_words(value, feature, text):
    assert _value_text(value, feature) == text


@pytest.mark.parametrize(
    ("others", "expected"),
    [({"rate": "625.0"}, 625), ({}, 500), ({"rate": "unknown"}, 500), ({"rate": "0"}, 500)],
)
def test_the_sampling_rate_is_the_rows_own_where_it_is_known(others, expected):
    row = Row(title="", slug="", columns={}, label=None, others=others)
    assert _rate_hz(SIGNAL, row) == expected
