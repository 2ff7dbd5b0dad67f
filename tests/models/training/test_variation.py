"""A train split that is another one in every epoch, and the same in every training."""

import dataclasses

import keras
import numpy as np
import pytest

from models.inputs.transform_graph import TransformGraph
from models.model_spec import ModelSpec
from models.stored_rows import RowStore, StoredRows
from models.train_options import Augmentation
from models.training.data import Dataset, make_transform, read_split, read_train
from models.training.network_fit import train_network
from models.training.trainer import reproducible
from models.training.variation import VariedBatches, make_variation
from tests.models.tiny_transform import SPEC, write_examples

# TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def _spec(**augmentation: Augmentation) -> ModelSpec:
    return dataclasses.replace(
        SPEC, train=dataclasses.replace(SPEC.train, augmentation=augmentation)
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    path = tmp_path_factory.mktemp("rows") / "rows.gz"
    write_examples(path, 5)
    return [str(path)]


@pytest.fixture(scope="module")
def graph(transform_folder) -> TransformGraph:
    return TransformGraph(transform_folder, SPEC)


def _same(left: dict, right: dict) -> bool:
    assert left.keys() == right.keys()
    return all(np.array_equal(left[name], right[name]) for name in left)


def test_what_is_not_varied_is_what_the_trainer_reads_anyway(files, graph):
    # A gain of exactly 1: nothing changes, whatever the way through the columns.
    inputs = make_variation(files, graph, _spec(pulse=Augmentation()), inputs={}).inputs(0)
    assert _same(inputs, read_split(files, make_transform(graph)).inputs)


def test_signals_change_with_the_epoch_and_nothing_else_does(files, graph):
    # One signal is stored at a fixed length, the other with missing values left out.
    noise = Augmentation(noise=0.5)
    variation = make_variation(files, graph, _spec(pulse=noise, echo=noise), inputs={})
    first, again, second = (variation.inputs(epoch) for epoch in (0, 0, 1))
    assert _same(first, again)
    plain = read_split(files, make_transform(graph)).inputs
    for key, values in plain.items():
        is_signal = key.startswith("signal_")
        assert np.array_equal(first[key], values) != is_signal
        assert np.array_equal(first[key], second[key]) != is_signal


def test_signals_are_varied_alike_in_files_and_in_memory(files, graph):
    spec = _spec(pulse=Augmentation(noise=0.5), echo=Augmentation(shift_ms=1.0, hide_share=0.5))
    for batch_rows in (2, 5):
        in_memory = make_variation(files, graph, spec, inputs={}, batch_rows=batch_rows)
        store = RowStore(limit_bytes=0)
        in_files = make_variation(files, graph, spec, inputs={}, store=store, batch_rows=batch_rows)
        for epoch in range(2):
            stored = in_files.inputs(epoch)
            assert all(isinstance(values, StoredRows) for values in stored.values())
            read = {name: values[:] for name, values in stored.items()}
            assert _same(read, in_memory.inputs(epoch))


def test_hidden_samples_are_marked_as_missing(files, graph):
    variation = make_variation(files, graph, _spec(echo=Augmentation(hide_share=0.5)), inputs={})
    plain = read_split(files, make_transform(graph)).inputs["signal_3"]
    # Channels of two signals: value, step and missing of each; `echo` is the second.
    hidden = variation.inputs(0)["signal_3"]
    assert hidden[:, :, 5].sum() > plain[:, :, 5].sum()
    assert np.array_equal(hidden[:, :, :3], plain[:, :, :3])


def test_every_epoch_takes_each_example_once_in_an_order_of_its_own():
    labels = np.arange(10, dtype=np.float32)
    variation = make_fake_variation(labels)
    batches = VariedBatches(variation, labels, labels * 2, batch_size=4)
    orders = []
    for epoch in range(2):
        parts = [batches[index] for index in range(len(batches))]
        assert [len(part[1]) for part in parts] == [4, 4, 2]
        inputs = np.concatenate([part[0]["x"] for part in parts])
        order = np.concatenate([part[1] for part in parts])
        weights = np.concatenate([part[2] for part in parts])
        # Inputs, labels and weights stay together.
        assert np.array_equal(inputs, order + 100 * epoch)
        assert np.array_equal(weights, order * 2)
        orders.append(order.tolist())
        batches.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == labels.tolist()
    assert orders[0] != orders[1]


def make_fake_variation(labels: np.ndarray):
    from models.training.variation import Variation

    return Variation(inputs=lambda epoch: {"x": labels + 100 * epoch}, seed=3)


def _train(files, graph, folder) -> tuple[keras.Model, list[int]]:
    spec = _spec(pulse=Augmentation(noise=0.5, scale=0.1), echo=Augmentation(noise=0.5))
    transform = make_transform(graph)
    train = read_train(files, transform, graph, spec)
    epochs: list[int] = []

    def inputs(epoch: int) -> dict:
        epochs.append(epoch)
        return variation.inputs(epoch)

    variation = train.variation
    train = dataclasses.replace(train, variation=dataclasses.replace(variation, inputs=inputs))
    from models.training.network import build_network

    with reproducible(spec.seed):
        network = build_network(graph.index_space, spec.train)
        evaluation: Dataset = read_split(files, transform)
        train_network(network, train, evaluation, options=spec.train, log_dir=folder)
    return network, epochs


def test_a_second_training_with_varied_signals_gives_the_same_weights_bit_for_bit(
    files, graph, tmp_path
):
    (first, epochs), (second, _) = (_train(files, graph, tmp_path) for _ in range(2))
    # Three epochs, each with its own signals; Keras ends the last one as it does the others.
    assert epochs[:3] == [0, 1, 2]
    for left, right in zip(first.get_weights(), second.get_weights(), strict=True):
        assert left.tobytes() == right.tobytes()
