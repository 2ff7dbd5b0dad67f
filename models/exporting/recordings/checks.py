"""Refusals of recordings that the graph cannot cut as the training data were cut.

A failed check is the answer of the server: TensorFlow puts the text into its error.
"""

from collections.abc import Mapping

import tensorflow as tf

from models.exporting.recordings.windows import MAX_FRAMED, window_counts
from models.framing import NUM_SAMPLES, RATE, Framing

# As in the assembly of recordings: closer rates are taken as equal.
_RATE_TOLERANCE = 0.01


def check_lengths(
    channels: Mapping[str, tf.Tensor], num_samples: tf.Tensor, framing: Framing
) -> list[tf.Operation]:
    """Returns the checks of channels and lengths.

    Each recording has at least one window and at most the samples that were sent, channels are
    equally long, and the windows of the request are not too many.
    """
    widths = {name: tf.shape(values, tf.int64)[1] for name, values in channels.items()}
    first, *others = widths
    width = widths[first]
    checks = [
        _check(
            tf.equal(widths[name], width),
            f"`{name}` has", widths[name], f"samples, and `{first}` has", width, ". "
            "Send the same number for each channel, NaN where a sample is missing.",
        )
        for name in others
    ]  # fmt: skip
    for is_right, problem in (
        (num_samples >= framing.size, f"a window has {framing.size} samples. Send a longer one."),
        (num_samples <= width, f"not more were sent. `{NUM_SAMPLES}` is what the channels hold."),
    ):
        checks.append(_check_each(is_right, f"`{NUM_SAMPLES}` is", num_samples, f", but {problem}"))
    framed = tf.reduce_sum(window_counts(num_samples, framing)) * (
        framing.size * len(framing.channels)
    )
    checks.append(
        _check(
            framed <= MAX_FRAMED,
            "The windows of the request have", framed, "samples; at most", MAX_FRAMED,
            "are taken. Send fewer recordings, or a long one in parts.",
        )
    )  # fmt: skip
    return checks


def check_rates(rate_hz: tf.Tensor, framing: Framing) -> list[tf.Operation]:
    """Returns the checks of the sampling rates; NaN, which is unknown, passes."""
    is_unknown = tf.math.is_nan(rate_hz)
    is_positive = is_unknown | ((rate_hz > 0) & tf.math.is_finite(rate_hz))
    checks = [_check_each(is_positive, f"`{RATE}` is", rate_hz, "; it must be > 0, or NaN.")]
    if framing.rate_hz is None:
        return checks
    is_near = tf.abs(rate_hz / framing.rate_hz - 1) <= _RATE_TOLERANCE
    if framing.length_s is not None:
        is_near &= tf.equal(tf.round(framing.length_s * rate_hz), framing.size)
    problem = (
        f"; the model takes samples at {framing.rate_hz:g} Hz. Resample the recording, as "
        "`faultline predict` does with its files."
    )
    return [*checks, _check_each(is_unknown | is_near, f"`{RATE}` is", rate_hz, problem)]


def _check(is_right: tf.Tensor, *parts: object) -> tf.Operation:
    texts = [tf.as_string(part) if tf.is_tensor(part) else str(part) for part in parts]
    return tf.debugging.Assert(is_right, [tf.strings.join(texts, separator=" ")])


def _check_each(is_right: tf.Tensor, before: str, values: tf.Tensor, after: str) -> tf.Operation:
    """Checks all recordings; the text has place and value of the first that is wrong."""
    place = tf.argmin(tf.cast(is_right, tf.int32))
    # Of no recording there is no value.
    value = tf.strings.reduce_join(tf.as_string(values[place : place + 1]))
    text = tf.strings.join([f"{before} ", value, " in recording ", tf.as_string(place), after])
    return tf.debugging.Assert(tf.reduce_all(is_right), [text])
