"""A forest as TensorFlow core operations, bit-sliced: one bit a row, eight rows a byte.

A pass over all trees level by level has to gather a node, its feature and its threshold for each
row, tree and level. Here a split is decided for eight rows at once by one byte, and for 64 by one
operation on int64; the few gathers left are those of the leaves.

References:
    The bit-parallel evaluation of all splits follows Lucchese et al. (2015), "QuickScorer: A Fast
    Algorithm to Rank Documents with Additive Ensembles of Regression Trees", SIGIR.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.trees.forest import Forest

# Rows in one pass. More would not fit into the processor's cache.
ROWS_A_PASS = 2048
# Trees and columns are padded to multiples of 8, so that bytes of rows form whole int64.
_BYTES = 8
# sum over i of 2^(63 - 9 i), as int64
_GATHER = 0x8040201008040201 - 2**64


@dataclass(frozen=True, eq=False)
class _Tables:
    """The constants of a forest as tensors, made once for both branches of the graph.

    A column is a used feature with the side that its missing values go to.
    """

    features: Any  # int32 [used], the features that some split reads
    edges: Any  # int32 [used, num_edges], ordered like float32
    missing: int  # the bin of missing values
    columns: Any  # int32 [num_columns], rows of [bins; bins where missing goes left]
    num_thresholds: int  # the largest first bin that goes right
    sets: Any  # of each feature with splits on categories: its position in `features`, and uint8
    # [num_bins, num_sets], 1 where the category goes right
    nodes: Any  # int32 [2^depth - 1, num_trees], rows of [thresholds x columns; sets]
    leaves: Any  # float64 [num_trees * 2^depth]
    tree_starts: Any  # int32 [num_trees, 1]
    spread: Any  # int64 [depth * 256]: a byte's bits as eight bytes, weighted by the level
    byte_starts: Any  # int32 [depth, 1]


def margins(forest: Forest, features: tf.Tensor) -> tf.Tensor:
    """Returns the margin of each row, float64 `[batch, 1]`; see `Forest.in_graph`."""
    tables = _tables(forest)
    num_rows = tf.shape(features)[0]
    num_passes = tf.maximum(1, -(-num_rows // ROWS_A_PASS))
    rows_a_pass = _BYTES * tf.maximum(1, -(-num_rows // (num_passes * _BYTES)))
    padded = tf.pad(features, [[0, num_passes * rows_a_pass - num_rows], [0, 0]])

    def passes() -> tf.Tensor:
        parts = tf.reshape(padded, [num_passes, rows_a_pass, forest.num_features])
        sums = tf.map_fn(
            lambda part: _sum_of_leaves(tables, part),
            parts,
            parallel_iterations=2,
            fn_output_signature=tf.TensorSpec([None], tf.float64),
        )
        return tf.reshape(sums, [-1])

    sums = tf.cond(num_passes > 1, passes, lambda: _sum_of_leaves(tables, padded))
    return tf.expand_dims(forest.bias + sums[:num_rows], 1)


def _sum_of_leaves(tables: _Tables, features: tf.Tensor) -> tf.Tensor:
    """float64 `[n]` of float32 `[n, num_features]`, n a multiple of 8."""
    bins = _bins(tables, features)
    num_bytes = tf.shape(bins)[1] // _BYTES
    decisions = tf.reshape(_at_least(tables, bins), [-1, num_bytes])
    if tables.sets:
        decisions = tf.concat([decisions, _in_sets(tables, bins)], axis=0)
    path = _as_bytes(_paths(_as_words(tf.gather(decisions, tables.nodes))))
    leaf_bytes = tf.gather(tables.spread, tables.byte_starts + tf.cast(path, tf.int32))
    leaf = _as_bytes(tf.reduce_sum(leaf_bytes, axis=0))
    leaf = tf.reshape(tf.cast(leaf, tf.int32), [-1, num_bytes * _BYTES])
    return tf.reduce_sum(tf.gather(tables.leaves, tables.tree_starts + leaf), axis=0)


def _bins(tables: _Tables, features: tf.Tensor) -> tf.Tensor:
    """int32 `[used, n]`, the bin of each value.

    Floats are compared as integers of the same order: TensorFlow's threads take denormal numbers
    for 0, XGBoost does not.
    """
    values = tf.gather(tf.transpose(features), tables.features)
    bits = tf.bitcast(values, tf.int32)
    keys = tf.where(bits < 0, tf.int32.min - bits, bits)
    bins = tf.searchsorted(tables.edges, keys, side="right")
    return tf.where(tf.math.is_nan(values), tables.missing, bins)


def _at_least(tables: _Tables, bins: tf.Tensor) -> tf.Tensor:
    """uint8 bits `[num_thresholds + 1, num_columns, n / 8]`: bin of the column >= threshold.

    Built from the binary digits of the bins. With digit b before digits that are at least t:
    at least 0t is `b or at least t`, at least 1t is `b and at least t`.
    """
    missing_left = tf.where(tf.equal(bins, tables.missing), 0, bins)
    columns = tf.gather(tf.concat([bins, missing_left], axis=0), tables.columns)
    columns = tf.minimum(columns, tables.num_thresholds)
    powers = 1 << np.arange(tables.num_thresholds.bit_length(), dtype=np.int32)[:, None, None]
    digits = _as_words(_packed(tf.bitwise.bitwise_and(columns, powers) > 0))
    at_least = tf.bitwise.invert(tf.zeros_like(digits[:1]))
    for position in range(len(powers)):
        digit = digits[position]
        either, both = (
            tf.bitwise.bitwise_or(digit, at_least),
            tf.bitwise.bitwise_and(digit, at_least),
        )
        at_least = tf.concat([either, both], axis=0)
    return _as_bytes(at_least[: tables.num_thresholds + 1])


def _in_sets(tables: _Tables, bins: tf.Tensor) -> tf.Tensor:
    """uint8 bits `[num_sets, n / 8]`: the category is in the set that goes right.

    A row gathers the flags of all sets of a feature at once, as they lie side by side. Eight rows
    are packed by shifts of whole int64, in which a flag never leaves its byte.
    """
    flags = tf.concat([tf.gather(sets, bins[position]) for position, sets in tables.sets], axis=1)
    words = tf.bitcast(tf.reshape(flags, [-1, _BYTES, flags.shape[1] // _BYTES, _BYTES]), tf.int64)
    packed = words[:, _BYTES - 1]
    for row in range(_BYTES - 1):
        shifted = tf.bitwise.left_shift(words[:, row], tf.constant(_BYTES - 1 - row, tf.int64))
        packed = tf.bitwise.bitwise_or(packed, shifted)
    return tf.transpose(tf.reshape(tf.bitcast(packed, tf.uint8), [-1, flags.shape[1]]))


def _paths(decisions: tf.Tensor) -> tf.Tensor:
    """int64 `[depth, words]`: the turn taken at each level.

    Args:
        decisions: int64 `[2^depth - 1, words]`: a root, its left subtree, its right subtree, each
            in this order.
    """
    turns = []
    size = decisions.shape[0]
    while size:
        turns.append(decisions[0])
        size //= 2
        left, right = decisions[1 : 1 + size], decisions[1 + size :]
        # right where the turn is 1, else left
        chosen = tf.bitwise.bitwise_and(turns[-1], tf.bitwise.bitwise_xor(left, right))
        decisions = tf.bitwise.bitwise_xor(left, chosen)
    return tf.stack(turns)


def _packed(truths: tf.Tensor) -> tf.Tensor:
    """uint8 bits `[a, b, n / 8]` of bool `[a, b, n]`, the first of eight highest.

    Eight bytes of 0 and 1 are one int64. Its product with `_GATHER` has byte i as bit 63 - i: no
    two products of bits meet, so nothing is carried.
    """
    flags = tf.cast(truths, tf.uint8)
    words = tf.bitcast(tf.reshape(flags, [*flags.shape[:-1], -1, _BYTES]), tf.int64)
    return tf.bitcast(words * _GATHER, tf.uint8)[..., _BYTES - 1]


def _as_words(values: tf.Tensor) -> tf.Tensor:
    """uint8 `[a, b, c]` as int64 `[a, b * c / 8]`; b is a multiple of 8."""
    return tf.bitcast(tf.reshape(values, [values.shape[0], -1, _BYTES]), tf.int64)


def _as_bytes(words: tf.Tensor) -> tf.Tensor:
    """int64 `[..., n]` as uint8 `[..., n * 8]`."""
    return tf.reshape(tf.bitcast(words, tf.uint8), [*words.shape[:-1], -1])


def _tables(forest: Forest) -> _Tables:
    goes_right = forest.goes_right[:, :-1]
    is_threshold = (goes_right[:, 1:] >= goes_right[:, :-1]).all(axis=1)
    used, feature = np.unique(forest.split_feature, return_inverse=True)
    column = feature + len(used) * ~forest.goes_right[:, -1]
    columns, position = np.unique(column[is_threshold], return_inverse=True)
    columns = _padded(columns)
    first = goes_right.shape[1] - goes_right[is_threshold].sum(axis=1)
    num_thresholds = int(first.max(initial=1))
    row_of = np.empty(len(feature), np.int64)
    row_of[is_threshold] = first * len(columns) + position
    sets, place = _sets(feature[~is_threshold], forest.goes_right[~is_threshold])
    row_of[~is_threshold] = (num_thresholds + 1) * len(columns) + place
    return _Tables(
        features=_constant(used),
        edges=tf.constant(_ordered_edges(forest, used)),
        missing=forest.num_bins - 1,
        columns=_constant(columns),
        num_thresholds=num_thresholds,
        sets=sets,
        nodes=_constant(row_of[_padded(forest.nodes)[:, _preorder(forest.depth)]].T),
        leaves=tf.constant(_padded(forest.leaves).reshape(-1)),
        tree_starts=_starts(len(_padded(forest.leaves)), 2**forest.depth),
        spread=tf.constant(_spread(forest.depth)),
        byte_starts=_starts(forest.depth, 256),
    )


def _sets(
    feature: NDArray[np.int64], goes_right: NDArray[np.bool_]
) -> tuple[list[tuple[int, tf.Tensor]], NDArray[np.int64]]:
    """The sets by feature, padded to multiples of 8, and each set's place among all of them."""
    sets: list[tuple[int, tf.Tensor]] = []
    place = np.empty(len(feature), np.int64)
    size = 0
    for position in np.unique(feature):
        own = feature == position
        members = _padded(goes_right[own].astype(np.uint8))
        place[own] = size + np.arange(own.sum())
        sets.append((int(position), tf.constant(members.T)))
        size += len(members)
    return sets, place


