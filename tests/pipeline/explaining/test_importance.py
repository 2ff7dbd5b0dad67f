import numpy as np
import pytest

from pipeline.explaining.importance import permutation_importance

RNG = np.random.default_rng(0)
USEFUL, NOISE = RNG.normal(size=(2, 500))
LABELS = (USEFUL + RNG.normal(0, 0.3, 500) > 1.2).astype(int)
COLUMNS = {"noise": NOISE, "useful": USEFUL}


def test_a_column_that_the_model_uses_is_worth_something_and_others_nothing():
    useful, noise = permutation_importance(lambda c: c["useful"], COLUMNS, LABELS)

    assert (useful.column, noise.column) == ("useful", "noise")
    assert useful.mean > 0.5
    assert useful.low <= useful.mean <= useful.high
    assert (noise.mean, noise.low, noise.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_shuffles():
    first, second = (
        permutation_importance(lambda c: c["useful"], COLUMNS, LABELS, repeats=3, seed=5)
        for _ in range(2)
    )

    assert first == second


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="all of one class"):
        permutation_importance(lambda c: c["useful"], COLUMNS, np.zeros(500, int))


def test_the_order_of_the_columns_decides_nothing():
    columns = COLUMNS | {"copy": USEFUL}
    turned = dict(reversed(columns.items()))

    first, second = (
        permutation_importance(
            lambda c: c["useful"] + 0.5 * c["copy"] + 0.1 * c["noise"], given, LABELS
        )
        for given in (columns, turned)
    )

    assert first == second
