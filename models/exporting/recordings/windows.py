"""Windows of a batch of recordings, in a graph."""

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from models.framing import Framing

# Samples of all windows and channels of a request: 64 MiB as float32.
MAX_FRAMED = 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """The windows of a batch of recordings that have a sample, in order.

    Attributes:
        recording: int64 `[windows]`, the place of each window's recording in the batch.
        first: int64 `[windows]`, the first sample of each.
        samples: Name of each channel to float32 `[windows, size]`.
    """

    recording: tf.Tensor
    first: tf.Tensor
    samples: Mapping[str, tf.Tensor]


def frame(channels: Mapping[str, tf.Tensor], num_samples: tf.Tensor, framing: Framing) -> Frames:
    """Returns the windows of recordings, without those that have no sample in any channel.

    Args:
        channels: Name to float32 `[batch, samples]`; NaN where a sample is missing. What follows
            the samples of a shorter recording is not read.
        num_samples: int64 `[batch]`, the samples of each recording, >= `framing.size`.
        framing: Size and hop of the windows.
    """
    counts = window_counts(num_samples, framing)
    recording = tf.repeat(tf.range(tf.size(counts, tf.int64)), counts)
    before = tf.repeat(tf.cumsum(counts, exclusive=True), counts)
    first = (tf.range(tf.reduce_sum(counts)) - before) * framing.hop
    samples = {
        name: take(values, recording, first, framing.size) for name, values in channels.items()
    }
    missing = [tf.reduce_all(tf.math.is_nan(values), axis=1) for values in samples.values()]
    kept = tf.logical_not(tf.reduce_all(tf.stack(missing), axis=0))
    return Frames(
        recording=tf.boolean_mask(recording, kept),
        first=tf.boolean_mask(first, kept),
        samples={name: tf.boolean_mask(values, kept) for name, values in samples.items()},
    )


def window_counts(num_samples: tf.Tensor, framing: Framing) -> tf.Tensor:
    """Returns the number of whole windows of each recording, int64 `[batch]`."""
    return tf.maximum((num_samples - framing.size) // framing.hop + 1, 0)


def take(values: tf.Tensor, recording: tf.Tensor, first: tf.Tensor, size: int) -> tf.Tensor:
    """Returns `size` neighbouring values for each window, `[windows, size]`.

    Args:
        values: `[batch, samples]`.
        recording: int64 `[windows]`, row of each window.
        first: int64 `[windows]`, its first sample.
        size: Samples of a window.
    """
    start = recording * tf.shape(values, tf.int64)[1] + first
    return tf.gather(tf.reshape(values, [-1]), start[:, None] + tf.range(size, dtype=tf.int64))
