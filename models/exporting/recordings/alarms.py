"""Alarms of recordings in a graph: runs of windows whose decision is positive.

The rule is that of `pipeline.prediction.files.alarms`: windows that follow or overlap each other
and are all positive are one alarm.
"""

from dataclasses import dataclass

import tensorflow as tf

from models.exporting.recordings.windows import Frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Alarms:
    """The alarms of a batch of recordings, in order.

    Attributes:
        recording: int64 `[alarms]`, the place of each alarm's recording in the batch.
        start: int64 `[alarms]`, the first sample of its first window.
        end: int64 `[alarms]`, the sample after its last window.
        num_windows: int64 `[alarms]`.
        probability: float32 `[alarms]`, the highest of its windows.
    """

    recording: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor
    num_windows: tf.Tensor
    probability: tf.Tensor


def find_alarms(frames: Frames, size: int, decision: tf.Tensor, probability: tf.Tensor) -> Alarms:
    """Returns the alarms.

    Args:
        frames: The windows.
        size: Samples of a window.
        decision: int64 `[windows]`, 1 where the window is positive.
        probability: float32 `[windows]`.
    """
    positive = tf.equal(decision, 1)
    follows = tf.equal(frames.recording[1:], frames.recording[:-1])
    follows &= frames.first[1:] <= frames.first[:-1] + size
    # The first window follows none; of no window there is no first one.
    goes_on = tf.concat([tf.zeros_like(positive[:1]), follows & positive[:-1]], axis=0)
    begins = positive & tf.logical_not(goes_on)
    run = tf.boolean_mask(tf.cumsum(tf.cast(begins, tf.int64)) - 1, positive)
    num_alarms = tf.reduce_sum(tf.cast(begins, tf.int64))
    num_windows = tf.math.unsorted_segment_sum(tf.ones_like(run), run, num_alarms)
    first = tf.reshape(tf.where(begins), [-1])
    return Alarms(
        recording=tf.gather(frames.recording, first),
        start=tf.gather(frames.first, first),
        end=tf.gather(frames.first, first + num_windows - 1) + size,
        num_windows=num_windows,
        probability=tf.math.unsorted_segment_max(
            tf.boolean_mask(probability, positive), run, num_alarms
        ),
    )
