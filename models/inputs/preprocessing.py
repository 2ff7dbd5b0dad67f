"""The features table as a TensorFlow Transform graph.

The cost of a Transform run on a laptop grows with the number of analyzers (about a second each for
a vocabulary), not with the number of columns. So there is one for all means and variances, one for
all vocabularies, and one for the quantiles of each bucket count.
"""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from models.features import (
    Bucketized,
    Categorical,
    Crossed,
    Cycle,
    FeatureTable,
    HeavyTailed,
    Numeric,
    Signal,
    Time,
    features_from_json,
    of_kind,
)
from models.inputs.encoding import (
    LABEL_NAME,
    MISSING_INDEX,
    OUT_OF_VOCABULARY,
    VOCABULARY_NAME,
    encoded_name,
)

Column = Any  # tf.Tensor or tf.SparseTensor, for which there are no types
# Values, and which of them are present.
Pair = tuple[tf.Tensor, tf.Tensor]

# Marks a missing value in an integer column, where NaN does not exist.
MISSING_INT = -(2**63)

# As the reading of files has them (pipeline/reading/contract.py; a test compares the two).
TRUE_WORDS = "true|t|yes|y|on|1"
FALSE_WORDS = "false|f|no|n|off|0"

_DAY_S = 86_400
# Gregorian mean year; the Unix epoch was a Thursday, day 3 of a week that begins on Monday.
_PERIODS_S: Mapping[Cycle, tuple[float, float]] = {
    "hour_of_day": (_DAY_S, 0.0),
    "day_of_week": (7 * _DAY_S, 3.0 * _DAY_S),
    "day_of_year": (365.2425 * _DAY_S, 0.0),
}


def preprocessing_fn(
    inputs: Mapping[str, Column], custom_config: Mapping[str, str]
) -> dict[str, tf.Tensor]:
    """Returns the transformed features of a batch, by their encoded names.

    Args:
        inputs: Raw columns: tensors `[batch, 1]`, sparse `[batch, ?]` where values may be missing,
            and signals `[batch, num_samples]`.
        custom_config: `label` names the label, `features` holds the features table as JSON.

    Returns:
        float32 `[batch, size]` for dense features, int64 `[batch, 1]` for index features, float32
        `[batch, num_samples, 3]` for signals, and the label as float32 `[batch, 1]`.
    """
    table = features_from_json(custom_config["features"])
    outputs = _standardised(inputs, table)
    outputs |= {name: _time(inputs[name], time) for name, time in of_kind(table, Time).items()}
    outputs |= _categories(inputs, table) | _buckets(inputs, table)
    for name, crossed in of_kind(table, Crossed).items():
        outputs[name] = _cross([outputs[part] for part in crossed.of], crossed)
    encoded = {encoded_name(name): value for name, value in outputs.items()}
    return encoded | {LABEL_NAME: tf.cast(dense_column(inputs[custom_config["label"]]), tf.float32)}


def dense_column(column: Column, size: int = 1) -> tf.Tensor:
    """Returns a raw column as a dense tensor `[batch, size]`.

    A missing value becomes NaN, the empty text, or `MISSING_INT`.
    """
    if not isinstance(column, tf.SparseTensor):
        return column
    default: float | str = "" if column.dtype == tf.string else math.nan
    if column.dtype.is_integer:
        default = MISSING_INT
    return tft.sparse_tensor_to_dense_with_shape(column, [None, size], default_value=default)


def _number(column: Column, size: int = 1) -> Pair:
    """The column as float64 `[batch, size]`, zero where missing, and bool: what is present."""
    dense = dense_column(column, size)
    if dense.dtype.is_integer:
        present = tf.not_equal(dense, tf.constant(MISSING_INT, dense.dtype))
        values = tf.cast(dense, tf.float64)
    else:
        values = tf.cast(dense, tf.float64)
        present = tf.math.is_finite(values)
    return tf.where(present, values, tf.zeros_like(values)), present


