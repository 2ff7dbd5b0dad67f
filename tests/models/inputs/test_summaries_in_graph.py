"""Summaries as the transform graph gives them, for tf.Examples and for a client's columns."""

import numpy as np
import pytest
import tensorflow as tf

from models.features import Numeric, Signal
from models.inputs.encoding import summary_name
from models.inputs.summaries import UsualShape, summarise, summary_names, unlikeness
from models.inputs.transform_graph import TransformGraph, raw_from_serving
from models.model_spec import ModelSpec
from models.train_options import TrainOptions
from tests.models.tiny_transform import analyse, to_example

NUM, RATE_HZ = 24, 50.0
NAN = float("nan")
SPEC = ModelSpec(
    label="faulty",
    features={
        "pressure": Numeric(),
        "pulse [V]": Signal(num_samples=NUM, sampling_rate_hz=RATE_HZ),
        "echo": Signal(num_samples=NUM, sampling_rate_hz=RATE_HZ),
        "slow": Signal(num_samples=5),
    },
    train=TrainOptions(),
)
RAW_SPEC = {
    "pressure": tf.io.FixedLenFeature([1], tf.float32),
    "pulse [V]": tf.io.FixedLenFeature([NUM], tf.float32),
    "echo": tf.io.VarLenFeature(tf.float32),
    "slow": tf.io.FixedLenFeature([5], tf.float32),
    "faulty": tf.io.FixedLenFeature([1], tf.int64),
}
SIGNALS = {"pulse [V]": NUM, "echo": NUM, "slow": 5}


def _rows():
    rng = np.random.default_rng(0)
    rows = [
        {"pressure": [1.0], "faulty": [number % 2]}
        | {name: rng.normal(size=num).astype(np.float32).tolist() for name, num in SIGNALS.items()}
        for number in range(6)
    ]
    rows[1]["pulse [V]"][3:9] = [NAN] * 6
    rows[2]["pulse [V]"] = [NAN] * NUM
    rows[3]["echo"] = []
    rows[4]["slow"][2] = float("inf")
    return rows


def _usual_shape(samples, present):
    """Mean of each sample, and its deviation, at least 5 % of their root mean square."""
    known = np.where(present, samples, NAN).astype(float)
    deviation = np.nanstd(known, axis=0)
    return np.nanmean(known, axis=0), np.maximum(deviation, 0.05 * np.sqrt((deviation**2).mean()))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """The transform graph with and without summaries."""
    folders = {wanted: tmp_path_factory.mktemp("graphs") / "transform" for wanted in (True, False)}
    for wanted, folder in folders.items():
        analyse(_rows(), RAW_SPEC, SPEC, folder, summaries=wanted)
    return {wanted: TransformGraph(folder, SPEC) for wanted, folder in folders.items()}


@pytest.fixture(scope="module")
def trained(graphs):
    """The transformed features of tf.Examples."""
    examples = [to_example(row) for row in _rows()]
    return graphs[True](tf.io.parse_example(examples, graphs[True].raw_spec))


def test_each_signal_has_its_own_summaries(trained):
    for name, num in SIGNALS.items():
        samples = np.array([row[name] or [NAN] * num for row in _rows()], np.float32)
        rate_hz = SPEC.features[name].rate_hz
        raw = summarise(tf.constant(samples), tf.constant(np.isfinite(samples)), rate_hz)
        present = np.isfinite(samples)
        mean, scale = _usual_shape(samples, present)
        usual = UsualShape(tf.constant([mean]), tf.constant([scale]))
        unlike = unlikeness(tf.constant(samples), tf.constant(present), usual, rate_hz)
        expected = np.concatenate([raw, unlike], axis=1)
        assert expected.shape[1] == len(summary_names(SPEC.features[name]))
        np.testing.assert_allclose(trained[summary_name(name)], expected, rtol=1e-5, atol=1e-6)


def test_a_client_s_columns_give_the_same_summaries_one_row_at_a_time(graphs, trained):
    for number, row in enumerate(_rows()):
        columns = {
            name: tf.constant([row[name] or [NAN] * num], tf.float32)
            for name, num in SIGNALS.items()
        }
        columns["pressure"] = tf.constant(row["pressure"])
        served = graphs[True](raw_from_serving(columns, graphs[True].raw_spec))
        for name in map(summary_name, SIGNALS):
            np.testing.assert_allclose(served[name][0], trained[name][number], rtol=1e-6, atol=1e-7)


def test_a_graph_without_summaries_gives_the_other_features_alone(graphs, trained):
    examples = [to_example(row) for row in _rows()]
    without = graphs[False](tf.io.parse_example(examples, graphs[False].raw_spec))
    assert set(without) == set(trained) - {summary_name(name) for name in SIGNALS}
    for name, tensor in without.items():
        np.testing.assert_array_equal(tensor, trained[name])
