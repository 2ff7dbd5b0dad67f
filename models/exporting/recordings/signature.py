"""The signature that takes whole recordings: it cuts windows, scores them and finds alarms."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from models.exporting.recordings.alarms import Alarms, find_alarms
from models.exporting.recordings.checks import check_lengths, check_rates
from models.exporting.recordings.history import past_columns
from models.exporting.recordings.windows import Frames, frame
from models.framing import NUM_SAMPLES, RATE, Framing
from models.inputs.transform_graph import raw_from_serving

SERVING_RECORDING = "serving_recording"

Tensors = Mapping[str, tf.Tensor]
Answer = Callable[[Mapping[str, Any]], dict[str, tf.Tensor]]


class RecordingSignature:
    """Whole recordings in, scores of their windows and alarms out.

    Attributes:
        inputs: Specs of the inputs by name: each channel `[batch, samples]`, each other column of
            the model `[batch]`, `num_samples` int64 `[batch]` and `sampling_rate_hz` float64
            `[batch]`, NaN if it is not known.
    """

    def __init__(self, answer: Answer, raw_spec: Mapping[str, Any], framing: Framing) -> None:
        """Wraps a model of windows.

        Args:
            answer: Returns `probability` and `decision` of parsed raw columns, `[windows, 1]`.
            raw_spec: The parsing spec of the model's raw columns.
            framing: How recordings are cut.
        """
        self._answer = answer
        self._raw_spec = raw_spec
        self._framing = framing
        # A channel that is no feature still decides which windows have a sample.
        channels = {name: tf.TensorSpec([None, None], tf.float32) for name in framing.channels}
        context = {
            name: tf.TensorSpec([None], spec.dtype)
            for name, spec in raw_spec.items()
            if name not in {*framing.channels, *framing.computed}
        }
        self.inputs = channels | context
        self.inputs[NUM_SAMPLES] = tf.TensorSpec([None], tf.int64)
        self.inputs[RATE] = tf.TensorSpec([None], tf.float64)

    def __call__(self, inputs: Tensors) -> dict[str, tf.Tensor]:
        """Returns the outputs, padded with NaN and -1 where recordings have fewer than others.

        `probability` float32 and `decision` int64 `[batch, windows]`, `window_start_s` float64
        `[batch, windows]`, `num_windows` int64 `[batch]`, `max_probability` float32 `[batch]`,
        `num_alarms` int64 `[batch]`, and `[batch, alarms]`: `alarm_start_s` and `alarm_end_s`
        float64, `alarm_num_windows` int64 and `alarm_probability` float32. Times are in s since the
        first sample.
        """
        channels = {name: inputs[name] for name in self._framing.channels}
        num_samples, rate_hz = inputs[NUM_SAMPLES], inputs[RATE]
        checks = check_lengths(channels, num_samples, self._framing)
        with tf.control_dependencies([*checks, *check_rates(rate_hz, self._framing)]):
            num_samples = tf.identity(num_samples)
        frames = frame(channels, num_samples, self._framing)
        answer = self._answer(self._raw(inputs, num_samples, frames))
        num_windows = tf.size(frames.first)
        probability, decision = (
            tf.reshape(answer[name], [-1])[:num_windows] for name in ("probability", "decision")
        )
        alarms = find_alarms(frames, self._framing.size, decision, probability)
        nominal = tf.constant(self._framing.rate_hz or 1.0, tf.float64)
        rate_hz = tf.where(tf.math.is_nan(rate_hz), nominal, rate_hz)
        return _of_windows(frames, probability, decision, rate_hz) | _of_alarms(alarms, rate_hz)

    def _raw(self, inputs: Tensors, num_samples: tf.Tensor, frames: Frames) -> dict[str, Any]:
        """The columns of each window: its samples, its past, and the context of its recording."""
        framing = self._framing
        columns = dict(frames.samples)
        for channel, names in framing.past.items():
            past = past_columns(inputs[channel], num_samples, frames, framing)
            columns |= dict(zip(names, past, strict=True))
        for name in self._raw_spec:
            if name not in columns:
                columns[name] = tf.gather(inputs[name], frames.recording)
        typed = {
            name: _some_row(tf.cast(columns[name], spec.dtype))
            for name, spec in self._raw_spec.items()
        }
        for name in typed.keys() & frames.samples.keys():
            typed[name] = tf.ensure_shape(typed[name], [None, framing.size])
        return raw_from_serving(typed, self._raw_spec)


def _some_row(column: tf.Tensor) -> tf.Tensor:
    """The column, with one row of nothing if it has none: a network cannot score no rows."""
    lacking = tf.cast(tf.equal(tf.shape(column)[0], 0), tf.int32)
    row = tf.zeros(tf.concat([[lacking], tf.shape(column)[1:]], axis=0), column.dtype)
    return tf.concat([column, row], axis=0)


def _of_windows(
    frames: Frames, probability: tf.Tensor, decision: tf.Tensor, rate_hz: tf.Tensor
) -> dict[str, tf.Tensor]:
    counts = _counts(frames.recording, rate_hz)
    highest = tf.math.unsorted_segment_max(probability, frames.recording, tf.size(rate_hz))
    start_s = tf.cast(frames.first, tf.float64) / tf.gather(rate_hz, frames.recording)
    return {
        "num_windows": counts,
        "window_start_s": _rows(start_s, counts),
        "probability": _rows(probability, counts),
        "decision": _rows(decision, counts),
        "max_probability": tf.where(counts > 0, highest, float("nan")),
    }


def _of_alarms(alarms: Alarms, rate_hz: tf.Tensor) -> dict[str, tf.Tensor]:
    counts = _counts(alarms.recording, rate_hz)
    own_hz = tf.gather(rate_hz, alarms.recording)
    columns = {
        "alarm_start_s": tf.cast(alarms.start, tf.float64) / own_hz,
        "alarm_end_s": tf.cast(alarms.end, tf.float64) / own_hz,
        "alarm_num_windows": alarms.num_windows,
        "alarm_probability": alarms.probability,
    }
    rows = {name: _rows(values, counts) for name, values in columns.items()}
    return {"num_alarms": counts, **rows}


def _counts(recording: tf.Tensor, rate_hz: tf.Tensor) -> tf.Tensor:
    """The number of each recording's windows or alarms, int64 `[batch]`."""
    return tf.math.unsorted_segment_sum(tf.ones_like(recording), recording, tf.size(rate_hz))


def _rows(values: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Values of all recordings as one row for each recording."""
    ragged = tf.RaggedTensor.from_row_lengths(values, counts, validate=False)
    return ragged.to_tensor(float("nan") if values.dtype.is_floating else -1)
