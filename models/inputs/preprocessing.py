"""The features table as a TensorFlow Transform graph.

The cost of a Transform run on a laptop grows with the number of analyzers (about a second each for
a vocabulary), not with the number of columns. So there is one for all means and variances, one for
all vocabularies, and one for the quantiles of each bucket count.

It also grows with the number of graph nodes, because TensorFlow Transform traces this function
several times. So the raw columns come in stacks (`models.inputs.stacks`), and whatever can be is
computed for all columns of a stack at once: the nodes do not multiply with the columns.
"""

import json
import math
from collections.abc import Mapping

import tensorflow as tf
import tensorflow_transform as tft

from models.features import (
    Audio,
    Bucketized,
    Categorical,
    Crossed,
    Cycle,
    FeatureTable,
    HeavyTailed,
    Image,
    Numeric,
    Signal,
    Time,
    features_from_json,
    of_kind,
)
from models.inputs.columns import Column, Pair, StackedColumns, dense_column, present_numbers
from models.inputs.encoding import (
    LABEL_NAME,
    MISSING_INDEX,
    NUMBERS_NAME,
    OUT_OF_VOCABULARY,
    VOCABULARY_NAME,
    deviation_name,
    encoded_name,
    summary_name,
)
from models.inputs.pictures import decode_pictures, summarise_pictures
from models.inputs.sound import (
    band_totals,
    decode_sounds,
    floored,
    spectrograms,
    standardised,
    summarise_sounds,
)
from models.inputs.stacks import MISSING_INT, stacks_from_json
from models.inputs.summaries import UsualShape, summarise, unlikeness

# As the reading of files has them (pipeline/reading/contract.py; a test compares the two).
TRUE_WORDS = (
    "true|t|yes|y|on|1|wahr|ja|j|ein|vrai|oui|verdadero|s\u00ed|si|vero|s\u00ec|verdadeiro|sim"
)
FALSE_WORDS = "false|f|no|n|off|0|falsch|nein|aus|faux|non|falso|n\u00e3o|nao"

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
        inputs: The stacks `[batch, num_columns]`, the label `[batch, 1]`, signals `[batch,
            num_samples]`, or sparse where they may be missing, and files `[batch, 1]`.
        custom_config: `label` names the label; `features` holds the features table and `stacks` the
            columns of each stack as JSON; `summaries`, if it is there, says as JSON whether signals
            are summarised.

    Returns:
        All numbers as one float32 `[batch, num_numbers, 2]` by the name `NUMBERS_NAME`, float32
        `[batch, size]` for other dense features, int64 `[batch, 1]` for index features, float32
        `[batch, num_samples, 3]` for signals, `[batch, frames, mels]` for sounds, `[batch, height,
        width, channels]` for pictures and `[batch, num_summaries]` for the summaries of these
        three, NaN where one is undefined, what levels of sounds are divided by as float32 `[batch,
        mels]`, and the label as float32 `[batch, 1]`.
    """
    table = features_from_json(custom_config["features"])
    columns = StackedColumns(inputs, stacks_from_json(custom_config["stacks"]))
    numbers, outputs, usual = _standardised(inputs, columns, table)
    wants_summaries = json.loads(custom_config.get("summaries", "false"))
    summaries = _summaries(inputs, usual, table) if wants_summaries else {}
    sounds, of_sounds, deviations = _sounds(inputs, table, wants_summaries=wants_summaries)
    pictures, of_pictures = _pictures(inputs, table, wants_summaries=wants_summaries)
    outputs |= sounds | pictures
    summaries |= of_sounds | of_pictures
    outputs |= {name: _time(columns, name, time) for name, time in of_kind(table, Time).items()}
    outputs |= _categories(columns, table) | _buckets(columns, table)
    for name, crossed in of_kind(table, Crossed).items():
        outputs[name] = _cross([outputs[part] for part in crossed.of], crossed)
    encoded = {encoded_name(name): value for name, value in outputs.items()}
    label = tf.cast(dense_column(inputs[custom_config["label"]]), tf.float32)
    return numbers | encoded | summaries | deviations | {LABEL_NAME: label}


def _standardised(
    inputs: Mapping[str, Column], columns: StackedColumns, table: FeatureTable
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, UsualShape]]:
    """Numbers, and signals by name, with zero mean and unit variance on the train split.

    The third value is the mean and the scale of each signal.
    """
    signals = of_kind(table, Signal)
    pairs = [
        pair
        for name, signal in signals.items()
        for pair in _signal_pairs(inputs[name], signal.num_samples)
    ]
    numbers = _all_numbers(columns, table)
    if not numbers and not pairs:
        return {}, {}, {}
    moments = _moments([*numbers, *pairs])
    if numbers:
        [(values, present)], (mean, deviation) = numbers, moments.pop(0)
        numeric = {NUMBERS_NAME: _standardise_numbers(values, present, mean, deviation)}
    else:
        numeric = {}
    scales = [_floored(deviation) for _, deviation in moments]
    scaled = [
        _scale(*pair, mean, scale)
        for pair, (mean, _), scale in zip(pairs, moments, scales, strict=True)
    ]
    outputs, usual = {}, {}
    for position, name in enumerate(signals):
        level, step = 2 * position, 2 * position + 1
        channels = [scaled[level], scaled[step], _missing(pairs[level][1])]
        outputs[name] = tf.stack(channels, axis=2)
        usual[name] = UsualShape(moments[level][0], scales[level])
    return numeric, outputs, usual


def _summaries(
    inputs: Mapping[str, Column], usual: Mapping[str, UsualShape], table: FeatureTable
) -> dict[str, tf.Tensor]:
    """The summaries of each signal; those of one length and rate are computed as one batch."""
    groups: dict[tuple[int, float], list[str]] = {}
    for name, signal in of_kind(table, Signal).items():
        groups.setdefault((signal.num_samples, signal.rate_hz), []).append(name)
    summaries: dict[str, tf.Tensor] = {}
    for (num_samples, rate_hz), names in groups.items():
        levels = [present_numbers(dense_column(inputs[name], num_samples)) for name in names]
        values, present = (tf.concat(parts, axis=0) for parts in zip(*levels, strict=True))
        # Trees need no gradients, and an infinite one here, times 0, would make those of the
        # network NaN: a saved function passes all of its outputs' gradients back.
        values = tf.stop_gradient(values)
        num_rows = tf.shape(levels[0][0])[0]
        mean, scale = (
            tf.repeat(tf.stack([getattr(usual[name], part) for name in names]), num_rows, axis=0)
            for part in ("mean", "scale")
        )
        shape = UsualShape(mean, scale)
        table_of_all = tf.concat(
            [summarise(values, present, rate_hz), unlikeness(values, present, shape, rate_hz)],
            axis=1,
        )
        parts = tf.split(table_of_all, len(names), axis=0)
        summaries |= {summary_name(name): part for name, part in zip(names, parts, strict=True)}
    return summaries


def _sounds(
    inputs: Mapping[str, Column], table: FeatureTable, *, wants_summaries: bool
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Spectrograms by name, standardised by one analyzer; summaries and deviations by their names.

    Augmentation needs the deviations, to change levels by dB.
    """
    features = of_kind(table, Audio)
    if not features:
        return {}, {}, {}
    sounds = {name: decode_sounds(name, inputs[name], audio) for name, audio in features.items()}
    heard = {name: spectrograms(sounds[name], audio) for name, audio in features.items()}
    sizes = [audio.num_mels for audio in features.values()]
    totals = tft.sum(
        tf.concat([band_totals(one) for one in heard.values()], axis=1), reduce_instance_dims=False
    )
    spectra, deviations = {}, {}
    for (name, one), of_bands in zip(
        heard.items(), tf.split(totals, [3 * size for size in sizes]), strict=True
    ):
        mean, deviation = _mean_and_deviation(*tf.split(of_bands, 3))
        deviation = floored(deviation)
        spectra[name] = standardised(one, mean, deviation)
        shape = [tf.shape(one.levels)[0], features[name].num_mels]
        deviations[deviation_name(name)] = tf.broadcast_to(tf.cast(deviation, tf.float32), shape)
    summaries = {
        summary_name(name): summarise_sounds(sounds[name], heard[name], audio)
        for name, audio in features.items()
        if wants_summaries
    }
    return spectra, summaries, deviations