def _constant(values: NDArray[Any]) -> tf.Tensor:
    return tf.constant(values.astype(np.int32))


def _starts(count: int, size: int) -> tf.Tensor:
    return _constant(size * np.arange(count)[:, None])


def _padded(rows: NDArray[Any]) -> NDArray[Any]:
    """Zeros behind the rows, to a multiple of 8."""
    return np.pad(rows, [(0, -len(rows) % _BYTES), *[(0, 0)] * (rows.ndim - 1)])


def _ordered_edges(forest: Forest, used: NDArray[np.int32]) -> NDArray[np.int32]:
    edges = np.full((len(used), max(1, forest.num_bins - 2)), np.iinfo(np.int32).max, np.int32)
    for row, feature in zip(edges, used, strict=True):
        bits = forest.edges[feature].view(np.int32)
        row[: len(bits)] = np.where(bits < 0, np.iinfo(np.int32).min - bits, bits)
    return edges


def _preorder(depth: int) -> list[int]:
    """The nodes of a tree, numbered level by level, in the order that `_paths` takes."""
    order: list[int] = []
    stack = [0]
    while stack:
        node = stack.pop()
        order.append(node)
        children = [2 * node + 2, 2 * node + 1]
        stack += [child for child in children if child < 2**depth - 1]
    return order


def _spread(depth: int) -> NDArray[np.int64]:
    """int64 `[depth * 256]`: each bit of a byte as a byte, times the level's weight."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    weights = 1 << np.arange(depth)[::-1]
    weighted = bits[None] * weights[:, None, None].astype(np.uint8)
    words: NDArray[np.int64] = np.ascontiguousarray(weighted).view(np.int64).reshape(-1)
    return words
