"""The comparison of windows with their past: the graph's against the assembly's."""

import numpy as np
import pytest
import tensorflow as tf

from models.exporting.recordings.history import past_columns
from models.exporting.recordings.windows import frame
from models.framing import Framing
from pipeline.reading.recordings.history import history_columns, history_names
from pipeline.reading.recordings.windows import Windows

pytestmark = pytest.mark.tensorflow
NAN = float("nan")


def _samples() -> list[np.ndarray]:
    """Noise with gaps, a constant, a large level, a level that jumps, one lone sample."""
    random = np.random.default_rng(5)
    gaps = random.normal(0, 3, 50)
    gaps[[0, 7, 20, 21, 22, 23, 24, 25]] = NAN
    jump = np.concatenate([np.zeros(25), np.ones(20)]) + random.normal(0, 0.1, 45)
    lonely = np.full(30, NAN)
    lonely[4] = 2.0
    level = 1e5 + random.normal(0, 1, 37)
    return [one.astype(np.float32) for one in (gaps, np.full(20, 4.0), level, jump, lonely)]


@pytest.mark.parametrize("history", [1, 3, 100])
@pytest.mark.parametrize("hop", [2, 4])
def test_the_columns_are_those_of_the_assembly(history, hop):
    recordings = _samples()
    framing = Framing(channels=("value",), size=4, hop=hop, history=history)
    width = max(map(len, recordings))
    # What follows a shorter recording is not read.
    batch = np.array([np.pad(one, (0, width - len(one)), constant_values=99) for one in recordings])
    lengths = tf.constant([len(one) for one in recordings], tf.int64)
    frames = frame({"value": tf.constant(batch)}, lengths, framing)
    columns = past_columns(tf.constant(batch), lengths, frames, framing)
    for place, samples in enumerate(recordings):
        own = frames.recording.numpy() == place
        expected = _assembled(samples, frames.first.numpy()[own], framing)
        for name, column in zip(history_names("value"), columns, strict=True):
            values = column.numpy()[own]
            assert np.isnan(values).tolist() == np.isnan(expected[name]).tolist(), name
            assert values == pytest.approx(expected[name], rel=1e-6, abs=1e-9, nan_ok=True), name


def _assembled(samples: np.ndarray, first: np.ndarray, framing: Framing) -> dict[str, np.ndarray]:
    num_windows = (len(samples) - framing.size) // framing.hop + 1
    every = np.arange(num_windows, dtype=np.int64) * framing.hop
    nothing = np.zeros(num_windows, np.int64)
    windows = Windows(
        first=every,
        size=framing.size,
        labels=nothing.astype(np.int8),
        stretches=nothing,
        touched=((),) * num_windows,
    )
    kept = windows.rows(np.flatnonzero(np.isin(every, first)))
    table = history_columns({"value": samples}, windows, kept, framing.history)
    return {name: column.to_numpy(zero_copy_only=False) for name, column in table.items()}
