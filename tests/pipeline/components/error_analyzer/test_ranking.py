import numpy as np
import pyarrow as pa
import pytest

from pipeline.components.error_analyzer.ranking import losses_in_order, rank_errors

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
