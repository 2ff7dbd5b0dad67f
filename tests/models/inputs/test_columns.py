import pytest
import tensorflow as tf

from models.inputs.columns import StackedColumns, stack
from models.inputs.preprocessing import category_text
from models.inputs.stacks import MISSING_INT

NAN = float("nan")
SPARSE = tf.sparse.from_dense([[1.5], [0.0]])
DENSE = tf.constant([[2.0], [NAN]])
WHOLE = tf.sparse.from_dense(tf.constant([[0], [3]], tf.int64))


def test_columns_keep_their_places_in_a_stack_whether_sparse_or_dense():
    stacks = {"floats": ("a", "b", "c"), "ints": ("d",)}
    raw = {"c": DENSE, "b": SPARSE, "a": DENSE, "d": WHOLE, "signal": tf.ones([2, 5])}
    stacked = stack(raw, stacks)
    assert sorted(stacked) == ["floats", "ints", "signal"]
    floats = stacked["floats"].numpy()
    assert floats[0].tolist() == [2.0, 1.5, 2.0]
    assert tf.math.is_nan(floats[1]).numpy().all()
    assert stacked["ints"].numpy().tolist() == [[MISSING_INT], [3]]
    assert stacked["signal"].shape == [2, 5]


def test_numbers_come_in_the_order_asked_for_whatever_their_type():
    stacks = {"floats": ("dense", "sparse"), "ints": ("whole",)}
    stacked = stack({"dense": DENSE, "sparse": SPARSE, "whole": WHOLE}, stacks)
    columns = StackedColumns(stacked, stacks)
    values, present = columns.numbers(["dense", "whole", "sparse", "dense"])
    assert values.numpy().tolist() == [[2.0, 0.0, 1.5, 2.0], [0.0, 3.0, 0.0, 0.0]]
    assert present.numpy().tolist() == [[True, False, True, True], [False, True, False, False]]


def test_texts_of_one_type_and_key_are_converted_at_once():
    stacks = {"texts": ("maker", "running", "site"), "ints": ("code",)}
    inputs = {
        "texts": tf.constant([[" a ", "Yes", "TRUE"], ["", "off", "yes"]]),
        "ints": tf.constant([[7], [MISSING_INT]], tf.int64),
    }
    calls = []

    def convert(column, truth):
        calls.append((column.shape[1], truth))
        return category_text(column, truth=truth)

    text = StackedColumns(inputs, stacks).texts(
        ["running", "code", "maker", "site"], [True, False, False, False], convert
    )
    # `yes` is a truth value only where the feature says so.
    assert text.numpy().tolist() == [[b"true", b"7", b"a", b"true"], [b"false", b"", b"", b"yes"]]
    assert sorted(calls) == [(1, False), (1, True), (2, False)]


def test_a_second_value_of_a_column_is_an_error_and_not_the_next_columns():
    two_values = tf.sparse.from_dense([[1.0, 2.0]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of bounds"):
        stack({"a": two_values, "b": tf.sparse.from_dense([[3.0]])}, {"floats": ("a", "b")})


def test_a_stack_is_whole_or_left_out():
    stacks = {"floats": ("a", "b"), "ints": ("d",)}
    assert list(stack({"d": WHOLE}, stacks)) == ["ints"]
    with pytest.raises(KeyError, match="b"):
        stack({"a": DENSE}, stacks)
