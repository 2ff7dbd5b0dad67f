"""The columns that trees take."""

from models.features import Categorical, Numeric
from models.inputs.encoding import encoded_name
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