def _standardised(inputs: Mapping[str, Column], table: FeatureTable) -> dict[str, tf.Tensor]:
    """Numbers and signals with zero mean and unit variance on the train split."""
    pairs = {(name, "value"): _number(inputs[name]) for name in of_kind(table, Numeric)}
    pairs |= {(name, "value"): _logarithm(inputs[name]) for name in of_kind(table, HeavyTailed)}
    for name, signal in of_kind(table, Signal).items():
        pairs[name, "value"] = _number(inputs[name], signal.num_samples)
        pairs[name, "step"] = _differences(*pairs[name, "value"])
    if not pairs:
        return {}
    scaled = {
        key: _standardise(*pair, *moment)
        for (key, pair), moment in zip(pairs.items(), _moments(list(pairs.values())), strict=True)
    }
    outputs = {}
    for name in {name: None for name, _ in pairs}:
        missing = tf.cast(tf.logical_not(pairs[name, "value"][1]), tf.float32)
        if (name, "step") in pairs:
            channels = [scaled[name, "value"], scaled[name, "step"], missing]
            outputs[name] = tf.stack(channels, axis=2)
        else:
            outputs[name] = tf.concat([scaled[name, "value"], missing], axis=1)
    return outputs


def _logarithm(column: Column) -> Pair:
    values, present = _number(column)
    return tf.sign(values) * tf.math.log1p(tf.abs(values)), present


def _differences(values: tf.Tensor, present: tf.Tensor) -> Pair:
    """Each sample less the one before; missing where either is, and for the first sample.

    A fault that is small against the spread of healthy levels can be plain in the differences: a
    brief arc, a ripple, a jump.
    """
    both = tf.pad(present[:, 1:] & present[:, :-1], [[0, 0], [1, 0]])
    steps = tf.pad(values[:, 1:] - values[:, :-1], [[0, 0], [1, 0]])
    return tf.where(both, steps, tf.zeros_like(steps)), both


