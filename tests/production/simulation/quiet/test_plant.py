import numpy as np
import pyarrow as pa
import pytest

from production.monitoring.chunks.columns import Columns
from production.simulation.quiet.plant import Order, QuietPlant

NUM_ROWS = 2_000


@pytest.fixture(scope="module")
def plant():
    temperature = np.random.default_rng(0).permutation(NUM_ROWS).astype(np.float64)
    numbers = {"temperature_k": temperature, "place": np.arange(NUM_ROWS, dtype=np.float64)}
    return QuietPlant(
        records=pa.table({"decision": np.arange(NUM_ROWS)}),
        columns=Columns(num_rows=NUM_ROWS, numbers=numbers),
        truth=np.zeros(NUM_ROWS, np.int64),
    )


def temperatures(plant, order, num_chunks=200):
    rng = np.random.default_rng(1)
    rows = np.arange(500, NUM_ROWS)
    chunks = list(plant.chunks(rng, rows, order, num_chunks=num_chunks, size=100))
    assert [chunk.number for chunk, _ in chunks] == list(range(num_chunks))
    return chunks, np.concatenate([columns.numbers["temperature_k"] for _, columns in chunks])


@pytest.mark.parametrize(("order", "expected"), [(Order.INDEPENDENT, 0.0), (Order.WANDERING, 0.9)])
def test_rows_follow_each_other_as_the_order_says(plant, order, expected):
    _, values = temperatures(plant, order)
    # 20,000 rows: standard errors of 0.007 at most. Ranks correlate a little less than the
    # Gaussian values behind them: 6 / pi asin(0.9 / 2) = 0.89.
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("order", list(Order))
def test_each_row_has_the_distribution_of_the_plant(plant, order):
    _, values = temperatures(plant, order)
    share = (values < np.median(plant.columns.numbers["temperature_k"][500:])).mean()
    # With AR(1), 0.9, 20,000 rows are worth about 1,000: a standard error of 0.016.
    assert share == pytest.approx(0.5, abs=0.06)


def test_chunks_never_have_rows_of_the_training_data_and_their_columns_are_of_the_same_rows(plant):
    chunks, _ = temperatures(plant, Order.WANDERING, 3)
    for chunk, columns in chunks:
        decisions = chunk.records["decision"].to_numpy()
        assert (decisions >= 500).all()
        assert (columns.numbers["place"] == decisions).all()


def test_independent_chunks_have_no_row_twice(plant):
    chunks, _ = temperatures(plant, Order.INDEPENDENT, 3)
    assert all(len(set(c.records["decision"].to_pylist())) == 100 for c, _ in chunks)
