"""Raw columns as tensors: stacked for the transform graph, and taken from the stacks again.

A missing value in a dense column is NaN, the empty text, or `MISSING_INT`.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from models.inputs.stacks import MISSING_INT, Stacks

Column = Any  # tf.Tensor or tf.SparseTensor, for which there are no types
# Values, and which of them are present.
Pair = tuple[tf.Tensor, tf.Tensor]


def dense_column(column: Column, size: int = 1) -> tf.Tensor:
    """Returns a raw column as a dense tensor `[batch, size]`."""
    if not isinstance(column, tf.SparseTensor):
        return column
    default = _missing_value(column.dtype)
    return tft.sparse_tensor_to_dense_with_shape(column, [None, size], default_value=default)


def _missing_value(dtype: tf.DType) -> float | str:
    if dtype == tf.string:
        return ""
    return MISSING_INT if dtype.is_integer else math.nan


def present_numbers(dense: tf.Tensor) -> Pair:
    """Returns numbers as float64, zero where missing, and bool: which are present."""
    if dense.dtype.is_integer:
        present = tf.not_equal(dense, tf.constant(MISSING_INT, dense.dtype))
        values = tf.cast(dense, tf.float64)
    else:
        values = tf.cast(dense, tf.float64)
        present = tf.math.is_finite(values)
    return tf.where(present, values, tf.zeros_like(values)), present


def stack(raw: Mapping[str, Column], stacks: Stacks) -> dict[str, Column]:
    """Returns raw columns with those of each stack in one dense tensor `[batch, num_columns]`.

    Args:
        raw: Columns by name: tensors `[batch, 1]`, or sparse where values may be missing, and
            columns that are in no stack.
        stacks: The columns of each stack; one of which `raw` has none is left out.

    Raises:
        KeyError: `raw` has some columns of a stack but not all.
    """
    stacked = {
        name: _stack([raw[column] for column in columns])
        for name, columns in stacks.items()
        if not raw.keys().isdisjoint(columns)
    }
    inside = {column for columns in stacks.values() for column in columns}
    return stacked | {name: column for name, column in raw.items() if name not in inside}


def _stack(columns: Sequence[Column]) -> tf.Tensor:
    """Columns of one type as a dense tensor `[batch, num_columns]`."""
    keys = [isinstance(column, tf.SparseTensor) for column in columns]
    [stacked] = _by_key(
        keys,
        lambda sparse, places: (
            _stack_sparse([columns[place] for place in places])
            if sparse
            else tf.concat([columns[place] for place in places], axis=1),
        ),
    )
    return stacked


def _stack_sparse(columns: Sequence[tf.SparseTensor]) -> tf.Tensor:
    counts = tf.concat(tf.shape_n([column.values for column in columns], tf.int64), axis=0)
    owner = tf.repeat(tf.range(len(columns), dtype=tf.int64), counts)
    row, place = tf.unstack(tf.concat([c.indices for c in columns], axis=0), num=2, axis=1)
    dense = tf.raw_ops.SparseToDense(
        # A second value of a column is out of bounds in the last dimension, and so an error.
        sparse_indices=tf.stack([row, owner, place], axis=1),
        output_shape=tf.stack([columns[0].dense_shape[0], len(columns), 1]),
        sparse_values=tf.concat([column.values for column in columns], axis=0),
        default_value=_missing_value(columns[0].dtype),
        validate_indices=False,  # the indices are unique, but not sorted
    )
    return tf.ensure_shape(tf.squeeze(dense, axis=2), [None, len(columns)])


class StackedColumns:
    """The raw columns of a batch, taken from their stacks."""

    def __init__(self, inputs: Mapping[str, tf.Tensor], stacks: Stacks) -> None:
        """Prepares the columns of `inputs`; each stack is `[batch, num_columns]`."""
        self._inputs = inputs
        self._places = {
            column: (name, position)
            for name, columns in stacks.items()
            for position, column in enumerate(columns)
        }

    def numbers(self, names: Sequence[str]) -> Pair:
        """Returns float64 `[batch, len(names)]`, zero where missing, and which are present."""
        stacks = [self._places[name][0] for name in names]
        values, present = _by_key(
            stacks,
            lambda stack_name, places: present_numbers(
                self._take(stack_name, [names[place] for place in places])
            ),
        )
        return values, present

    def texts(
        self, names: Sequence[str], keys: Sequence[bool], convert: Callable[..., tf.Tensor]
    ) -> tf.Tensor:
        """Returns text `[batch, len(names)]`.

        Args:
            names: Columns of any type.
            keys: A key for each; columns of one type and key are converted at once.
            convert: Dense columns `[batch, n]` and their key to text of that shape.
        """
        groups = [(self._places[name][0], key) for name, key in zip(names, keys, strict=True)]
        [text] = _by_key(
            groups,
            lambda group, places: (
                convert(self._take(group[0], [names[place] for place in places]), group[1]),
            ),
        )
        return text

    def _take(self, stack_name: str, names: Sequence[str]) -> tf.Tensor:
        positions = [self._places[name][1] for name in names]
        return tf.gather(self._inputs[stack_name], positions, axis=1)


def _by_key(
    keys: Sequence[Hashable], make: Callable[[Any, list[int]], tuple[tf.Tensor, ...]]
) -> tuple[tf.Tensor, ...]:
    """Makes columns in groups of one key, and puts them in the order of the keys.

    Args:
        keys: The key of each column.
        make: A key and the places in `keys` that have it, to tensors `[batch, len(places)]`.

    Returns:
        Tensors `[batch, len(keys)]`.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    parts = [make(key, places) for key, places in groups.items()]
    if len(groups) == 1:
        return parts[0]
    made = [place for places in groups.values() for place in places]
    order = sorted(range(len(made)), key=made.__getitem__)
    return tuple(
        tf.gather(tf.concat(tensors, axis=1), order, axis=1) for tensors in zip(*parts, strict=True)
    )
