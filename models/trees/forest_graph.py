"""A forest as TensorFlow core operations, bit-sliced: one bit a row, eight rows a byte.

A pass over all trees level by level has to gather a node, its feature and its threshold for each
row, tree and level. Here a split is decided for eight rows at once by one byte, and for 64 by one
operation on int64; the few gathers left are those of the leaves. Small trees share them: the
turns of as many trees as fit into a byte choose one sum of their leaves.

References:
    The bit-parallel evaluation of all splits follows Lucchese et al. (2015), "QuickScorer: A Fast
    Algorithm to Rank Documents with Additive Ensembles of Regression Trees", SIGIR. The transposed
    bits are Warren (2012), "Hacker's Delight", 2nd edition, section 7-3, for many matrices at once.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.trees.forest import Forest

# Rows in one pass. More would not fit into the processor's cache.
ROWS_A_PASS = 2048
# Trees, columns and bytes of sets are padded to multiples of 8, so that bytes form whole int64.
_BYTES = 8
_BITS = 8
# Of each distance between rows of a matrix of 8 x 8 bits: the columns that change places.
_SWAPPED = {4: 0x0F0F0F0F0F0F0F0F, 2: 0x3333333333333333, 1: 0x5555555555555555}


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
    # [num_bins, num_sets / 8], bits that are 1 where the category goes right
    nodes: Any  # int32 [2^depth - 1, num_trees], rows of [thresholds x columns; sets]
    trees_a_byte: int  # trees of a group
    leaves: Any  # float64 [num_groups * 2^(trees of a group * depth)], sums over a group's trees
    starts: Any  # int32 [num_groups, 1], where the leaves of a group begin


def margins(forest: Forest, features: tf.Tensor) -> tf.Tensor:
    """Returns the margin of each row, float64 `[batch, 1]`; see `Forest.in_graph`."""
    tables = _tables(forest)
    num_rows = tf.shape(features)[0]
    num_passes = tf.maximum(1, -(-num_rows // ROWS_A_PASS))
    rows_a_pass = _BITS * tf.maximum(1, -(-num_rows // (num_passes * _BITS)))
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
    """float64 `[n]` of float32 `[n, num_features]`, n a multiple of 8.

    Bit k of byte j belongs to row k * n / 8 + j.
    """
    num_bytes = tf.shape(features)[0] // _BITS
    bins, bins_or_0 = _bins(tables, features)
    decisions = _at_least(tables, tf.concat([bins, bins_or_0], axis=0))
    decisions = tf.reshape(decisions, [-1, num_bytes])
    if tables.sets:
        decisions = tf.concat([decisions, _in_sets(tables, bins)], axis=0)
    paths = _paths(_as_words(tf.gather(decisions, tables.nodes)))
    num_groups = tables.starts.shape[0]
    turns = tf.reshape(paths, [paths.shape[0] * tables.trees_a_byte, -1])
    turns = tf.pad(turns, [[0, _BITS - turns.shape[0]], [0, 0]])
    leaf = tf.reshape(_as_bytes(_transposed(turns)), [_BITS, num_groups, num_bytes])
    leaf = tf.expand_dims(tables.starts + tf.cast(leaf, tf.int32), -1)
    # For single numbers `gather_nd` takes two thirds of the time of `gather`.
    return tf.reshape(tf.reduce_sum(tf.gather_nd(tables.leaves, leaf), axis=1), [-1])


def _bins(tables: _Tables, features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """int32 `[used, n]`, the bin of each value, and the same with 0 where it is missing.

    Floats are compared as integers of the same order: TensorFlow's threads take denormal numbers
    for 0, XGBoost does not.
    """
    values = tf.gather(tf.transpose(features), tables.features)
    bits = tf.bitcast(values, tf.int32)
    keys = tf.where(bits < 0, tf.int32.min - bits, bits)
    bins = tf.searchsorted(tables.edges, keys, side="right")
    is_missing = tf.math.is_nan(values)
    return tf.where(is_missing, tables.missing, bins), tf.where(is_missing, 0, bins)


def _at_least(tables: _Tables, bins: tf.Tensor) -> tf.Tensor:
    """uint8 bits `[num_thresholds + 1, num_columns, n / 8]`: bin of the column >= threshold.

    Built from the binary digits of the bins. With digit b before digits that are at least t:
    at least 0t is `b or at least t`, at least 1t is `b and at least t`.

    Args:
        tables: The constants.
        bins: int32 `[2 * used, n]`, of which `tables.columns` are rows.
    """
    columns = tf.minimum(tf.gather(bins, tables.columns), tables.num_thresholds)
    digits = _digits(columns, tables.num_thresholds.bit_length())
    at_least = tf.bitwise.invert(tf.zeros_like(digits[0]))[None]
    for digit in digits:
        either, both = (
            tf.bitwise.bitwise_or(digit, at_least),
            tf.bitwise.bitwise_and(digit, at_least),
        )
        at_least = tf.concat([either, both], axis=0)
    return _as_bytes(at_least[: tables.num_thresholds + 1])


def _digits(numbers: tf.Tensor, count: int) -> list[tf.Tensor]:
    """The binary digits of int32 `[num_columns, n]`, the last one first, each of them as bits.

    Returns:
        For each digit int64 `[num_columns * n / 64]`.
    """
    digits: list[tf.Tensor] = []
    while len(digits) < count:
        eight = numbers
        if count > _BITS:
            eight = tf.bitwise.right_shift(numbers, len(digits))
            eight = tf.bitwise.bitwise_and(eight, 2**_BITS - 1)
        rows = tf.reshape(tf.cast(eight, tf.uint8), [numbers.shape[0], _BITS, -1])
        digits += tf.unstack(_transposed(_as_words(tf.transpose(rows, [1, 0, 2]))))
    return digits[:count]


def _in_sets(tables: _Tables, bins: tf.Tensor) -> tf.Tensor:
    """uint8 bits `[num_sets, n / 8]`: the category is in the set that goes right.

    A row gathers the bits of all sets of a feature at once, as they lie side by side.
    """
    sets = tf.concat([tf.gather(sets, bins[position]) for position, sets in tables.sets], axis=1)
    rows = tf.reshape(sets, [_BITS, -1, sets.shape[1]])
    bits = tf.reshape(_as_bytes(_transposed(_as_words(rows))), tf.shape(rows))
    return tf.reshape(tf.transpose(bits, [0, 2, 1]), [_BITS * sets.shape[1], -1])


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


def _transposed(rows: tf.Tensor) -> tf.Tensor:
    """int64 `[8, m]` of int64 `[8, m]`: bit j of a byte in row i becomes bit i of it in row j."""
    for distance, mask in _SWAPPED.items():
        pairs = tf.reshape(rows, [_BITS // (2 * distance), 2, distance, -1])
        low, high = tf.unstack(pairs, axis=1)
        moved = tf.bitwise.bitwise_xor(tf.bitwise.right_shift(low, np.int64(distance)), high)
        moved = tf.bitwise.bitwise_and(moved, mask)
        low = tf.bitwise.bitwise_xor(low, moved * 2**distance)
        rows = tf.stack([low, tf.bitwise.bitwise_xor(high, moved)], axis=1)
    return tf.reshape(rows, [_BITS, -1])


def _as_words(values: tf.Tensor) -> tf.Tensor:
    """uint8 `[a, b, c]` as int64 `[a, b * c / 8]`; b or c is a multiple of 8."""
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
    columns = _padded(columns, _BYTES)
    first = goes_right.shape[1] - goes_right[is_threshold].sum(axis=1)
    num_thresholds = int(first.max(initial=1))
    row_of = np.empty(len(feature), np.int64)
    row_of[is_threshold] = first * len(columns) + position
    sets, place = _sets(feature[~is_threshold], forest.goes_right[~is_threshold])
    row_of[~is_threshold] = (num_thresholds + 1) * len(columns) + place
    trees_a_byte = _BITS // forest.depth
    splits = _padded(row_of[forest.nodes[:, _preorder(forest.depth)]], _BYTES * trees_a_byte)
    leaves = _leaf_sums(_padded(forest.leaves, _BYTES * trees_a_byte), trees_a_byte)
    return _Tables(
        features=_constant(used),
        edges=tf.constant(_ordered_edges(forest, used)),
        missing=forest.num_bins - 1,
        columns=_constant(columns),
        num_thresholds=num_thresholds,
        sets=sets,
        nodes=_constant(splits.T),
        trees_a_byte=trees_a_byte,
        leaves=tf.constant(leaves.reshape(-1)),
        starts=_constant(leaves.shape[1] * np.arange(len(leaves))[:, None]),
    )


def _sets(
    feature: NDArray[np.int64], goes_right: NDArray[np.bool_]
) -> tuple[list[tuple[int, tf.Tensor]], NDArray[np.int64]]:
    """The sets by feature, as bits, and each set's place among all of them.

    All sets are padded to a multiple of 64. The first bits of all bytes lie before the second ones.
    """
    members: list[tuple[int, NDArray[np.uint8]]] = []
    place = np.empty(len(feature), np.int64)
    size = 0
    for position in np.unique(feature):
        own = feature == position
        packed = np.packbits(goes_right[own], axis=0, bitorder="little")
        place[own] = _BITS * size + np.arange(own.sum())
        members.append((int(position), packed))
        size += len(packed)
    if members:
        position, packed = members[-1]
        members[-1] = position, np.pad(packed, [(0, -size % _BYTES), (0, 0)])
        size += -size % _BYTES
    return [(position, tf.constant(packed.T)) for position, packed in members], (
        place % _BITS * size + place // _BITS
    )


def _leaf_sums(leaves: NDArray[np.float64], trees_a_byte: int) -> NDArray[np.float64]:
    """float64 `[num_groups, 2^(trees_a_byte * depth)]`: sums over the trees of a group.

    The tree of a group comes first among trees: tree t of group g is t * num_groups + g. Bit
    level * trees_a_byte + t of a place is the turn of tree t at the level.
    """
    depth = leaves.shape[1].bit_length() - 1
    by_tree = leaves.reshape(trees_a_byte, -1, leaves.shape[1])
    place = np.arange(2 ** (trees_a_byte * depth))
    levels = np.arange(depth)[:, None]
    sums: NDArray[np.float64] = np.zeros((by_tree.shape[1], len(place)))
    for tree, own in enumerate(by_tree):
        turns = place >> (levels * trees_a_byte + tree) & 1
        sums += own[:, (turns << (depth - 1 - levels)).sum(axis=0)]
    return sums


def _constant(values: NDArray[Any]) -> tf.Tensor:
    return tf.constant(values.astype(np.int32))


def _padded(rows: NDArray[Any], multiple: int) -> NDArray[Any]:
    """Zeros behind the rows, to a multiple."""
    return np.pad(rows, [(0, -len(rows) % multiple), *[(0, 0)] * (rows.ndim - 1)])


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
