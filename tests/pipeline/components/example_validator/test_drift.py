"""Comparisons of profiles: what is compared, how, and what is said."""

import numpy as np
import pyarrow as pa
import pytest

from models.features import Categorical, Numeric, Signal, Time
from pipeline.components.example_validator.drift import DriftOptions, compare_profiles
from pipeline.components.statistics_gen.profiles import DataProfile
from pipeline.components.statistics_gen.profiling import ProfileAccumulator

ROWS = 2_000
FEATURES = {
    "temperature": Numeric(),
    "mode": Categorical(),
    "voltage": Signal(num_samples=4),
    "at": Time(),
}
OPTIONS = DriftOptions(features=FEATURES, label="y")


def profile(seed: int, *, warmer: float = 0.0, positive: float = 0.035, missing: float = 0.0):
    rng = np.random.default_rng(seed)
    present = rng.random(ROWS) >= missing
    temperatures = rng.normal(300 + warmer, 5, ROWS)
    batch = pa.record_batch(
        {
            "temperature": pa.array(
                [[t] if there else [] for t, there in zip(temperatures, present, strict=True)],
                pa.list_(pa.float32()),
            ),
            "mode": pa.array([[b"abc"[n : n + 1]] for n in rng.integers(0, 3, ROWS)]),
            "voltage": pa.array(rng.normal(size=(ROWS, 4)).tolist(), pa.list_(pa.float32())),
            "at": pa.array([[seed * 10**9 + n] for n in range(ROWS)]),
            "y": pa.array([[int(n)] for n in rng.random(ROWS) < positive]),
        }
    )
    accumulator = ProfileAccumulator()
    accumulator.add(batch)
    return accumulator.profile()


def alarms(now: DataProfile, then: DataProfile, options: DriftOptions = OPTIONS) -> dict[str, str]:
    report = compare_profiles(now, then, options)
    return {one.column: one.measure for one in report.comparisons if one.alarm}


def test_all_but_times_are_compared_and_without_drift_nothing_is_an_alarm():
    report = compare_profiles(profile(1), profile(2), OPTIONS)
    assert report.columns == {"temperature", "mode", "voltage"}
    assert report.has_label
    assert not any(one.alarm for one in report.comparisons)


def test_warmer_data_are_seen_and_both_medians_are_said():
    report = compare_profiles(profile(1, warmer=60), profile(2), OPTIONS)
    [drift] = [one for one in report.comparisons if one.alarm]
    assert (drift.column, drift.measure) == ("temperature", "distribution")
    assert drift.distance > 0.99
    then, now = (float(part.split()[0]) for part in drift.text.removeprefix("median ").split(", "))
    assert (then, now) == (pytest.approx(300, abs=1), pytest.approx(360, abs=1))


def test_more_positives_and_more_missing_values_are_seen():
    found = alarms(profile(1, positive=0.2, missing=0.5), profile(2))
    assert found == {"temperature": "missing share", "y": "share of positives"}


def test_ignored_columns_may_drift():
    options = DriftOptions(features=FEATURES, label="y", ignored=("temperature",))
    assert alarms(profile(1, warmer=60), profile(2), options) == {}


def test_a_larger_floor_lets_more_drift_pass():
    options = DriftOptions(features=FEATURES, label="y", floor=0.5)
    # 3 K of a standard deviation of 5 K: a distance of 2 Phi(0.3) - 1 = 0.24.
    assert alarms(profile(1, warmer=3), profile(2), options) == {}
    assert alarms(profile(1, warmer=3), profile(2)) == {"temperature": "distribution"}
