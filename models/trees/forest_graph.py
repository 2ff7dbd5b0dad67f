"""A forest as TensorFlow core operations."""

import numpy as np
import tensorflow as tf

from models.trees.forest import Forest


def margins(forest: Forest, features: tf.Tensor) -> tf.Tensor:
    """Returns the margin of each row, float64 `[batch, 1]`; see `Forest.in_graph`."""
    return tf.expand_dims(forest.bias + _sum_of_leaves(forest, _bins(forest, features)), 1)


def _bins(forest: Forest, features: tf.Tensor) -> tf.Tensor:
    """int32 `[num_features, batch]`.

    Floats are compared as integers of the same order: TensorFlow's threads take denormal
    numbers for 0, XGBoost does not.
    """
    edges = np.full((forest.num_features, forest.num_bins - 2), np.iinfo(np.int32).max, np.int32)
    for row, own in zip(edges, forest.edges, strict=True):
        bits = own.view(np.int32)
        row[: len(own)] = np.where(bits < 0, np.iinfo(np.int32).min - bits, bits)
    columns = tf.transpose(features)
    bits = tf.bitcast(columns, tf.int32)
    keys = tf.where(bits < 0, tf.int32.min - bits, bits)
    bins = tf.searchsorted(tf.constant(edges), keys, side="right")
    return tf.where(tf.math.is_nan(columns), forest.num_bins - 1, bins)


def _sum_of_leaves(forest: Forest, bins: tf.Tensor) -> tf.Tensor:
    """float64 `[batch]`: all trees walk one level at a time."""
    num_rows = tf.shape(bins)[1]
    flat_bins, rows = tf.reshape(bins, [-1]), tf.range(num_rows)
    position = tf.zeros([forest.num_trees, num_rows], tf.int32)
    for _ in range(forest.depth):
        split = tf.gather(tf.constant(forest.nodes), position, batch_dims=1)
        feature = tf.gather(tf.constant(forest.split_feature), split)
        bin_of = tf.gather(flat_bins, feature * num_rows + rows)
        right = tf.gather(
            tf.constant(forest.goes_right.reshape(-1)), split * forest.num_bins + bin_of
        )
        position = 2 * position + 1 + tf.cast(right, tf.int32)
    leaf = position - forest.nodes.shape[1]
    return tf.reduce_sum(tf.gather(tf.constant(forest.leaves), leaf, batch_dims=1), axis=0)