def _moments(columns: list[Pair]) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Mean and standard deviation of each column of each tensor over what is present.

    From the counts, sums and sums of squares in float64; a column without any value, or with one
    value only, gets mean 0 or that value, and standard deviation 0.
    """
    values = tf.concat([value for value, _ in columns], axis=1)
    present = tf.concat([tf.cast(p, tf.float64) for _, p in columns], axis=1)
    # A shift near the values would keep more digits; float64 leaves nine for time stamps already.
    totals = tft.sum(
        tf.concat([present, values, tf.square(values)], axis=1), reduce_instance_dims=False
    )
    count, total, squares = tf.split(totals, 3)
    mean = tf.math.divide_no_nan(total, count)
    variance = tf.maximum(tf.math.divide_no_nan(squares, count) - tf.square(mean), 0.0)
    # What is left of a constant's variance is rounding: below 1e-12 of its square it counts as 0.
    deviation = tf.where(variance > 1e-12 * tf.square(mean), tf.sqrt(variance), 0.0)
    sizes = [value.shape[1] for value, _ in columns]
    return list(zip(tf.split(mean, sizes), tf.split(deviation, sizes), strict=True))


def _standardise(
    values: tf.Tensor, present: tf.Tensor, mean: tf.Tensor, deviation: tf.Tensor
) -> tf.Tensor:
    """float32 `[batch, n]`, zero where missing.

    Each sample of a signal has its own mean and scale, so that what is left is the difference from
    the usual shape. A stretch that hardly varies must not be blown up: no scale is less than 5 % of
    their root mean square. A single number's scale is that root mean square itself.
    """
    floor = 0.05 * tf.sqrt(tf.reduce_mean(tf.square(deviation)))
    scaled = tf.math.divide_no_nan(values - mean, tf.maximum(deviation, floor))
    return tf.cast(tf.where(present, scaled, tf.zeros_like(scaled)), tf.float32)


def _time(column: Column, feature: Time) -> tf.Tensor:
    seconds, present = _number(column)
    parts = []
    for cycle in feature.cycles:
        period, offset = _PERIODS_S[cycle]
        angle = 2 * math.pi * tf.math.floormod(seconds + offset, period) / period
        parts += [tf.sin(angle), tf.cos(angle)]
    known = tf.cast(present, tf.float64)
    return tf.cast(tf.concat([part * known for part in parts] + [1 - known], axis=1), tf.float32)


def _categories(inputs: Mapping[str, Column], table: FeatureTable) -> dict[str, tf.Tensor]:
    """Indices in the one vocabulary of all categorical features; see `OUT_OF_VOCABULARY`."""
    categories = of_kind(table, Categorical)
    if not categories:
        return {}
    pairs = tf.concat(
        [_pair(name, inputs[name], category) for name, category in categories.items()], axis=1
    )
    vocabulary = tft.vocabulary(
        tf.boolean_mask(pairs, tf.not_equal(pairs, "")),
        top_k=sum(feature.max_vocabulary_size for feature in categories.values()),
        vocab_filename=VOCABULARY_NAME,
    )
    index = tft.apply_vocabulary(pairs, vocabulary, default_value=OUT_OF_VOCABULARY)
    index = tf.where(tf.equal(pairs, ""), tf.constant(MISSING_INDEX, tf.int64), index)
    return dict(zip(categories, tf.split(index, len(categories), axis=1), strict=True))


def category_text(column: Column, *, truth: bool = False) -> tf.Tensor:
    """Returns a category's value as text `[batch, 1]`, empty where it is missing.

    The spelling is that of the examples, whatever a client sends: text is trimmed, and the words
    true and false are in lower case.

    Args:
        column: The raw column.
        truth: Whether it holds truth values: then yes, on and 1 are `true`, their opposites
            `false`.
    """
    text = dense_column(column)
    if text.dtype.is_integer:
        empty = tf.equal(text, tf.constant(MISSING_INT, text.dtype))
        text = tf.where(empty, "", tf.strings.as_string(text))
    elif text.dtype.is_floating:
        text = tf.where(tf.math.is_finite(text), tf.strings.as_string(text), "")
    else:
        text = tf.strings.strip(text)
    words = (TRUE_WORDS, FALSE_WORDS) if truth else ("true", "false")
    for name, pattern in zip(("true", "false"), words, strict=True):
        text = tf.where(tf.strings.regex_full_match(text, f"(?i:{pattern})"), name, text)
    return text


def _pair(name: str, column: Column, category: Categorical) -> tf.Tensor:
    """Text `name=value` `[batch, 1]`, or the empty text where the value is missing."""
    # A vocabulary is a file of lines: a line break in a value would make two of it.
    text = tf.strings.regex_replace(category_text(column, truth=category.truth), r"[\r\n]", " ")
    return tf.where(tf.equal(text, ""), "", tf.strings.join([encoded_name(name), text], "="))


def _buckets(inputs: Mapping[str, Column], table: FeatureTable) -> dict[str, tf.Tensor]:
    """Quantile buckets from 1 on, 0 for a missing value; one analyzer for each bucket count."""
    by_count: dict[int, list[str]] = {}
    for name, feature in of_kind(table, Bucketized).items():
        by_count.setdefault(feature.num_buckets, []).append(name)
    buckets = {}
    for num_buckets, names in by_count.items():
        numbers = [_number(inputs[name]) for name in names]
        # The quantile sketch leaves out NaN, and so what is missing.
        values = tf.concat(
            [tf.where(present, tf.cast(v, tf.float32), math.nan) for v, present in numbers], axis=1
        )
        boundaries = tft.quantiles(
            values, num_buckets, epsilon=0.01, reduce_instance_dims=False, name=f"q{num_buckets}"
        )
        for position, name in enumerate(names):
            column = values[:, position : position + 1]
            index = tf.reduce_sum(
                tf.cast(column >= boundaries[position : position + 1], tf.int64),
                axis=1,
                keepdims=True,
            )
            buckets[name] = tf.where(numbers[position][1], index + 1, tf.zeros_like(index))
    return buckets


def _cross(parts: list[tf.Tensor], feature: Crossed) -> tf.Tensor:
    key = tf.strings.join([tf.strings.as_string(part) for part in parts], separator="_")
    return tf.strings.to_hash_bucket_fast(key, feature.num_buckets)
