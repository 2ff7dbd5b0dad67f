"""Numbers that describe recordings are those of the training, without TensorFlow."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.features import Signal
from production.monitoring.chunks.signals import CLIPPED, FLAT, GAPS, SUMMARIES, describe_signal

SIGNAL = Signal(num_samples=8, sampling_rate_hz=4.0)


def lists(rows):
    return pa.chunked_array([pa.array(rows, pa.list_(pa.float32()))])


def test_summaries_of_a_recording():
    described = describe_signal(lists([[0.0, 1, 2, 3, 4, 5, 6, 7]]), SIGNAL)
    assert described["mean"].tolist() == [3.5]
    assert described["median"].tolist() == [3.5]
    assert (described["minimum"][0], described["maximum"][0]) == (0.0, 7.0)
    # One per sample, four samples a second.
    assert described["slope"] == pytest.approx([4.0])
    assert described["rms change"] == pytest.approx([1.0])
    assert described[FLAT].tolist() == [0.0]
    assert described[CLIPPED].tolist() == [0.0]


def test_flat_and_clipped_samples_are_counted():
    described = describe_signal(lists([[0.0, 1, 1, 1, 0, -1, -1, 0]]), SIGNAL)
    # Equal neighbours: 1-1, 1-1 and -1 - -1, of seven pairs.
    assert described[FLAT] == pytest.approx([3 / 7])
    # Three samples at the maximum and two at the minimum, of which one each is no clipping.
    assert described[CLIPPED] == pytest.approx([3 / 8])


def test_missing_samples_do_not_count():
    described = describe_signal(lists([[1.0, np.nan, 3, np.inf, 1, 3, 1, 3], None]), SIGNAL)
    assert described["mean"][0] == 2.0
    assert described["missing share"].tolist() == [0.25, 1.0]
    assert np.isnan(described["mean"][1])


def test_the_gap_share_of_a_padded_signal_is_that_of_the_recorded_part():
    nan = np.nan
    rows = [[1, 2, 3, 4, nan, nan, nan, nan], [1, nan, 3, 4, nan, nan, nan, nan], [nan] * 8]
    described = describe_signal(lists(rows), replace(SIGNAL, lengths="pad"))
    assert described["missing share"].tolist() == [0.5, 0.625, 1.0]
    assert described[GAPS].tolist() == [0.0, 0.25, 1.0]
    assert GAPS not in describe_signal(lists(rows), SIGNAL)


def test_a_signal_without_recordings_has_no_numbers():
    assert all(len(v) == 0 for v in describe_signal(lists([]), SIGNAL).values())
    nulls = describe_signal(pa.chunked_array([pa.nulls(2)]), SIGNAL)
    assert nulls["missing share"].tolist() == [1.0, 1.0]


@pytest.mark.tensorflow
def test_summaries_are_those_of_the_transform_graph():
    import tensorflow as tf

    from models.inputs.summaries import summarise, summary_names

    rng = np.random.default_rng(0)
    signal = Signal(num_samples=50, sampling_rate_hz=20.0)
    samples = rng.standard_normal((30, 50)).cumsum(axis=1)
    samples[rng.random((30, 50)) < 0.05] = np.nan
    samples[0] = 7.0  # a constant
    present = ~np.isnan(samples)
    graph = summarise(tf.constant(np.nan_to_num(samples)), tf.constant(present), 20.0).numpy()
    expected = dict(zip(summary_names(signal), graph.T, strict=False))
    described = describe_signal(
        pa.chunked_array([pa.array(samples.tolist(), pa.list_(pa.float64()))]), signal
    )
    for name in SUMMARIES:
        np.testing.assert_allclose(described[name], expected[name], rtol=1e-5, atol=1e-6)
