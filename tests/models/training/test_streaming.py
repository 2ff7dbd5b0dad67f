"""Training on inputs in files beside training on the same inputs in memory."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from models.stored_rows import RowStore, StoredRows
from models.train_options import TrainOptions
from models.training.data import Dataset
from models.training.network_fit import network_logits, streamed_batches, train_network
from models.training.trainer import reproducible

# TensorFlow's variables lack NumPy 2's `copy` argument; the TensorBoard callback meets it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OPTIONS = TrainOptions(epochs=3, batch_size=16, patience=3)
FILES = RowStore(limit_bytes=0)


def _arrays(seed: int, num: int = 70) -> Dataset:
    """70 examples are 4 batches of 16 and one of 6; 64 are 4 full ones."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(num) % 4 == 0).astype(np.float32)
    dense = rng.normal(size=(num, 3)).astype(np.float32) + labels[:, None]
    pictures = rng.normal(size=(num, 4, 2)).astype(np.float32)
    index = rng.integers(0, 5, (num, 1))
    return Dataset({"dense": dense, "signal_4": pictures, "index": index}, labels)


def _in_files(dataset: Dataset) -> Dataset:
    return dataclasses.replace(dataset, inputs=FILES.collect([dataset.inputs]))


def _network() -> keras.Model:
    inputs = {
        "dense": keras.Input((3,), name="dense"),
        "signal_4": keras.Input((4, 2), name="signal_4"),
        "index": keras.Input((1,), name="index", dtype="int64"),
    }
    parts = [
        inputs["dense"],
        keras.layers.Flatten()(keras.layers.Conv1D(3, 3)(inputs["signal_4"])),
        keras.layers.Flatten()(keras.layers.Embedding(5, 2)(inputs["index"])),
    ]
    hidden = keras.layers.Dense(4, activation="relu", name="hidden")(
        keras.layers.Concatenate()(parts)
    )
    return keras.Model(
        inputs, keras.layers.Dense(1, name="logit")(keras.layers.Dropout(0.2)(hidden))
    )


def _weights(train: Dataset, evaluation: Dataset, log_dir, **options) -> bytes:
    own = dataclasses.replace(OPTIONS, **options)
    with reproducible(3):
        network = _network()
        train_network(network, train, evaluation, options=own, log_dir=log_dir)
    return b"".join(weight.tobytes() for weight in network.get_weights())


@pytest.mark.parametrize(("num", "class_weight"), [(70, "balanced"), (64, "none")])
def test_the_weights_from_files_are_those_from_memory_bit_for_bit(tmp_path, num, class_weight):
    train, evaluation = _arrays(1, num), _arrays(2)
    in_memory = _weights(train, evaluation, tmp_path, class_weight=class_weight)
    streamed = _weights(
        _in_files(train), _in_files(evaluation), tmp_path, class_weight=class_weight
    )
    assert streamed == in_memory
    other_order = train.rows(np.arange(num)[::-1])
    assert _weights(other_order, evaluation, tmp_path, class_weight=class_weight) != in_memory


def test_batches_have_each_example_once_with_its_own_label():
    labels = np.arange(70, dtype=np.float32)
    inputs = FILES.collect([{"dense": labels[:, None]}])
    batches = streamed_batches((inputs, labels), 16)
    assert int(batches.cardinality()) == 5
    epoch = list(batches.as_numpy_iterator())
    assert [len(own) for _, own in epoch] == [16, 16, 16, 16, 6]
    assert all(np.array_equal(given["dense"][:, 0], own) for given, own in epoch)
    order = np.concatenate([own for _, own in epoch])
    assert sorted(order) == labels.tolist() != order.tolist()


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak of the memory cannot be reset"
)
def test_the_order_of_many_examples_is_in_memory_a_few_times_at_most():
    num = 2_500_000  # TensorFlow folds constants of up to 10 MiB
    for size in (1_000, num):  # the first one loads libraries
        columns = ({"dense": np.zeros((size, 1), bool)}, np.zeros(size, bool))
        batches = streamed_batches(columns, 512)
        before = _status_bytes("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
        next(iter(batches))
    # 4 bytes a place, in order and shuffled; as a constant of the graph, seven times.
    assert _status_bytes("VmHWM") - before < 4 * 4 * num


def test_logits_from_files_are_those_from_memory():
    dataset, network = _arrays(4), _network()
    logits = network_logits(network, dataset.inputs)
    assert network_logits(network, _in_files(dataset).inputs).tobytes() == logits.tobytes()


def test_examples_picked_from_files_are_those_picked_from_memory():
    places = np.array([5, 69, 0])
    dataset = _arrays(5)
    picked = _in_files(dataset).rows(places)
    assert all(isinstance(values, StoredRows) for values in picked.inputs.values())
    for name, values in dataset.rows(places).inputs.items():
        assert np.array_equal(picked.inputs[name][:], values)
