"""The columns that trees take."""

import math

import numpy as np
import pytest

from models.features import Bucketized, Categorical, HeavyTailed, Numeric, Time
from models.inputs.encoding import MISSING_INDEX, OUT_OF_VOCABULARY, encoded_name
from models.trees.inputs import TreeInputs, ranked


def _columns():
    table = {"maker": Categorical(), "site": Categorical(), "pressure": Numeric()}
    pairs = [("maker", "a"), ("site", "x"), ("maker", "b"), ("maker", "c")]
    return TreeInputs(table, [f"{encoded_name(name)}={value}" for name, value in pairs]).columns


def test_a_category_knows_how_many_values_the_vocabulary_has():
    numbers = {column.feature: column.num_values for column in _columns()}
    assert numbers == {"maker": 3, "site": 1, "pressure": 0}


def test_only_a_category_with_more_values_is_ranked():
    columns = ranked(_columns(), 2)
    assert [column.is_category for column in columns] == [False, True, False]
    assert ranked(_columns(), None) == _columns()


@pytest.mark.tensorflow
def test_columns_come_in_the_order_of_the_table():
    import tensorflow as tf

    table = {
        "site": Categorical(),
        "pressure": Numeric(),
        "at": Time(cycles=("hour_of_day",)),
        "load": Bucketized(num_buckets=2),
        "flow": HeavyTailed(),
        "maker": Categorical(),
    }
    pairs = [("maker", "a"), ("site", "x"), ("maker", "b")]
    inputs = TreeInputs(table, [f"{encoded_name(name)}={value}" for name, value in pairs])
    rows = {
        "site": [[1], [OUT_OF_VOCABULARY], [MISSING_INDEX]],
        "pressure": [[0.5, 0.0], [1.5, 0.0], [0.0, 1.0]],
        "at": [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]],
        "load": [[2], [1], [0]],
        "flow": [[0.0, 1.0], [-3.0, 0.0], [7.0, 0.0]],
        "maker": [[2], [0], [OUT_OF_VOCABULARY]],
    }
    columns = inputs.in_graph(
        {encoded_name(name): tf.constant(values) for name, values in rows.items()}
    )
    missing = math.nan
    np.testing.assert_allclose(
        columns,
        [
            [0, 0.5, 0.25, 2, missing, 1],
            [1, 1.5, 0.5, 1, -3, 0],
            [missing, missing, missing, missing, 7, 2],
        ],
    )
    assert [column.feature for column in inputs.columns] == list(table)
