import numpy as np
import pyarrow as pa
import pytest

from models.features import Signal
from pipeline.components.error_analyzer.ranking import (
    find_troubles,
    losses_in_order,
    rank_errors,
    signal_values,
)

SCALARS = pa.table({"faulty": [0, 1, 1], "id": ["a", "b", "c"]})
PROBABILITY = np.array([0.1, 0.2, 0.9])
DECISION = np.array([0, 0, 1])


def test_the_worst_comes_first_with_its_row_and_what_is_known_of_it():
    troubles = {"noise": np.array([True, True, False]), "gap": np.array([False, True, False])}

    ranked = rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, troubles)

    assert ranked["row"].to_pylist() == [1, 0, 2]
    assert ranked["rank"].to_pylist() == [1, 2, 3]
    assert ranked["loss"].to_pylist() == pytest.approx([-np.log(0.2), -np.log(0.9), -np.log(0.9)])
    assert ranked["troubles"].to_pylist() == [["noise", "gap"], ["noise"], []]
    assert ranked["id"].to_pylist() == ["b", "a", "c"]
    assert "faulty" not in ranked.column_names


def test_losses_go_back_into_the_order_of_the_split():
    losses, wrong = losses_in_order(rank_errors(SCALARS, "faulty", PROBABILITY, DECISION, {}))

    assert losses == pytest.approx([-np.log(0.9), -np.log(0.2), -np.log(0.9)])
    assert wrong.tolist() == [False, True, False]


def test_short_missing_and_absent_recordings_have_missing_samples():
    table = pa.table({"v": pa.array([[1.0], None, [3.0, 4.0, 5.0]], pa.list_(pa.float32()))})

    values = signal_values(table, "v", 2)

    np.testing.assert_array_equal(values, [[1, np.nan], [np.nan, np.nan], [3, 4]])
    assert np.isnan(signal_values(table, "absent", 2)).all()


def test_a_trouble_of_any_signal_counts_and_rates_are_read_of_their_column():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(20, 64))
    noisy = smooth.copy()
    noisy[3] *= 10
    table = pa.table(
        {
            "v": pa.array(list(smooth), pa.list_(pa.float64())),
            "i": pa.array(list(noisy), pa.list_(pa.float64())),
            "rate": pa.array([[500.0]] * 19 + [[400.0]], pa.list_(pa.float32())),
        }
    )
    signal = Signal(num_samples=64, sampling_rate_hz=500.0, rate_column="rate")

    troubles = find_troubles(table, {"v": signal, "i": signal})

    assert np.flatnonzero(troubles["noise"]).tolist() == [3]
    assert np.flatnonzero(troubles["wrong sampling"]).tolist() == [19]
    assert not troubles["gap"].any()
    assert find_troubles(table, {}) == {}
