"""Columns that compare a window with the samples before it, in a graph.

The formulas are those of `pipeline.reading.recordings.history`, which the training data were made
with; sums are in another order, so the last digits of a float64 may differ.
"""

import tensorflow as tf

from models.exporting.recordings.windows import Frames, take
from models.framing import Framing

_MIN_SAMPLES = 2


def past_columns(
    values: tf.Tensor, num_samples: tf.Tensor, frames: Frames, framing: Framing
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns distance, shift and change of spread of one channel, float64 `[windows]`.

    They are NaN where the past or the window has fewer than two samples.

    Args:
        values: float32 `[batch, samples]`.
        num_samples: int64 `[batch]`, the samples of each recording.
        frames: The windows.
        framing: Size of the windows, and length of the past.
    """
    samples = tf.cast(values, tf.float64)
    place = tf.range(tf.shape(samples, tf.int64)[1])
    known = tf.math.is_finite(samples) & (place[None, :] < num_samples[:, None])
    # Sums of centred values lose no digits to a large level.
    centre = _mean(samples, known)
    centred = tf.where(known, samples - centre[:, None], 0.0)
    floor = 1e-6 * tf.sqrt(_mean(samples**2, known))
    floor = tf.gather(tf.where(floor > 0, floor, 1.0), frames.recording)
    sums = [_running(part) for part in (tf.cast(known, tf.float64), centred, centred**2)]
    start = tf.maximum(frames.first - (framing.history or 0) * framing.size, 0)
    past_mean, past_std, past_count = _moments(sums, frames.recording, start, frames.first)
    stop = frames.first + framing.size
    mean, std, count = _moments(sums, frames.recording, frames.first, stop)
    own = take(samples, frames.recording, frames.first, framing.size)
    distance = tf.abs(own - tf.gather(centre, frames.recording)[:, None] - past_mean[:, None])
    reach = tf.reduce_max(tf.where(tf.math.is_finite(own), distance, 0.0), axis=1)
    scale = tf.maximum(past_std, floor)
    columns = (
        tf.math.log1p(reach / scale),
        tf.asinh((mean - past_mean) / scale),
        tf.math.log((std + floor) / (past_std + floor)),
    )
    is_known = (past_count >= _MIN_SAMPLES) & (count >= _MIN_SAMPLES)
    nothing = tf.constant(float("nan"), tf.float64)
    distances, shifts, spreads = (tf.where(is_known, column, nothing) for column in columns)
    return distances, shifts, spreads


def _mean(samples: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """The mean of each recording's known samples, 0 without any, float64 `[batch]`."""
    total = tf.reduce_sum(tf.where(known, samples, 0.0), axis=1)
    return total / tf.maximum(tf.reduce_sum(tf.cast(known, tf.float64), axis=1), 1.0)


def _running(values: tf.Tensor) -> tf.Tensor:
    return tf.pad(tf.cumsum(values, axis=1), [[0, 0], [1, 0]])


def _moments(
    sums: list[tf.Tensor], recording: tf.Tensor, start: tf.Tensor, stop: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean, population standard deviation and number of the samples in each range."""
    count, first, second = (
        take(part, recording, stop, 1)[:, 0] - take(part, recording, start, 1)[:, 0]
        for part in sums
    )
    divisor = tf.maximum(count, 1.0)
    mean = first / divisor
    return mean, tf.sqrt(tf.maximum(second / divisor - mean**2, 0.0)), count
