"""Profiles of columns: whole, in parts, and as JSON."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

from pipeline.components.statistics_gen.profiles import DataProfile, row_moments
from pipeline.components.statistics_gen.profiling import ProfileAccumulator, ProfileCombineFn

BATCH = pa.record_batch(
    {
        "miles": pa.array([[1.0], [], [5.0], None], pa.list_(pa.float32())),
        "kind": pa.array([[b"a"], [b"b"], [b"a"], [b"a"]]),
        "code": pa.array([[7], [7], [8], [7]], pa.large_list(pa.int64())),
        "signal": pa.array([[1.0, 3.0], [2.0, float("nan")], [0.0, 0.0], []]),
    }
)


def profile_of(*parts: pa.RecordBatch) -> DataProfile:
    accumulators = []
    for part in parts:
        accumulator = ProfileAccumulator()
        accumulator.add(part)
        accumulators.append(pickle.loads(pickle.dumps(accumulator)))  # noqa: S301 - our own
    combine = ProfileCombineFn()
    return combine.extract_output(combine.merge_accumulators(accumulators))


def test_numbers_categories_and_missing_values():
    profile = profile_of(BATCH)
    assert profile.num_rows == 4
    miles, kind, code = (profile.columns[name] for name in ("miles", "kind", "code"))
    assert miles.num_missing == 2
    assert (miles.numbers["value"][0], miles.numbers["value"][-1]) == (1.0, 5.0)
    assert miles.num_sampled == {"value": 2}
    assert kind.counts == {"a": 3, "b": 1}
    # A whole number may be a category or a measurement.
    assert code.counts == {"7": 3, "8": 1}
    assert set(code.numbers["value"]) == {7.0, 8.0}


def test_a_recording_is_measured_by_its_level_and_spread_without_gaps():
    signal = profile_of(BATCH).columns["signal"]
    # Means 2, 2 and 0; standard deviations 1, 0 and 0.
    assert set(signal.numbers["level"]) == {0.0, 2.0}
    assert set(signal.numbers["spread"]) == {0.0, 1.0}
    assert signal.num_missing == 1


def test_many_rows_give_the_quantiles_of_a_sample():
    numbers = np.random.default_rng(0).normal(size=20_000)
    whole = pa.record_batch({"x": pa.array(numbers[:, None].tolist(), pa.list_(pa.float32()))})
    column = profile_of(whole.slice(0, 8_000), whole.slice(8_000)).columns["x"]
    assert column.num_sampled == {"value": 4_096}
    quantiles = column.numbers["value"]
    ranks = np.searchsorted(np.sort(numbers), quantiles) / len(numbers)
    # Smirnov's limit for 4,096 of 20,000 rows: below 0.03 with probability 0.999.
    assert ranks == pytest.approx(np.linspace(0, 1, len(quantiles)), abs=0.03)
    again = profile_of(whole.slice(0, 8_000), whole.slice(8_000)).columns["x"]
    assert again == column


def test_a_part_without_a_column_counts_as_missing():
    profile = profile_of(BATCH, BATCH.select(["kind"]))
    assert profile.columns["miles"].num_missing == 6


def test_too_many_categories_are_not_counted():
    batch = pa.record_batch({"id": pa.array([[str(n).encode()] for n in range(2_000)])})
    assert profile_of(batch).columns["id"].counts == {}


def test_a_profile_survives_json():
    profile = profile_of(BATCH)
    assert DataProfile.from_json(profile.to_json()) == profile


def test_the_moments_of_a_row_without_a_finite_number_are_unknown():
    means, deviations = row_moments(np.array([1.0, 3.0, np.nan]), np.array([2, 0, 1]))
    assert means == pytest.approx([2, np.nan, np.nan], nan_ok=True)
    assert deviations == pytest.approx([1, np.nan, np.nan], nan_ok=True)


def test_bytes_that_are_no_text_are_no_categories():
    profile = profile_of(pa.record_batch({"sound": pa.array([[b"\xffa"], [b"\xffb"], []])}))
    assert profile.columns["sound"].counts == {}
    assert profile.columns["sound"].num_missing == 1