def _pictures(
    inputs: Mapping[str, Column], table: FeatureTable, *, wants_summaries: bool
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Pictures by name, and their summaries by their names."""
    features = of_kind(table, Image)
    pictures = {
        name: decode_pictures(name, inputs[name], image) for name, image in features.items()
    }
    summaries = {
        summary_name(name): summarise_pictures(pictures[name], image)
        for name, image in features.items()
        if wants_summaries
    }
    return pictures, summaries


def _all_numbers(columns: StackedColumns, table: FeatureTable) -> list[Pair]:
    """The numbers of a table in the order of `number_names`, or nothing if there are none."""
    numeric, heavy_tailed = of_kind(table, Numeric), of_kind(table, HeavyTailed)
    pairs = []
    if numeric:
        pairs.append(columns.numbers(list(numeric)))
    if heavy_tailed:
        values, present = columns.numbers(list(heavy_tailed))
        pairs.append((tf.sign(values) * tf.math.log1p(tf.abs(values)), present))
    if not pairs:
        return []
    values, present = (tf.concat(parts, axis=1) for parts in zip(*pairs, strict=True))
    return [(values, present)]


def _signal_pairs(column: Column, num_samples: int) -> tuple[Pair, Pair]:
    levels = present_numbers(dense_column(column, num_samples))
    return levels, _differences(*levels)


def _missing(present: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.logical_not(present), tf.float32)


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
    mean, deviation = _mean_and_deviation(*tf.split(totals, 3))
    sizes = [value.shape[1] for value, _ in columns]
    return list(zip(tf.split(mean, sizes), tf.split(deviation, sizes), strict=True))


def _mean_and_deviation(
    count: tf.Tensor, total: tf.Tensor, squares: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    mean = tf.math.divide_no_nan(total, count)
    variance = tf.maximum(tf.math.divide_no_nan(squares, count) - tf.square(mean), 0.0)
    # What is left of a constant's variance is rounding: below 1e-12 of its square it counts as 0.
    return mean, tf.where(variance > 1e-12 * tf.square(mean), tf.sqrt(variance), 0.0)


def _floored(deviation: tf.Tensor) -> tf.Tensor:
    """The scale of each sample of a signal.

    Each sample of a signal has its own mean and scale, so that what is left is the difference from
    the usual shape. A stretch that hardly varies must not be blown up: no scale is less than 5 % of
    their root mean square.
    """
    return tf.maximum(deviation, 0.05 * tf.sqrt(tf.reduce_mean(tf.square(deviation))))


def _standardise_numbers(
    values: tf.Tensor, present: tf.Tensor, mean: tf.Tensor, deviation: tf.Tensor
) -> tf.Tensor:
    """float32 `[batch, n, 2]`: each number, zero where missing, and 1 where it is missing."""
    return tf.stack([_scale(values, present, mean, deviation), _missing(present)], axis=2)


def _scale(values: tf.Tensor, present: tf.Tensor, mean: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    scaled = tf.math.divide_no_nan(values - mean, scale)
    return tf.cast(tf.where(present, scaled, tf.zeros_like(scaled)), tf.float32)


def _time(columns: StackedColumns, name: str, feature: Time) -> tf.Tensor:
    seconds, present = columns.numbers([name])
    parts = []
    for cycle in feature.cycles:
        period, offset = _PERIODS_S[cycle]
        angle = 2 * math.pi * tf.math.floormod(seconds + offset, period) / period
        parts += [tf.sin(angle), tf.cos(angle)]
    known = tf.cast(present, tf.float64)
    return tf.cast(tf.concat([part * known for part in parts] + [1 - known], axis=1), tf.float32)


def _categories(columns: StackedColumns, table: FeatureTable) -> dict[str, tf.Tensor]:
    """Indices in the one vocabulary of all categorical features; see `OUT_OF_VOCABULARY`."""
    categories = of_kind(table, Categorical)
    if not categories:
        return {}
    pairs = _pairs(columns, categories)
    vocabulary = tft.vocabulary(
        tf.boolean_mask(pairs, tf.not_equal(pairs, "")),
        top_k=sum(feature.max_vocabulary_size for feature in categories.values()),
        vocab_filename=VOCABULARY_NAME,
    )
    index = tft.apply_vocabulary(pairs, vocabulary, default_value=OUT_OF_VOCABULARY)
    index = tf.where(tf.equal(pairs, ""), tf.constant(MISSING_INDEX, tf.int64), index)
    return dict(zip(categories, tf.split(index, len(categories), axis=1), strict=True))


def _pairs(columns: StackedColumns, categories: Mapping[str, Categorical]) -> tf.Tensor:
    """Text `name=value` `[batch, num_categories]`, or the empty text where a value is missing."""
    truths = [category.truth for category in categories.values()]
    text = columns.texts(list(categories), truths, lambda c, truth: category_text(c, truth=truth))
    # A vocabulary is a file of lines: a line break in a value would make two of it.
    text = tf.strings.regex_replace(text, r"[\r\n]", " ")
    names = tf.broadcast_to([[encoded_name(name) for name in categories]], tf.shape(text))
    return tf.where(tf.equal(text, ""), "", tf.strings.join([names, text], "="))


def category_text(column: Column, *, truth: bool = False) -> tf.Tensor:
    """Returns the values of categories as text, empty where they are missing.

    The spelling is that of the examples, whatever a client sends: text is trimmed, and the words
    true and false are in lower case.

    Args:
        column: A raw column, or dense columns `[batch, n]` of one type.
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


def _buckets(columns: StackedColumns, table: FeatureTable) -> dict[str, tf.Tensor]:
    """Quantile buckets from 1 on, 0 for a missing value; one analyzer for each bucket count."""
    by_count: dict[int, list[str]] = {}
    for name, feature in of_kind(table, Bucketized).items():
        by_count.setdefault(feature.num_buckets, []).append(name)
    buckets: dict[str, tf.Tensor] = {}
    for num_buckets, names in by_count.items():
        numbers, present = columns.numbers(names)
        # The quantile sketch leaves out NaN, and so what is missing.
        values = tf.where(present, tf.cast(numbers, tf.float32), math.nan)
        boundaries = tft.quantiles(
            values, num_buckets, epsilon=0.01, reduce_instance_dims=False, name=f"q{num_buckets}"
        )
        above = tf.expand_dims(values, 2) >= tf.expand_dims(boundaries, 0)
        index = tf.reduce_sum(tf.cast(above, tf.int64), axis=2)
        index = tf.where(present, index + 1, tf.zeros_like(index))
        buckets |= dict(zip(names, tf.split(index, len(names), axis=1), strict=True))
    return buckets


def _cross(parts: list[tf.Tensor], feature: Crossed) -> tf.Tensor:
    key = tf.strings.join([tf.strings.as_string(part) for part in parts], separator="_")
    return tf.strings.to_hash_bucket_fast(key, feature.num_buckets)
