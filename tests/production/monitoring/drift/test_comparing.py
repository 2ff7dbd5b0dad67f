"""Comparisons of columns: dependent rows, short references, rare shares and categories."""

import numpy as np
import pytest

from measuring.monitoring.two_sample import NumberReference
from production.monitoring.drift.comparing import (
    RowOrders,
    compare_category_column,
    compare_flags,
    compare_number_column,
)

IN_TIME = RowOrders(num_rows=0)


def walk(rng, size, memory=0.9):
    """Autocorrelated rows of unit variance."""
    noise = rng.normal(size=size) * np.sqrt(1 - memory**2)
    values = np.empty(size)
    values[0] = rng.normal()
    for i in range(1, size):
        values[i] = memory * values[i - 1] + noise[i]
    return values


def rejections(reference, draw, *, keys=None, num_chunks=60):
    count = 0
    for _ in range(num_chunks):
        values = draw()
        orders = RowOrders.of(keys, len(values))
        count += compare_number_column(reference, values, orders).p_value < 0.01
    return count


def test_a_shift_is_seen_and_measured():
    rng = np.random.default_rng(0)
    reference = NumberReference.of(rng.normal(size=10_000))
    result = compare_number_column(reference, rng.normal(size=800) + 0.3, IN_TIME)
    assert result.p_value < 1e-6
    assert (result.what, result.effect) == ("level", pytest.approx(0.3, abs=0.1))


@pytest.mark.simulation
def test_autocorrelated_chunks_hold_the_level_beside_a_shuffled_reference():
    rng = np.random.default_rng(1)
    reference = NumberReference.of(rng.permutation(walk(rng, 40_000)))
    # The training data are shuffled: only the chunk shows how its rows depend on each other.
    assert reference.block_length == 1
    # At 1 %, more than 4 of 60 have a probability of 0.04 %.
    assert rejections(reference, lambda: walk(rng, 1_000)) <= 4


@pytest.mark.simulation
def test_a_column_whose_noise_hides_the_dependence_of_its_rows_holds_the_level():
    rng = np.random.default_rng(6)
    references = {name: NumberReference.of(rng.normal(size=5_000)) for name in ("air", "winding")}
    with_blocks, alone = 0, 0
    for _ in range(150):
        air = walk(rng, 300)
        columns = {"air": air, "winding": 0.5 * air + np.sqrt(0.75) * rng.normal(size=300)}
        orders = RowOrders.of(None, 300)
        alone += (
            compare_number_column(references["winding"], columns["winding"], orders).p_value < 0.01
        )
        orders = orders.with_blocks(references, columns)
        p_value = compare_number_column(references["winding"], columns["winding"], orders).p_value
        with_blocks += p_value < 0.01
    # At 1 %, more than 6 of 150 have a probability of 0.02 %.
    assert with_blocks <= 6
    assert alone > 8


def test_all_columns_take_the_longest_blocks_of_the_order_that_needs_them():
    rng = np.random.default_rng(7)
    references = {name: NumberReference.of(rng.normal(size=5_000)) for name in "ab"}
    keys = np.tile(np.arange(40), 30)
    columns = {"a": rng.normal(size=1_200), "b": np.tile(rng.normal(size=40), 30)}
    orders = RowOrders.of(keys, 1_200).with_blocks(references, columns)
    in_time, by_key = orders.block_lengths
    assert by_key > in_time
    # Rows of a key are neighbours in the order by key: 30 of them share a block or two.
    blocks_of_key = [len(set(orders.blocks[keys == key].tolist())) for key in range(40)]
    assert max(blocks_of_key) <= 30 // by_key + 2
    assert RowOrders.of(None, 5).blocks.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.simulation
def test_rows_of_one_machine_hold_the_level_though_machines_alternate():
    rng = np.random.default_rng(2)
    reference = NumberReference.of(rng.normal(size=40_000))
    keys = np.tile(np.arange(50), 20)

    def draw():
        # 50 machines take turns; the 20 rows of one share its offset.
        return np.tile(0.8 * rng.normal(size=50), 20) + 0.6 * rng.normal(size=1_000)

    assert rejections(reference, draw, keys=keys) <= 4
    assert rejections(reference, draw) > 20


@pytest.mark.simulation
def test_the_error_of_a_short_reference_raises_no_lasting_alarm():
    rng = np.random.default_rng(3)
    for _ in range(10):
        reference = NumberReference.of(rng.normal(size=500))
        # Ten times the reference: its own error would show in nearly every chunk.
        assert rejections(reference, lambda: rng.normal(size=5_000), num_chunks=5) <= 1


def test_a_share_is_compared_by_counts():
    now = np.zeros(1_000, bool)
    now[::20] = True
    result = compare_flags(now, 100, 20_000, IN_TIME)
    assert result.effect == pytest.approx(0.05 - 0.005)
    assert result.p_value < 1e-9
    assert compare_flags(now, 1_000, 20_000, IN_TIME).p_value == 1


def test_flags_that_come_in_runs_count_less():
    now = np.zeros(2_000, bool)
    now[500:600] = True
    scattered = np.zeros(2_000, bool)
    scattered[::20] = True
    run, single = (compare_flags(one, 200, 20_000, IN_TIME).p_value for one in (now, scattered))
    assert single < 1e-9
    assert run > 0.01


def test_categories_name_the_one_that_differs():
    codes = np.repeat([0, 1, 2], [500, 400, 100])
    codes = np.random.default_rng(4).permutation(codes)
    then = {"a": 5_000, "b": 4_500, "c": 500}
    result = compare_category_column(codes, ["a", "b", "c"], then, IN_TIME)
    assert result.what == "c"
    assert result.p_value < 1e-4
    assert result.effect == pytest.approx(0.05)
